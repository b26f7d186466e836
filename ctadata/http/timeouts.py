"""How long the client waits for a server: Limits, in seconds."""

from __future__ import annotations

from dataclasses import dataclass

JSON_TOTAL = 300.0
"""Seconds that a call of a JSON interface may take with all of its answer; a dCache door behind it may be silent for
180 s first."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long silence is borne, in seconds.

    connect:        for name look-up, TCP and TLS together.
    first_byte:     from the sent request to the answer's headers; a dCache door may take 180 s.
    stall_seconds, stall_bytes_per_second: a body must move on by their product, in bytes, within these seconds.
    mover_probe:        a transfer that shares a mover asks after it when so long nothing has come, and waits so long.
    total:          for one request with all of its answer; None for those whose bodies may be large.
    expect:         how long an upload waits for `100 Continue` where nothing is known of the server (as curl does).
    expect_redirect: the same at a door that redirects uploads, which it does before the first body byte or never.
    """

    connect: float = 15.0
    first_byte: float = 200.0
    stall_seconds: float = 60.0
    stall_bytes_per_second: float = 1.0
    total: float | None = None
    mover_probe: float = 5.0
    expect: float = 1.0
    expect_redirect: float = 190.0
