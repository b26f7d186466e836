"""What goes over the wire, as values: Origin, Headers, Response, Body, and how a caller accepts an answer."""

from __future__ import annotations

import io
import ipaddress
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol
from urllib.parse import quote, urljoin

from ctadata.errors import Untrusted
from ctadata.http.redaction import redact, sanitize

BODY_LIMIT = 64 * 1024
"""Bytes kept of a body that nobody accepted."""

_PORTS = {"http": 80, "https": 443}

# Stricter than RFC 3986 on purpose: what this takes, every parser reads alike (no userinfo, no backslash, no blank).
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<target>(?:[/?][\x21\x22\x24-\x7e]*)?)(?:\#[\x21-\x7e]*)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Origin:
    """Who a request goes to (RFC 6454): `https` or `http`, lower-case host (IPv6 in brackets), port."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, url: str) -> Origin:
        """The origin of a URL; Untrusted for anything but plain http and https URLs."""
        return split_url(url)[0]

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine (RFC 6761 section 6.3)."""
        return _is_loopback(self.host)

    def __str__(self) -> str:
        """As it stands in a URL, with the port always."""
        return f"{self.scheme}://{self.host}:{self.port}"


@lru_cache(maxsize=256)
def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or host.endswith(".localhost") or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def split_url(url: str) -> tuple[Origin, str]:
    """A URL as its origin and its path with query; the fragment is dropped. Untrusted where it is not plain http(s)."""
    match = _URL.fullmatch(url)
    port = int(match["port"] or _PORTS[match["scheme"].lower()]) if match else 0
    if match is None or not 0 < port < 65536:
        raise Untrusted(f"{sanitize(url)!r} is not an address to send requests to")
    target = match["target"]
    origin = Origin(match["scheme"].lower(), match["host"].lower(), port)
    return origin, target if target.startswith("/") else "/" + target


def resolve_location(base: str, location: str) -> str:
    """The URL that a `Location` seen at `base` means, rebuilt from its parts; Untrusted where it is not http(s).

    Blanks and bytes beyond ASCII, which XRootD sends raw, are percent-encoded first (`location` is latin-1).
    """
    encoded = quote(location.encode("latin-1", "replace"), safe="!#$%&'()*+,/:;=?@[]~")
    try:
        joined = urljoin(base, encoded)
    except ValueError:
        joined = encoded
    origin, target = split_url(joined)
    return f"{origin}{target}"


class Headers:
    """The headers of an answer; names in any case, several of one name joined by a comma (RFC 9110 section 5.3)."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        """From names and values."""
        self._fields: dict[str, tuple[str, str]] = {}
        for name, value in fields:
            key = name.lower()
            before = self._fields.get(key)
            self._fields[key] = (before[0], f"{before[1]}, {value}") if before else (name, value)

    @classmethod
    def parse(cls, block: bytes) -> Headers:
        """From lines as they come over the wire; latin-1, which keeps every byte."""
        lines = [line.partition(":") for line in block.decode("latin-1").split("\r\n")]
        return cls([(name.strip(), value.strip()) for name, colon, value in lines if colon])

    def get(self, name: str) -> str | None:
        """The value, None where there is none."""
        field = self._fields.get(name.lower())
        return field[1] if field else None

    def items(self) -> list[tuple[str, str]]:
        """Every name, as it was written, with its value."""
        return list(self._fields.values())

    def __repr__(self) -> str:
        """Names alone: a value may be a secret (`Location` of a pool)."""
        return f"Headers({', '.join(name for name, _ in self._fields.values())})"


@dataclass(slots=True, repr=False)
class Response:
    """The answer to a request.

    url:    where the answer came from, as sent (it may hold a pool's credential).
    status, reason: of the status line; the reason is fit to be shown.
    body:   what `accept` declined, the first 64 KiB.
    hops:   the URLs that redirected on the way here.
    """

    method: str
    url: str
    status: int
    reason: str
    headers: Headers
    body: bytes = b""
    hops: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Without secrets."""
        return f"<Response {self.method} {redact(self.url)} {self.status} {self.reason}>"


class Body(Protocol):
    """What is uploaded: a `stores.base.Source` is one."""

    @property
    def size(self) -> int:
        """Bytes, exact."""

    def read(self, limit: int) -> bytes:
        """At most `limit` next bytes; empty at the end."""

    def rewind(self) -> None:
        """Start again at the first byte."""


class InMemory:
    """Bytes as a Body."""

    def __init__(self, content: bytes) -> None:
        """It stands at its first byte."""
        self._file = io.BytesIO(content)
        self.size = len(content)

    def read(self, limit: int) -> bytes:
        """The next bytes."""
        return self._file.read(limit)

    def rewind(self) -> None:
        """Back to the first byte."""
        self._file.seek(0)


Consumer = Callable[[bytes], None]
"""Takes the next block of a body."""

Watch = Callable[[float], None]
"""Called a few times a second while an answer is waited for, with the seconds for which no byte of it has come.

What it raises ends the exchange and comes out of `Client.send`.
"""

Accept = Callable[[Response], Consumer | None]
"""Called when the headers of the final 2xx answer are complete: who takes the body, or None to have it collected.

What it raises ends the exchange and comes out of `Client.send`.
"""
