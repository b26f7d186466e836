"""A plain WebDAV server in memory: no mtime of an upload, and if asked checksums, and a name space that folds case."""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, unquote, urlsplit
from xml.sax.saxutils import escape


@dataclass
class File:
    content: bytes
    mtime: float
    etag: str


@dataclass
class PlainDav:
    """`nodes` by path (None: a directory); `seen` are the requests; `before` is called with each, before it is served,
    and `after` before its answer is sent.

    skew: seconds that the clock is ahead.   tags: whether entries have tags.
    states_size: whether a path's entry has a size.
    page: what GET of a directory sends; None: 404.   named_tags: a file has another tag after a move.
    digests: HEAD and GET state the adler32 of what is stored.   damages: methods whose bytes are damaged on the way.
    idle: status and body (307: address) that a method is answered with, and nothing is done.
    fold: `Run1` and `run1` are one name.   echoes: then answers spell it as it was asked for.
    stores_as: the name under which a name is stored.
    """

    fold: bool = False
    echoes: bool = True
    stores_as: Callable[[str], str] = str
    tags: bool = True
    states_size: Callable[[str], bool] = lambda path: True
    page: bytes | None = None
    skew: float = 0.0
    nodes: dict[str, File | None] = field(default_factory=lambda: {"/": None})
    seen: list[tuple[str, str]] = field(default_factory=list)
    before: Callable[[str, str], object] = lambda method, path: None
    after: Callable[[str, str], object] = lambda method, path: None
    named_tags: bool = False
    digests: bool = False
    damages: set[str] = field(default_factory=set)
    idle: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    url: str = ""
    versions: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)

    def real(self, path: str) -> str:
        """The name under which a path is there, where it is."""
        if not self.fold:
            return "/".join(map(self.stores_as, path.split("/")))
        parts = [""]
        for part in path.strip("/").split("/"):
            above = "/".join(parts) + "/"
            names = [node[len(above) :] for node in self.nodes if node.startswith(above)]
            parts.append(next((name for name in names if name.casefold() == part.casefold()), part))
        return "/".join(parts) or "/"

    def put(self, path: str, content: bytes) -> None:
        with self.lock:
            self.versions += 1
            self.nodes[self.real(path)] = File(content, time.time() + self.skew, f'"{self.versions}"')

    def read(self, path: str) -> bytes:
        file = self.nodes[path]
        assert file is not None
        return file.content

    def carried(self, method: str, content: bytes) -> bytes:
        """The bytes as they arrive."""
        return bytes([content[0] ^ 1]) + content[1:] if content and method in self.damages else content

    def methods(self) -> list[str]:
        return [method for method, _ in self.seen]


@contextmanager
def plain_dav(**settings: object) -> Iterator[PlainDav]:
    """A running server."""
    dav = PlainDav(**settings)  # type: ignore[arg-type]
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"dav": dav}))
    server.daemon_threads = True
    dav.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(daemon=True, target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield dav
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # so many connections are opened at the same moment


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    dav: PlainDav

    def log_message(self, *_: object) -> None:
        pass

    def __getattr__(self, name: str) -> object:
        if name.startswith("do_"):
            return self.any
        raise AttributeError(name)

    def any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path_of(self.path)
        self.dav.before(self.command, path)
        with self.dav.lock:
            self.dav.seen.append((self.command, path))
            if self.command in self.dav.idle:
                status, content = self.dav.idle[self.command]
                headers = {"Content-Type": "text/html"}
                if status == 307:
                    headers, content = {"Location": content.decode()}, b""
            else:
                status, headers, content = getattr(self, self.command.lower())(self.dav.real(path), body)
            self.dav.after(self.command, path)
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    @staticmethod
    def path_of(target: str) -> str:
        return unquote(urlsplit(target).path).rstrip("/") or "/"

    def propfind(self, path, body):
        nodes = self.dav.nodes
        if path not in nodes:
            return 404, {}, b""
        above = path.rstrip("/") + "/"
        below = [node for node in nodes if node != "/" and node.startswith(above) and "/" not in node[len(above) :]]
        shown = [path, *(below if self.headers.get("Depth") == "1" and nodes[path] is None else [])]
        asked = self.path_of(self.path) if self.dav.echoes else path
        text = "".join(self.response(asked + node[len(path) :], nodes[node]) for node in shown)
        return (
            207,
            {"Content-Type": "application/xml"},
            f'<D:multistatus xmlns:D="DAV:">{text}</D:multistatus>'.encode(),
        )

    def response(self, path: str, file: File | None) -> str:
        if file is None:
            said = "<D:resourcetype><D:collection/></D:resourcetype>"
        else:
            said = "<D:resourcetype/>"
            if self.dav.states_size(path):
                said += f"<D:getcontentlength>{len(file.content)}</D:getcontentlength>"
            said += f"<D:getlastmodified>{formatdate(file.mtime, usegmt=True)}</D:getlastmodified>"
            said += f"<D:getetag>{escape(file.etag)}</D:getetag>" if self.dav.tags else ""
        href = quote(path) + ("/" if file is None and path != "/" else "")
        ok = "<D:status>HTTP/1.1 200 OK</D:status>"
        return f"<D:response><D:href>{href}</D:href><D:propstat><D:prop>{said}</D:prop>{ok}</D:propstat></D:response>"

    def get(self, path, body):
        file = self.dav.nodes.get(path)
        if file is None and path in self.dav.nodes and self.dav.page is not None:
            return 200, {"Content-Type": "text/html"}, self.dav.page
        if file is None:
            return 404, {}, b""
        tag = {"ETag": file.etag} if self.dav.tags else {}
        digest = {"Digest": f"adler32={zlib.adler32(file.content):08x}"} if self.dav.digests else {}
        said = {"Last-Modified": formatdate(file.mtime, usegmt=True), **tag, **digest}
        return 200, said, self.dav.carried("GET", file.content)

    head = get

    def put(self, path, body):
        if self.headers.get("If-None-Match") == "*" and path in self.dav.nodes:
            return 412, {}, b""
        if path.rpartition("/")[0] and path.rpartition("/")[0] not in self.dav.nodes:
            return 409, {}, b""
        new = path not in self.dav.nodes
        self.dav.put(path, self.dav.carried("PUT", body))
        return 201 if new else 204, {}, b""

    def mkcol(self, path, body):
        if path in self.dav.nodes:
            return 405, {}, b""
        if path.rpartition("/")[0] and path.rpartition("/")[0] not in self.dav.nodes:
            return 409, {}, b""
        self.dav.nodes[path] = None
        return 201, {}, b""

    def delete(self, path, body):
        if path not in self.dav.nodes:
            return 404, {}, b""
        for node in [node for node in self.dav.nodes if node == path or node.startswith(path + "/")]:
            del self.dav.nodes[node]
        return 204, {}, b""

    def move(self, path, body):
        to = self.dav.real(self.path_of(self.headers["Destination"]))
        if path not in self.dav.nodes:
            return 404, {}, b""
        if to in self.dav.nodes and self.headers.get("Overwrite") == "F":
            return 412, {}, b""
        new = to not in self.dav.nodes
        self.dav.nodes[to] = file = self.dav.nodes.pop(path)
        if file is not None and self.dav.named_tags:
            self.dav.versions += 1
            file.etag = f'"{self.dav.versions}"'
        return 201 if new else 204, {}, b""
