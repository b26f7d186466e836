"""A server that sends exactly the responses of a test, over plain HTTP on loopback."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Answer:
    """Status, headers and body; `length` is the announced length if it is not that of the body; None sends chunks.

    reason: the phrase after the status, None for the standard's.   until: nothing is answered before it is set.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Callable[[], Iterable[bytes]] = b""
    length: int | None = -1
    reason: str | None = None
    until: threading.Event | None = None


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class OddServer:
    """`answers["GET /a"]` are sent one after the other, the last one for ever; `otherwise` answers all others."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {}
        self.otherwise = Answer(404)
        self.asked: list[Asked] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(daemon=True, target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def next_answer(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        waiting = self.answers.get(f"{asked.method} {asked.target}", [self.otherwise])
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    def __enter__(self) -> OddServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _handler(server: OddServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = server.next_answer(Asked(self.command, self.path, dict(self.headers.items()), body))
            if answer.until:
                answer.until.wait(60)
            self.send_response_only(answer.status, answer.reason)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if isinstance(answer.body, bytes):
                blocks: Iterable[bytes] = [answer.body]
                self.send_header("Content-Length", str(len(answer.body) if answer.length == -1 else answer.length))
            else:
                blocks = answer.body()
            self.send_header("Connection", "close")
            self.end_headers()
            try:
                for block in blocks:
                    self.wfile.write(block)
            except OSError:
                pass  # the client has had enough
            self.close_connection = True

        do_GET = do_HEAD = do_POST = do_PUT = do_PROPFIND = do_MKCOL = do_DELETE = do_MOVE = answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    return Handler
