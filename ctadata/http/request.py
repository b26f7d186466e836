"""One request as it is sent."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from ctadata.errors import UsageError
from ctadata.http.credentials import SigningKey
from ctadata.http.messages import Body, Origin

_VALUE = re.compile(r"[\x20-\x7e\x80-\xff]*")


class Upload:
    """A body that is being sent. It knows whether any of it has been read, and then rewinds before it is sent again.

    Attributes:
        size: The number of bytes.
        begun: Whether any byte has been read since the last rewind.
    """

    __slots__ = ("_body", "begun", "size")

    def __init__(self, body: Body) -> None:
        """Wrap a body that is at its first byte."""
        self._body = body
        self.size = body.size
        self.begun = False

    def read(self, limit: int) -> bytes:
        """Return the next bytes, at most `limit`."""
        self.begun = True
        return self._body.read(limit)

    def rewind(self) -> None:
        """Go back to the first byte, also of checksum and progress; do nothing if no byte has been read."""
        if self.begun:
            self._body.rewind()
            self.begun = False


class Request(NamedTuple):
    """One request.

    Attributes:
        method: The method.
        origin: The server.
        url: The whole URL.
        lines: The header lines; they hold secrets and are never shown.
        body: The body to send, if there is one.
        expect: Seconds to wait for `100 Continue` before the body is sent; None to send it at once.
        hops: The URLs whose redirects led here.
        sign: The key that signs the request (S3), if there is one.
        fresh: Whether the request gets a new connection.
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

    def __repr__(self) -> str:
        """Show no header lines."""
        return f"<Request {self.method} {self.origin}>"


def header_lines(headers: Iterable[tuple[str, str]]) -> list[str | bytes]:
    """Return the header lines for curl.

    Args:
        headers: Each a name with its value, in latin-1. Bytes beyond ASCII are sent as they are: XRootD wants them so
            in a `Destination`.

    Raises:
        UsageError: A header would be more than one line, or no header. The error does not show the value.
    """
    lines: list[str | bytes] = []
    for name, value in headers:
        if not _VALUE.fullmatch(value) or not name.isascii() or ":" in name or not name.isprintable():
            raise UsageError(f"the value of {name!r} cannot be sent as a header")
        line = f"{name}: {value}" if value else f"{name};"
        lines.append(line if line.isascii() else line.encode("latin-1"))
    return lines
