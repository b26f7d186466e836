"""A threaded HTTP/1.1 server on a loopback port, with TLS or without: it handles connections and requests only.

The TLS handshake runs in the connection's own thread, so that a slow client delays no other one.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import ssl
import struct
import sys
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedReader
from typing import Protocol, cast

from ctadata.sandbox.exchange import Exchange
from ctadata.sandbox.faults import Cut, Delay, Hangup, NoAnswer
from ctadata.sandbox.http_messages import Request, Wire
from ctadata.sandbox.request_log import RequestLog
from ctadata.sandbox.rules import Faults
from ctadata.sandbox.tcp_state import is_reset

_numbers = itertools.count(1)


class Application(Protocol):
    """The server behind a listener: it answers the requests."""

    def answer(self, exchange: Exchange) -> None:
        """Answer one request; an exception Hangup ends the connection."""

    def disconnected(self, connection: int, broken: bool) -> None:
        """Learn that a connection has ended.

        Args:
            connection: The number of the connection.
            broken: Whether it ended within a request or an answer.
        """


@dataclass(frozen=True)
class Limits:
    """The limits of a request's head.

    Attributes:
        line: The longest first line, in bytes.
        headers: The largest size of all headers, in bytes.
        silent: Whether the server does not answer a larger head.
    """

    line: int = 8192
    headers: int = 8192
    silent: bool = False


DEFAULT_LIMITS = Limits()
"""The limits of the door, the frontend and the issuer."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, port: int, listener: Listener) -> None:
        self.listener = listener
        super().__init__(("127.0.0.1", port), _Connection)

    def server_bind(self) -> None:
        """Bind without a look-up of the host's name, which HTTPServer does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def verify_request(self, request: object, client_address: object) -> bool:  # noqa: ARG002
        """Refuse new connections during a stop."""
        return not self.listener.stopping.is_set()

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore a client that goes away; show any other error, because it is a bug of the sandbox."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Connection(BaseHTTPRequestHandler):
    server: _Server
    connection: socket.socket
    protocol_version = "HTTP/1.1"
    rbufsize = 1 << 16

    def setup(self) -> None:
        self.number = next(_numbers)
        listener = self.server.listener
        self.reset = self.broken = False
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if listener.context is not None:
            self.request = listener.context.wrap_socket(self.request, server_side=True, do_handshake_on_connect=False)
        super().setup()
        listener.opened(self.number, self.connection)

    def handle(self) -> None:
        try:
            self._handshake()
            super().handle()
        except Hangup as hangup:
            self.reset = hangup.reset
            self.broken = True
        except OSError:
            self.broken = True  # the client went away, or the sandbox stops

    def _handshake(self) -> None:
        listener = self.server.listener
        for rule in listener.faults.take(listener.name, "HANDSHAKE", ""):
            match rule.fault:
                case Delay():
                    rule.hold()
                case Cut(reset=reset):
                    raise Hangup(reset)
                case NoAnswer():
                    rule.reached.set()
                    while socket.socket.recv(self.connection, 1 << 16):
                        pass
                    raise Hangup
                case _:
                    pass
        if isinstance(self.connection, ssl.SSLSocket):
            self.connection.do_handshake()

    def handle_expect_100(self) -> bool:
        """Leave the answer to `Expect` to the application."""
        return True

    def handle_one_request(self) -> None:
        """Read the head of one request, and let the application answer it."""
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        listener = self.server.listener
        target = self.raw_requestline.decode("iso-8859-1").split()[1]
        request = Request(self.command, target, tuple(self.headers.items()))
        rules = listener.faults.take(listener.name, self.command, request.path)
        reader = cast(BufferedReader, self.rfile)
        wire = Wire(listener.name, self.number, self.connection, reader, self.client_address[0])
        exchange = Exchange(wire, request, rules, listener.request_log, keep=not self.close_connection)
        try:
            self._check_limits(exchange, listener.limits)
            if not exchange.answered and not exchange.apply_faults():
                listener.application.answer(exchange)
        except (Hangup, OSError):
            exchange.record_unanswered()
            raise
        exchange.finish()
        self.close_connection = not exchange.keep

    def _check_limits(self, exchange: Exchange, limits: Limits) -> None:
        size = sum(len(name) + len(value) + 4 for name, value in exchange.request.headers)
        if len(self.raw_requestline) <= limits.line and size <= limits.headers:
            return
        if limits.silent:
            exchange.never_answer()
        exchange.keep = False
        reason = "Request Header Fields Too Large"
        page = f"<h1>Bad Message 431</h1><pre>reason: {reason}</pre>".encode()
        exchange.reply(431, reason, [("Content-Type", "text/html;charset=iso-8859-1")], page)

    def finish(self) -> None:
        self.broken = self.broken or is_reset(self.connection)
        with contextlib.suppress(OSError):
            super().finish()
        with contextlib.suppress(OSError, ValueError):
            self._end_tls()
        self.connection.close()
        self.server.listener.closed(self.number, self.broken)

    def _end_tls(self) -> None:
        """Send TLS's close_notify, or prepare a TCP reset."""
        if self.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif isinstance(self.connection, ssl.SSLSocket):
            self.connection.settimeout(0)
            self.connection.unwrap()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse a request that cannot be parsed; a pool never answers it."""
        if self.server.listener.limits.silent:
            while self.rfile.read1(1 << 16):
                pass
            raise Hangup
        super().send_error(code, message, explain)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: the request log keeps the requests."""


class Listener:
    """One server on one port. It can be stopped, and started again on the same port.

    Attributes:
        name: The name of the server.
        application: Answers the requests.
        request_log: Receives a record of each request.
        faults: The faults of all servers.
        context: The TLS context; None for plain HTTP.
        limits: The limits of a request's head.
        stopping: Set during a stop.
        port: The port; 0 before the first `bind`.
    """

    def __init__(
        self,
        name: str,
        application: Application,
        request_log: RequestLog,
        faults: Faults,
        context: ssl.SSLContext | None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        """Create a server without a port; the attributes of the class describe the arguments."""
        self.name = name
        self.application = application
        self.request_log = request_log
        self.faults = faults
        self.context = context
        self.limits = limits
        self.stopping = threading.Event()
        self.port = 0
        self._reservation = socket.socket()
        self._open: dict[int, socket.socket] = {}
        self._changed = threading.Condition()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def origin(self) -> str:
        """The origin of the server; a plain server has its IP address, as dCache's plain pools have."""
        return f"https://localhost:{self.port}" if self.context else f"http://127.0.0.1:{self.port}"

    def bind(self) -> None:
        """Bind to a port: a free one the first time, and the same one later.

        On Linux a second socket, which never listens, keeps the port from everybody else while the server is stopped.
        Other systems may refuse two sockets on one port.
        """
        if not self.port and sys.platform == "linux":
            self._reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._reservation.bind(("127.0.0.1", 0))
            self.port = self._reservation.getsockname()[1]
        self._server = _Server(self.port, self)
        self.port = self._server.server_address[1]

    def start(self) -> None:
        """Accept connections, each in its own thread."""
        if self._server is None:
            self.bind()
        self.stopping.clear()
        self._thread = threading.Thread(target=self._accept, name=f"sandbox-{self.name}", daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while self._server is not None and not self.stopping.is_set():
            self._server.handle_request()

    def stop(self, patience: float = 1.0) -> None:
        """Refuse new connections and close all others; wait `patience` seconds for their threads."""
        if self._server is None:
            return
        self.stopping.set()
        if self._thread is not None:
            with contextlib.suppress(OSError):  # wakes the accepting thread, also where no connection can be made
                self._server.socket.shutdown(socket.SHUT_RDWR)
            self._thread.join()
        self._server.server_close()
        self._server = self._thread = None
        with self._changed:
            for connection in self._open.values():
                _shut(connection)
            self._changed.wait_for(lambda: not self._open, timeout=patience)

    def close(self) -> None:
        """Stop for good, and release the port."""
        self.stop()
        self._reservation.close()

    def opened(self, number: int, connection: socket.socket) -> None:
        """Note that a connection was accepted."""
        with self._changed:
            self._open[number] = connection
            if self.stopping.is_set():
                _shut(connection)

    def closed(self, number: int, broken: bool) -> None:
        """Note that a connection has ended; `broken` says whether that was within a request or an answer."""
        self.application.disconnected(number, broken)
        with self._changed:
            self._open.pop(number, None)
            self._changed.notify_all()


def _shut(connection: socket.socket) -> None:
    """End a connection that another thread serves; the shutdown bypasses TLS, whose state belongs to that thread."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
