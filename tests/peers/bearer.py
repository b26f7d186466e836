"""A server of plain http on loopback that adds a token and passes all on to a door, for clients that know none."""

from __future__ import annotations

import http.client
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

METHODS = [
    "COPY",
    "DELETE",
    "GET",
    "HEAD",
    "LOCK",
    "MKCOL",
    "MOVE",
    "OPTIONS",
    "PROPFIND",
    "PROPPATCH",
    "PUT",
    "UNLOCK",
]
OWN = {"connection", "content-length", "expect", "host", "te", "transfer-encoding"}


class Server(ThreadingHTTPServer):
    """Waits for its threads, and keeps quiet about clients that leave."""

    daemon_threads = False

    def handle_error(self, *_: object) -> None:
        """litmus goes without waiting for the end."""


@contextmanager
def with_bearer(door: str, ca: Path, token: str) -> Iterator[str]:
    """The address that stands for `door`; a Destination is translated too."""
    trust = ssl.create_default_context(cafile=str(ca))

    class Passing(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Be silent."""

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name: value for name, value in self.headers.items() if name.lower() not in OWN}
            if "Destination" in headers:
                headers["Destination"] = headers["Destination"].replace(address, door)
            there = http.client.HTTPSConnection(door.partition("://")[2], context=trust, timeout=60)
            with closing(there):
                there.request(self.command, self.path, body, {**headers, "Authorization": f"Bearer {token}"})
                answer = there.getresponse()
                self._answer(answer, answer.read())

        def _answer(self, answer: http.client.HTTPResponse, content: bytes) -> None:
            self.send_response(answer.status, answer.reason)
            for name, value in answer.getheaders():
                if name.lower() not in OWN:
                    self.send_header(name, value)
            if answer.status != 204:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    for method in METHODS:
        setattr(Passing, f"do_{method}", Passing.pass_on)
    with Server(("127.0.0.1", 0), Passing) as server:
        address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(daemon=True, target=server.serve_forever, args=(0.05,))
        thread.start()
        yield address
        server.shutdown()
        thread.join()
