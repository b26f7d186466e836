"""Faults: the failures that a test can switch on for a server, a method and a path.

A fault is a frozen description. `box.faults.add` makes a rule of it and returns the rule's handle (`rules.py`). Byte
offsets count the bytes of one body: the request's for PUT and POST, else the answer's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass


class Hangup(Exception):
    """The connection ends, within an answer or without one.

    Attributes:
        reset: Whether it ends with a TCP reset.
    """

    def __init__(self, reset: bool = False) -> None:
        """End the connection, with a TCP reset if `reset` is set."""
        super().__init__("reset" if reset else "closed")
        self.reset = reset


@dataclass(frozen=True)
class Status:
    """This answer is sent, and the server does nothing for the request."""

    code: int
    reason: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Redirect:
    """A redirect to any `location` is sent, and the server does nothing for the request."""

    location: str
    code: int = 302


@dataclass(frozen=True)
class Delay:
    """The request waits for `seconds`, until `until` is set, or else until the handle is released.

    With `late` the server does its work first, and only the answer waits.
    """

    seconds: float | None = None
    until: threading.Event | None = None
    late: bool = False


@dataclass(frozen=True)
class NoAnswer:
    """The request is read and never answered; the connection stays open until the client or the sandbox closes it."""


@dataclass(frozen=True)
class LostAnswer:
    """The server does its work, and the connection ends without an answer."""

    reset: bool = False


@dataclass(frozen=True)
class Cut:
    """The connection ends after `after` bytes of the body.

    With 0 it ends after the headers of an answer; a PUT or POST gets no answer.
    """

    after: int = 0
    reset: bool = False


@dataclass(frozen=True)
class Short:
    """The answer's body lacks its last `by` bytes, and the connection closes; the Content-Length is unchanged."""

    by: int = 1


@dataclass(frozen=True)
class Long:
    """The answer's body has `by` additional bytes; with `announced` the Content-Length counts them."""

    by: int = 1
    announced: bool = False


@dataclass(frozen=True)
class Flip:
    """The byte at offset `at` is increased by one.

    A flipped bit in equal pieces could cancel out in adler32. The digests of a download are those of the original
    bytes, and those of an upload are those of the changed bytes.
    """

    at: int = 0


@dataclass(frozen=True)
class Stall:
    """The body stops after `after` bytes, until the handle is released."""

    after: int = 0


@dataclass(frozen=True)
class Silence:
    """The connection sends nothing after `after` bytes of the answer, and stays open until the client closes it.

    Other connections go on. `times=1` makes one connection silent.
    """

    after: int = 0


@dataclass(frozen=True)
class FailedMover:
    """The mover fails after `after` bytes of the answer: every connection of its UUID sends nothing more."""

    after: int = 0


@dataclass(frozen=True)
class Proxied:
    """The door sends or receives the bytes of a GET or PUT itself, and does not redirect."""


@dataclass(frozen=True)
class Meanwhile:
    """`do` is called before the server sees the request, or after `after` bytes of the body."""

    do: Callable[[], object]
    after: int | None = None


@dataclass(frozen=True)
class WholeFile:
    """Range is ignored: the answer is 200 with the whole file."""


@dataclass(frozen=True)
class WrongRange:
    """The Content-Range is shifted by `by` bytes from the bytes that are sent."""

    by: int = 1


@dataclass(frozen=True)
class WrongDigest:
    """The Digest header has a wrong value."""


@dataclass(frozen=True)
class LateChecksum:
    """There is no Digest header and no Checksums property yet, as a door may answer right after an upload."""


@dataclass(frozen=True)
class EmptyListing:
    """PROPFIND shows an empty directory with success (dcache.md 1.1); DELETE answers 500: it is not empty."""


@dataclass(frozen=True)
class Full:
    """The pool has no space after `after` bytes: it answers 507 while the client may still send."""

    after: int = 0
    reason: str = "No space left on device"


@dataclass(frozen=True)
class Prealloc:
    """The pool cannot reserve the space for the announced length: it answers 500 before the first byte of the body."""

    reason: str = "Failed to preallocate space"


@dataclass(frozen=True)
class WrongIssuer:
    """The discovery document names another issuer."""

    issuer: str = "https://localhost/realms/other"


@dataclass(frozen=True)
class RefuseOffline:
    """The issuer answers `invalid_scope` to a request for offline_access."""


Fault = (
    Status | Redirect | Delay | NoAnswer | LostAnswer | Cut | Short | Long | Flip | Stall | Silence | FailedMover
    | Proxied | Meanwhile | WholeFile | WrongRange | WrongDigest | LateChecksum | EmptyListing | Full | Prealloc
    | WrongIssuer | RefuseOffline
)  # fmt: skip
