"""What one exchange sends."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ctadata.errors import UsageError
from ctadata.http.credentials import SigningKey
from ctadata.http.messages import Body, Origin

_VALUE = re.compile(r"[\x20-\x7e\x80-\xff]*")


class Upload:
    """A body on its way: knows whether any of it has been read, and then rewinds before it is sent anew."""

    __slots__ = ("_body", "begun", "size")

    def __init__(self, body: Body) -> None:
        """Of a body that stands at its first byte."""
        self._body = body
        self.size = body.size
        self.begun = False

    def read(self, limit: int) -> bytes:
        """The next bytes."""
        self.begun = True
        return self._body.read(limit)

    def rewind(self) -> None:
        """Back to the first byte, checksum and progress as well; nothing where none was read."""
        if self.begun:
            self._body.rewind()
            self.begun = False


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """What one exchange sends.

    lines:  the header lines, secrets among them: never to be shown.
    expect: seconds to wait for `100 Continue`; None for sending the body at once.
    hops:   the URLs that redirected here.
    sign:   what signs it.
    fresh:  whether a new connection is made for it.
    """

    method: str
    origin: Origin
    url: str
    lines: list[str | bytes]
    body: Upload | None = None
    expect: float | None = None
    hops: tuple[str, ...] = ()
    sign: SigningKey | None = None
    fresh: bool = False


def header_line(name: str, value: str) -> str | bytes:
    """One header line; UsageError, which does not show the value, where it would be more than one.

    Bytes beyond ASCII go out as they are (`value` is latin-1): XRootD wants them so in a `Destination`.
    """
    if not _VALUE.fullmatch(value) or not name.isascii() or ":" in name or not name.isprintable():
        raise UsageError(f"the value of {name!r} cannot be sent as a header")
    line = f"{name}: {value}" if value else f"{name};"
    return line if line.isascii() else line.encode("latin-1")
