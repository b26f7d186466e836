"""Faults: what can go wrong at a server, switched on by tests for a server, a method and a path.

A fault is a frozen description. `box.faults.add` makes it a rule and returns its handle (`rules.py`). Byte offsets
count the bytes of one body: of the request for PUT and POST, of the answer else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass


class Hangup(Exception):
    """The connection ends here, in the middle or instead of an answer; `reset` asks for a TCP reset."""

    def __init__(self, reset: bool = False) -> None:
        super().__init__("reset" if reset else "closed")
        self.reset = reset


@dataclass(frozen=True)
class Status:
    """This answer instead of the real one; the server does nothing for the request."""

    code: int
    reason: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Redirect:
    """A redirect to `location`, whatever that is, instead of the real answer."""

    location: str
    code: int = 302


@dataclass(frozen=True)
class Delay:
    """Nothing happens for `seconds`, or until `until` is set, or else until the handle is released; with `late` the
    work is done before and only its answer waits."""

    seconds: float | None = None
    until: threading.Event | None = None
    late: bool = False


@dataclass(frozen=True)
class NoAnswer:
    """The request is read and never answered; the connection stays open until the client or the sandbox ends."""


@dataclass(frozen=True)
class LostAnswer:
    """The request is carried out in full, then the connection ends instead of the answer."""

    reset: bool = False


@dataclass(frozen=True)
class Cut:
    """The connection ends after that many bytes of the body (0: after the headers of an answer; a PUT or POST gets
    no answer at all)."""

    after: int = 0
    reset: bool = False


@dataclass(frozen=True)
class Short:
    """The answer's body lacks its last `by` bytes, then the connection closes; its Content-Length stays."""

    by: int = 1


@dataclass(frozen=True)
class Long:
    """The answer's body has `by` bytes too many; `announced` counts them in Content-Length too."""

    by: int = 1
    announced: bool = False


@dataclass(frozen=True)
class Flip:
    """The byte at that offset is one more (flipped bits of equal pieces can cancel out in adler32); the digests stay
    those of the sender's bytes (of a download) or become those of the changed bytes (of an upload)."""

    at: int = 0


@dataclass(frozen=True)
class Stall:
    """Nothing moves any more after that many bytes, until the handle is released."""

    after: int = 0


@dataclass(frozen=True)
class Silence:
    """The connection falls silent after that many bytes of the answer, and stays open until the client closes it; the
    other connections go on. `times=1` makes one connection silent."""

    after: int = 0


@dataclass(frozen=True)
class FailedMover:
    """The pool fails the mover after that many bytes of the answer: every connection of its UUID falls silent."""

    after: int = 0


@dataclass(frozen=True)
class Proxied:
    """The door carries the bytes of a GET or a PUT itself, and redirects to no pool."""


@dataclass(frozen=True)
class Meanwhile:
    """`do` is called meanwhile: before the server sees the request, or after that many bytes of the body."""

    do: Callable[[], object]
    after: int | None = None


@dataclass(frozen=True)
class WholeFile:
    """A Range is not looked at: 200 and the whole file."""


@dataclass(frozen=True)
class WrongRange:
    """Content-Range names bytes that lie `by` further on than those that come."""

    by: int = 1


@dataclass(frozen=True)
class WrongDigest:
    """The Digest header names a wrong value."""


@dataclass(frozen=True)
class LateChecksum:
    """No Digest header and no Checksums property yet: what a door may answer right after an upload."""


@dataclass(frozen=True)
class EmptyListing:
    """PROPFIND calls the directory empty, a success (dcache.md 1.1); DELETE sees it so, and cannot delete it alone."""


@dataclass(frozen=True)
class Full:
    """The pool runs out of space after that many bytes: 507 while the client may still be sending."""

    after: int = 0
    reason: str = "No space left on device"


@dataclass(frozen=True)
class Prealloc:
    """The pool cannot reserve the space when it sees the length: 500 before any byte of the body."""

    reason: str = "Failed to preallocate space"


@dataclass(frozen=True)
class WrongIssuer:
    """The discovery document names another issuer."""

    issuer: str = "https://localhost/realms/other"


@dataclass(frozen=True)
class RefuseOffline:
    """The issuer answers `invalid_scope` where offline_access is asked for."""


Fault = (
    Status | Redirect | Delay | NoAnswer | LostAnswer | Cut | Short | Long | Flip | Stall | Silence | FailedMover
    | Proxied | Meanwhile | WholeFile | WrongRange | WrongDigest | LateChecksum | EmptyListing | Full | Prealloc
    | WrongIssuer | RefuseOffline
)  # fmt: skip
