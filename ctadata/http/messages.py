"""The values of an HTTP exchange: Origin, Headers, Response and Body, and the types of the callbacks."""

from __future__ import annotations

import io
import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple, Protocol
from urllib.parse import quote, urljoin

from ctadata.errors import Untrusted
from ctadata.http.redaction import redact, sanitize

BODY_LIMIT = 64 * 1024
"""The largest number of bytes that are kept of a body that no callback takes."""

_PORTS = {"http": 80, "https": 443}

# stricter than RFC 3986, so that every parser reads a URL alike: no user, no backslash, no blank
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<target>(?:[/?][\x21\x22\x24-\x7e]*)?)(?:\#[\x21-\x7e]*)?",
    re.IGNORECASE,
)

_PLAIN_URL = re.compile(
    r"https?://[a-z0-9.-]+(?::[0-9]{1,5})?/[A-Za-z0-9_.~!$&'()*+,:=@%/-]*(?:\?[A-Za-z0-9_.~&+,:=@%/-]+)?"
)
"""A URL that needs neither encoding nor a base, as nearly every pool's."""


class Origin(NamedTuple):
    """The server of a request (RFC 6454).

    Attributes:
        scheme: `https` or `http`.
        host: The host in lower case; an IPv6 address in brackets.
        port: The port, also if it is the scheme's default.
    """

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, url: str) -> Origin:
        """Return the origin of a URL.

        Raises:
            Untrusted: It is no plain http or https URL (see `split_url`).
        """
        return split_url(url)[0]

    @property
    def is_loopback(self) -> bool:
        """Whether the server is this machine (RFC 6761 section 6.3)."""
        return is_loopback(self.host)

    @lru_cache(maxsize=256)  # noqa: B019  (a run has few origins)
    def __str__(self) -> str:
        """Return the origin as it stands in a URL, always with its port."""
        return f"{self.scheme}://{self.host}:{self.port}"


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Whether a host is this machine (RFC 6761 section 6.3)."""
    try:
        return host == "localhost" or host.endswith(".localhost") or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@lru_cache(maxsize=1024)  # a request parses its URL several times, while many others are in flight
def split_url(url: str) -> tuple[Origin, str]:
    """Split a URL into its origin, and its path with the query; the fragment is dropped.

    The accepted form is stricter than RFC 3986, so that every parser reads the URL alike: no user, no backslash, no
    blank.

    Raises:
        Untrusted: It is no http or https URL of this form.
    """
    match = _URL.fullmatch(url)
    port = int(match["port"] or _PORTS[match["scheme"].lower()]) if match else 0
    if match is None or not 0 < port < 65536:
        raise Untrusted(f"{sanitize(url)!r} is not an address to send requests to")
    target = match["target"]
    origin = Origin(match["scheme"].lower(), match["host"].lower(), port)
    return origin, target if target.startswith("/") else "/" + target


def resolve_location(base: str, location: str) -> str:
    """Return the absolute URL that a `Location` header means.

    Args:
        base: The URL of the response.
        location: The header, decoded as latin-1. XRootD sends blanks and bytes beyond ASCII unencoded; they are
            percent-encoded first.

    Raises:
        Untrusted: The URL is no http or https URL.
    """
    if _PLAIN_URL.fullmatch(location):
        origin, target = split_url(location)
        return f"{origin}{target}"
    encoded = quote(location.encode("latin-1", "replace"), safe="!#$%&'()*+,/:;=?@[]~")
    try:
        joined = urljoin(base, encoded)
    except ValueError:
        joined = encoded
    origin, target = split_url(joined)
    return f"{origin}{target}"


NO_HEADERS: Mapping[str, str] = MappingProxyType({})
"""No headers for a request."""


class Headers:
    """The headers of a response. Upper and lower case of names do not matter.

    Several headers of one name are joined by a comma (RFC 9110 section 5.3).

    Attributes:
        values: The values, by the name in lower case.
    """

    __slots__ = ("_names", "values")

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        """Create headers from pairs of name and value."""
        self.values: dict[str, str] = {}
        self._names: dict[str, str] = {}  # as the server wrote them, by the name in lower case
        for name, value in fields:
            key = name.lower()
            before = self.values.get(key)
            self.values[key] = value if before is None else f"{before}, {value}"
            self._names.setdefault(key, name)

    @classmethod
    def parse(cls, block: bytes) -> Headers:
        """Parse the header lines as they are received, without the status line; latin-1 keeps every byte."""
        fields = []
        for line in block.decode("latin-1").split("\r\n"):
            name, colon, value = line.partition(":")
            if colon:
                fields.append((name.strip(), value.strip()))
        return cls(fields)

    def get(self, name: str) -> str | None:
        """Return the value of a header; None if it is missing."""
        return self.values.get(name.lower())

    def items(self) -> list[tuple[str, str]]:
        """Return each name, as the server wrote it, with its value."""
        return [(name, self.values[key]) for key, name in self._names.items()]

    def __repr__(self) -> str:
        """Show the names only: a value may be a secret, as a pool's `Location`."""
        return f"Headers({', '.join(self._names.values())})"


@dataclass(slots=True, repr=False)
class Response:
    """The response to a request.

    Attributes:
        method: The method of the request.
        url: The URL that answered, as it was sent; it may hold a pool's credential.
        status: The status of the status line.
        reason: The reason phrase, sanitized so that it may be shown.
        headers: The headers.
        body: The first 64 KiB of a body that `accept` did not take.
        hops: The URLs whose redirects led here.
        was_repeated: Whether the server may also have received an earlier copy of the request, and may still handle it.
    """

    method: str
    url: str
    status: int
    reason: str
    headers: Headers
    body: bytes = b""
    hops: tuple[str, ...] = ()
    was_repeated: bool = False

    def __repr__(self) -> str:
        """Show the request and the status, without secrets."""
        return f"<Response {self.method} {redact(self.url)} {self.status} {self.reason}>"


class Body(Protocol):
    """The body of an upload; a `stores.base.Source` is one."""

    @property
    def size(self) -> int:
        """The exact number of bytes."""

    def read(self, limit: int) -> bytes:
        """Return the next bytes, at most `limit`; empty at the end."""

    def rewind(self) -> None:
        """Go back to the first byte."""


class InMemory:
    """A body of bytes in memory."""

    def __init__(self, content: bytes) -> None:
        """Start at the first byte of `content`."""
        self._file = io.BytesIO(content)
        self.size = len(content)

    def read(self, limit: int) -> bytes:
        """Return the next bytes, at most `limit`."""
        return self._file.read(limit)

    def rewind(self) -> None:
        """Go back to the first byte."""
        self._file.seek(0)


Consumer = Callable[[memoryview], None]
"""Take the next bytes of a body. They are valid until the function returns: it copies what it keeps."""

Watch = Callable[[float], None]
"""Observe a transfer: called a few times a second with the seconds since the last byte of the response.

An exception from it ends the exchange and is raised by `Client.send`.
"""

Accept = Callable[[Response], Consumer | None]
"""Take the headers of the final 2xx response, and return the consumer of its body; None to collect the body in memory.

An exception from it ends the exchange and is raised by `Client.send`.
"""
