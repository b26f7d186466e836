"""A sandbox for each test, and a bare HTTP client that follows no redirect and adds no header."""

import http.client
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from ctadata.sandbox import Sandbox

EMPTY: Mapping[str, str] = {}


@dataclass(frozen=True)
class Reply:
    status: int
    reason: str
    headers: http.client.HTTPMessage
    body: bytes

    def __getitem__(self, header: str) -> str | None:
        return self.headers[header]


class Clock:
    """A clock that the test moves."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class Caller:
    """An HTTP/1.1 client of the standard library that trusts only the sandbox's CA."""

    def __init__(self, box: Sandbox) -> None:
        self.box = box
        self.context = ssl.create_default_context(cafile=str(box.ca))
        self.bearer = {"Authorization": f"Bearer {box.token()}"}
        self._opened: list[socket.socket | http.client.HTTPConnection] = []

    def connection(self, url: str) -> http.client.HTTPConnection:
        """Return a connection to the origin of a URL; it is closed after the test."""
        parts = urlsplit(url)
        made: http.client.HTTPConnection
        if parts.scheme == "https":
            made = http.client.HTTPSConnection(parts.hostname, parts.port, context=self.context, timeout=60)
        else:
            made = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        self._opened.append(made)
        return made

    def socket(self, url: str) -> ssl.SSLSocket:
        """Return a TLS connection to the origin of a URL, closed after the test; it ends with close_notify only."""
        parts = urlsplit(url)
        plain = socket.create_connection((parts.hostname, parts.port), timeout=60)
        made = self.context.wrap_socket(plain, server_hostname=parts.hostname, suppress_ragged_eofs=False)
        self._opened.append(made)
        return made

    def on(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: Mapping[str, str] = EMPTY,
    ) -> Reply:
        """Send one request on a connection that stays open."""
        connection.request(method, target, body, dict(headers))
        return read(connection.getresponse())

    def bare(self, method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] = EMPTY) -> Reply:
        """Send one request on its own connection, without a token."""
        parts = urlsplit(url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection = self.connection(url)
        try:
            return self.on(connection, method, target, body, headers)
        finally:
            connection.close()

    def door(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = EMPTY) -> Reply:
        """Send one request to the door with ada's token."""
        return self.bare(method, self.box.door + path, body, {**self.bearer, **headers})

    def ticket(self, path: str, headers: Mapping[str, str] = EMPTY) -> str:
        """Return the pool URL to which the door redirects a GET."""
        reply = self.door("GET", path, headers=headers)
        assert reply.status == 302, reply
        return str(reply["Location"])

    def upload_ticket(self, path: str, headers: Mapping[str, str] = EMPTY) -> str:
        """Return the pool URL to which the door redirects a PUT that waits for it."""
        reply = self.patient_put(path, headers)
        assert reply.status == 307, reply
        return str(reply["Location"])

    def patient_put(self, path: str, headers: Mapping[str, str] = EMPTY) -> Reply:
        """Return the door's answer to a PUT with Expect, before any byte of the body."""
        wire = self.head("PUT", self.box.door + path, {**self.bearer, "Expect": "100-continue", **headers})
        return read(answer(wire))

    def head(self, method: str, url: str, headers: Mapping[str, str] = EMPTY, more: bytes = b"") -> ssl.SSLSocket:
        """Return a connection on which the head of a request and `more` were sent."""
        parts = urlsplit(url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        lines = [
            f"{method} {target} HTTP/1.1",
            f"Host: {parts.netloc}",
            *(f"{k}: {v}" for k, v in headers.items()),
        ]
        wire = self.socket(url)
        wire.sendall("\r\n".join([*lines, "", ""]).encode() + more)
        return wire

    def close(self) -> None:
        for opened in self._opened:
            opened.close()


def answer(wire: socket.socket) -> http.client.HTTPResponse:
    """Return the next answer on a socket, and skip `100 Continue`."""
    response = http.client.HTTPResponse(wire)
    response.begin()
    return response


def read(response: http.client.HTTPResponse) -> Reply:
    with response:
        return Reply(response.status, response.reason, response.headers, response.read())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_box() -> Iterator[Callable[..., Sandbox]]:
    """Return a function that starts a sandbox with options; it is closed after the test."""
    made: list[Sandbox] = []

    def make(**options: object) -> Sandbox:
        made.append(Sandbox(**options).start())  # type: ignore[arg-type]
        return made[-1]

    yield make
    for box in made:
        box.close()


@pytest.fixture
def make_caller() -> Iterator[Callable[[Sandbox], Caller]]:
    """Return a function that makes a client of a sandbox; its connections are closed after the test."""
    made: list[Caller] = []

    def make(box: Sandbox) -> Caller:
        made.append(Caller(box))
        return made[-1]

    yield make
    for caller in made:
        caller.close()


@pytest.fixture
def box(make_box: Callable[..., Sandbox]) -> Sandbox:
    """A sandbox with default options."""
    return make_box()


@pytest.fixture
def call(box: Sandbox, make_caller: Callable[[Sandbox], Caller]) -> Caller:
    """A client of `box`."""
    return make_caller(box)
