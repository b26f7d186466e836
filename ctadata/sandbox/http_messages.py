"""The parts of an HTTP/1.1 exchange: the connection, the head of a request, and the headers of an answer."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BufferedReader
from urllib.parse import parse_qs, unquote

Headers = Sequence[tuple[str, str]]
"""The names and values of headers, in their order."""
CHUNKED = ("Transfer-Encoding", "chunked")
"""The header of a body in chunks."""


@dataclass(frozen=True)
class Wire:
    """One accepted connection.

    Attributes:
        server: The name of the server.
        number: The number of the connection.
        socket: The socket, with TLS if the server has it.
        reader: The buffered reader of the socket.
        peer: The client's address.
    """

    server: str
    number: int
    socket: socket.socket
    reader: BufferedReader
    peer: str


@dataclass(frozen=True)
class Request:
    """The head of a request.

    Attributes:
        method: The method.
        target: The target as it was sent.
        headers: The headers in their order; `header` finds one in upper and lower case.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]

    @cached_property
    def raw_path(self) -> str:
        """The path as it was sent."""
        return self.target.partition("?")[0]

    @cached_property
    def path(self) -> str:
        """The decoded path."""
        return unquote(self.raw_path, errors="surrogateescape")

    @cached_property
    def query(self) -> dict[str, list[str]]:
        """The decoded query."""
        return parse_qs(self.target.partition("?")[2], keep_blank_values=True)

    def header(self, name: str) -> str | None:
        """Return the first value of a header; None if it was not sent."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


def encode_chunks(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a body in chunks, one for each block that is not empty, and the last chunk."""
    for block in blocks:
        yield b"%x\r\n%s\r\n" % (len(block), block) if block else b""
    yield b"0\r\n\r\n"


def content_length(headers: Headers) -> int | None:
    """Return the Content-Length of headers; None if they have none."""
    return next((int(value) for name, value in headers if name == "Content-Length"), None)


def shift_range(content_range: str, by: int) -> str:
    """Return a Content-Range that is shifted by some bytes."""
    first, last, total = (int(number) for number in re.findall(r"\d+", content_range))
    return f"bytes {first + by}-{last + by}/{total}"


def corrupt_digest(digest: str) -> str:
    """Return a digest `name=value` with another first digit."""
    name, _, value = digest.partition("=")
    return f"{name}={'1' if value[0] == '0' else '0'}{value[1:]}"
