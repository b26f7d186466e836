"""The time limits of requests, in seconds."""

from __future__ import annotations

from typing import NamedTuple

JSON_TOTAL = 300.0
"""Seconds for a request to a JSON interface with its whole answer. A dCache door behind it may be silent for 180 s."""


class Limits(NamedTuple):
    """The time limits of one client.

    Attributes:
        connect: Seconds for name look-up, TCP and TLS together.
        first_byte: Seconds from the end of the request to the headers of its response; a dCache door may take 180 s.
        stall_seconds: Seconds within which a body must move on by `stall_seconds` times `stall_bytes_per_second` bytes.
        stall_bytes_per_second: The slowest rate of a body.
        total: Seconds for one request with its whole answer; None if the body may be large.
        mover_probe: Seconds without a byte after which a transfer that shares a mover asks whether the mover still
            lives; the answer must come within the same time.
        expect: Seconds that an upload waits for `100 Continue` from an unknown server (curl's default).
        expect_redirect: Seconds that an upload waits for `100 Continue` or a redirect from a door that redirects
            uploads; it does so before the first byte of the body, or never.
    """

    connect: float = 15.0
    first_byte: float = 200.0
    stall_seconds: float = 60.0
    stall_bytes_per_second: float = 1.0
    total: float | None = None
    mover_probe: float = 5.0
    expect: float = 1.0
    expect_redirect: float = 190.0
