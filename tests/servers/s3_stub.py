"""A server between a client and an S3 server, which it asks for everything but what it was told to answer itself.

What no S3 server here does by itself is said with `answer`: a bulk deletion that a full store refuses, a bucket of
another region, keys that have expired, a failure inside a 200. Signatures stay good, because nothing is changed.
"""

from __future__ import annotations

import http.client
import ssl
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

HOP = frozenset({"connection", "keep-alive", "transfer-encoding"})


@dataclass(frozen=True)
class Asked:
    """A request as it came; header names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Fault:
    """An answer to give in the server's place.

    method, part: of which requests: the method, and what the target contains.
    times: to how many of them; `after`: passing so many on first.
    passed_on: the real server does the work all the same, and its answer is thrown away.
    """

    method: str
    part: str
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    times: int = 1_000_000
    after: int = 0
    passed_on: bool = False


@dataclass
class S3Stub:
    """The server; `asked` has every request so far, in order."""

    behind: str
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, method: str, part: str, status: int, code: str = "", **more: object) -> Fault:
        """Answer requests with this status, and with S3's error of this code where there is one; see `Fault`."""
        body = error(code) if code else b""
        self.faults.append(Fault(method, part, status, **{"body": body, **more}))
        return self.faults[-1]

    def forget(self) -> None:
        """Begin anew: no request has been seen, and none is answered."""
        self.asked.clear()
        self.faults.clear()

    def requests(self, method: str, part: str = "") -> list[Asked]:
        """Those of this method, with this in the target."""
        return [asked for asked in self.asked if asked.method == method and part in asked.target]

    def fault_for(self, asked: Asked) -> Fault | None:
        with self._turn:
            self.asked.append(asked)
            for fault in self.faults:
                if fault.method == asked.method and fault.part in asked.target and fault.times:
                    if fault.after:
                        fault.after -= 1
                        continue
                    fault.times -= 1
                    return fault
        return None

    def pass_on(self, asked: Asked) -> tuple[int, list[tuple[str, str]], bytes]:
        """What the real server says."""
        real = http.client.HTTPConnection(urlsplit(self.behind).netloc, timeout=60)
        try:
            real.putrequest(asked.method, asked.target, skip_host=True, skip_accept_encoding=True)
            for name, value in asked.headers.items():
                if name not in HOP and name != "expect":
                    real.putheader(name, value)
            real.endheaders(asked.body)
            answer = real.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            real.close()


def error(code: str, message: str = "as it was told", more: str = "") -> bytes:
    """An error as S3 words it."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{message}</Message>{more}<RequestId>1</RequestId></Error>"
    ).encode()


@contextmanager
def s3_stub(behind: str, tls: ssl.SSLContext | None = None) -> Iterator[S3Stub]:
    """The stub before the S3 server at the origin `behind`, which is http; with `tls` it speaks https itself."""
    stub = S3Stub(behind)
    server = _Server(("127.0.0.1", 0), _handler(stub))
    server.daemon_threads = True
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    stub.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(daemon=True, target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    """A server without a word about clients that close the connection in the middle of an answer."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _handler(stub: S3Stub) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, self.path, headers, body)
            fault = stub.fault_for(asked)
            real = stub.pass_on(asked) if fault is None or fault.passed_on else None
            if fault is not None:
                kind = {"Content-Type": "application/xml", **fault.headers}
                self.reply(fault.status, list(kind.items()), fault.body)
            elif real is not None:
                self.reply(*real)

        def reply(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
            self.send_response_only(status)
            said = {name.lower() for name, _ in headers}
            for name, value in headers:
                if name.lower() not in HOP:
                    self.send_header(name, value)
            if "content-length" not in said:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = serve  # noqa: N815

    return Handler
