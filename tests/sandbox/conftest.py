"""A sandbox for each test, and a bare HTTP caller that follows nothing and adds nothing."""

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
    """Time that passes when told to."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class Caller:
    """HTTP/1.1 with the standard library, trusting only the sandbox's CA."""

    def __init__(self, box: Sandbox) -> None:
        self.box = box
        self.context = ssl.create_default_context(cafile=str(box.ca))
        self.bearer = {"Authorization": f"Bearer {box.token()}"}
        self._opened: list[socket.socket | http.client.HTTPConnection] = []

    def connection(self, url: str) -> http.client.HTTPConnection:
        """A connection to the origin of a URL; closed after the test."""
        parts = urlsplit(url)
        made: http.client.HTTPConnection
        if parts.scheme == "https":
            made = http.client.HTTPSConnection(parts.hostname, parts.port, context=self.context, timeout=60)
        else:
            made = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        self._opened.append(made)
        return made

    def socket(self, url: str) -> ssl.SSLSocket:
        """A bare TLS connection to the origin of a URL, on which only a proper goodbye is an end; closed later."""
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
        """One request on a connection that stays open."""
        connection.request(method, target, body, dict(headers))
        return read(connection.getresponse())

    def bare(self, method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] = EMPTY) -> Reply:
        """One request on a connection of its own, without a token."""
        parts = urlsplit(url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection = self.connection(url)
        try:
            return self.on(connection, method, target, body, headers)
        finally:
            connection.close()

    def door(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = EMPTY) -> Reply:
        """One request to the door, with ada's token."""
        return self.bare(method, self.box.door + path, body, {**self.bearer, **headers})

    def ticket(self, path: str, headers: Mapping[str, str] = EMPTY) -> str:
        """The pool URL to which the door sends a GET."""
        reply = self.door("GET", path, headers=headers)
        assert reply.status == 302, reply
        return str(reply["Location"])

    def upload_ticket(self, path: str, headers: Mapping[str, str] = EMPTY) -> str:
        """The pool URL to which the door sends a PUT that waits for it."""
        reply = self.patient_put(path, headers)
        assert reply.status == 307, reply
        return str(reply["Location"])

    def patient_put(self, path: str, headers: Mapping[str, str] = EMPTY) -> Reply:
        """The door's answer to the head of a PUT with Expect, no byte of the body sent."""
        wire = self.head("PUT", self.box.door + path, {**self.bearer, "Expect": "100-continue", **headers})
        return read(answer(wire))

    def head(self, method: str, url: str, headers: Mapping[str, str] = EMPTY, more: bytes = b"") -> ssl.SSLSocket:
        """A connection on which the head of a request was sent, and `more` with it."""
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
    """The next answer on a socket, `100 Continue` skipped."""
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
    """Sandboxes with options, closed after the test."""
    made: list[Sandbox] = []

    def make(**options: object) -> Sandbox:
        made.append(Sandbox(**options).start())  # type: ignore[arg-type]
        return made[-1]

    yield make
    for box in made:
        box.close()


@pytest.fixture
def make_caller() -> Iterator[Callable[[Sandbox], Caller]]:
    """Callers of sandboxes, their connections closed after the test."""
    made: list[Caller] = []

    def make(box: Sandbox) -> Caller:
        made.append(Caller(box))
        return made[-1]

    yield make
    for caller in made:
        caller.close()


@pytest.fixture
def box(make_box: Callable[..., Sandbox]) -> Sandbox:
    """A sandbox as it comes."""
    return make_box()


@pytest.fixture
def call(box: Sandbox, make_caller: Callable[[Sandbox], Caller]) -> Caller:
    """A caller of `box`."""
    return make_caller(box)
