"""Servers that follow a script: sockets on loopback, one thread for each connection."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trustme

from ctadata.http.client import Client
from ctadata.http.messages import Origin
from ctadata.http.retries import Retries
from ctadata.http.timeouts import Limits

PATIENCE = 60.0  # seconds that a test waits for what must come


@dataclass
class Received:
    """A request as it was received: the lines of the head, and the body if it was read."""

    line: str
    headers: dict[str, str]
    names: list[str]
    body: bytes = b""

    @property
    def method(self) -> str:
        return self.line.split(" ")[0]

    @property
    def target(self) -> str:
        return self.line.split(" ")[1]

    @property
    def token(self) -> str | None:
        return self.headers.get("authorization")


class Wire:
    """The server's end of one connection."""

    def __init__(self, peer: Peer, sock: socket.socket, number: int) -> None:
        self.peer = peer
        self.sock = sock
        self.number = number  # of the connection, from 1
        self._early = b""

    def request(self, *, body: bool = True) -> Received | None:
        """Return the next request, or None if the client has closed; with `body`, read a body of announced length."""
        while b"\r\n\r\n" not in self._early:
            if not (block := self._recv()):
                return None
            self._early += block
        head, _, self._early = self._early.partition(b"\r\n\r\n")
        line, *fields = head.decode("latin-1").split("\r\n")
        pairs = [field.split(":", 1) for field in fields]
        received = Received(line, {n.lower(): v.strip() for n, v in pairs}, [n for n, _ in pairs])
        self.peer.requests.append(received)
        if body:
            received.body = self.read(int(received.headers.get("content-length", 0)))
        return received

    def read(self, size: int) -> bytes:
        """Return `size` bytes, or those before the end."""
        while len(self._early) < size and (block := self._recv()):
            self._early += block
        data, self._early = self._early[:size], self._early[size:]
        return data

    def heard(self, seconds: float) -> bytes:
        """Return the bytes that come within `seconds`, to prove that none do."""
        early, self._early = self._early, b""
        self.sock.settimeout(seconds)
        try:
            return early or self.sock.recv(65536)
        except TimeoutError:
            return b""
        finally:
            self.sock.settimeout(PATIENCE)

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def answer(self, status: str, body: bytes = b"", *fields: str) -> None:
        """Send a whole answer, as `answer("404 Not Found", b"gone", "Content-Type: text/plain")`."""
        head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields, "", ""])
        self.send(head.encode("latin-1") + body)

    def redirect(self, status: str, location: str) -> None:
        self.answer(status, b"", f"Location: {location}")

    def wait(self) -> None:
        """Wait until the client closes."""
        while self._recv():
            pass

    def reset(self) -> None:
        """End the connection with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self) -> None:
        self.sock.close()

    def _recv(self) -> bytes:
        try:
            return self.sock.recv(1 << 16)
        except (ConnectionError, ssl.SSLError):
            return b""


Script = Callable[[Wire], Any]


@dataclass
class Peer:
    """A server that the test controls."""

    script: Script
    context: ssl.SSLContext | None
    host: str
    requests: list[Received] = field(default_factory=list)
    connections: int = 0
    broken: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(daemon=True, target=self._accept)]
        self._threads[0].start()
        scheme = "https" if self.context else "http"
        self.url = f"{scheme}://{self.host}:{self._listener.getsockname()[1]}"
        self.origin = Origin.parse(self.url)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            sock.settimeout(PATIENCE)
            self._open.append(sock)
            thread = threading.Thread(daemon=True, target=self._serve, args=(sock, self.connections))
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        try:
            if self.context:
                sock = self.context.wrap_socket(sock, server_side=True)
                self._open.append(sock)
            with sock:
                self.script(Wire(self, sock, number))
        except (ConnectionError, ssl.SSLError):
            pass  # the client went away, or did not like our certificate
        except BaseException as error:
            self.broken.append(error)
        finally:
            sock.close()

    def close(self) -> None:
        # close alone would leave a thread in accept
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)  # its thread closes it
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()


Serve = Callable[..., Peer]


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def ca(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The CA bundle for the servers of these tests."""
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def _context(issuer: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issuer.issue_cert(*names).configure_cert(context)
    return context


@pytest.fixture
def tls_context() -> Callable[..., ssl.SSLContext]:
    """`tls_context(issuer, *names)`: TLS with a certificate of this CA for these names."""
    return _context


@pytest.fixture(scope="session")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    """TLS with a good certificate for localhost."""
    return _context(authority, "localhost", "127.0.0.1")


@pytest.fixture
def serve() -> Iterator[Serve]:
    """`serve(script, context=None, host="localhost")`: a server that runs `script(wire)` for each connection."""
    peers: list[Peer] = []

    def start(script: Script, context: ssl.SSLContext | None = None, host: str = "localhost") -> Peer:
        peers.append(Peer(script, context, host))
        return peers[-1]

    yield start
    for peer in peers:
        peer.close()
    for peer in peers:
        assert not peer.broken, peer.broken


@pytest.fixture
def down() -> Iterator[Origin]:
    """A server that refuses connections: its port is bound, so that nobody else gets it, and not listening."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield Origin.parse(f"http://127.0.0.1:{taken.getsockname()[1]}")


@pytest.fixture
def answering(serve: Serve) -> Serve:
    """`answering(reply)`: a server that calls `reply(wire, request)` for each request, its body read."""

    def start(reply: Callable[[Wire, Received], Any], context: ssl.SSLContext | None = None, **options: Any) -> Peer:
        def script(wire: Wire) -> None:
            while (request := wire.request()) is not None:
                reply(wire, request)

        return serve(script, context, **options)

    return start


class Login:
    """Return credentials that give these tokens in turn."""

    def __init__(self, *tokens: str) -> None:
        self.tokens = list(tokens)
        self.refused: list[str] = []

    def bearer(self) -> str | None:
        return self.tokens[0] if self.tokens else None

    def renew(self, refused: str) -> str | None:
        self.refused.append(refused)
        if len(self.tokens) < 2:
            return None
        self.tokens.pop(0)
        return self.tokens[0]


@pytest.fixture
def login() -> type[Login]:
    return Login


class Content:
    """A Body of `size` bytes that counts how it is read."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)
        self.at = 0
        self.rewinds = 0
        self.read_at_all = False

    def read(self, limit: int) -> bytes:
        self.read_at_all = True
        block = self.data[self.at : self.at + limit]
        self.at += len(block)
        return block

    def rewind(self) -> None:
        self.rewinds += 1
        self.at = 0


@pytest.fixture
def content() -> type[Content]:
    return Content


@pytest.fixture
def naps() -> list[float]:
    """The pauses of the clients of `client`; no client really sleeps."""
    return []


@pytest.fixture
def client(ca: Path, naps: list[float]) -> Iterator[Callable[..., Client]]:
    """`client(*trusted, **options)`: a Client that trusts these peers; no pauses, and one attempt by default."""
    clients: list[Client] = []

    def make(*trusted: Peer, **options: Any) -> Client:
        usual = {
            "trusted": [peer.origin for peer in trusted],
            "credentials": Login("secret-token") if trusted else None,
            "ca": ca,
            "retries": Retries(attempts=1, busy_attempts=1),
            "limits": Limits(expect=PATIENCE),  # a busy machine may take longer than curl waits
            "sleep": naps.append,
            "jitter": lambda: 0.0,
        }
        clients.append(Client(**{**usual, **options}))
        return clients[-1]

    yield make
    for each in clients:
        each.close()
