"""The storage behind the download service of the tests: wsgidav on a folder, asked without a socket.

Requests go to it as the service's own HTTP library would send them: a `#` or `?` in the path cuts it, dot segments are
collapsed, what is percent-encoded stays so. As dCache's door does, it shows a directory as a page.
"""

from __future__ import annotations

import io
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import requests
from werkzeug.test import EnvironBuilder, run_wsgi_app
from wsgidav.wsgidav_app import WsgiDAVApp

BASE = "pnfs/cta.cscs.ch"  # where the data begins at the door
Headers = list[tuple[str, str]]


class Died(Exception):
    """The door's connection ended in the middle of a body."""


@dataclass
class Answer:
    """What the door says; the body comes in pieces and may raise Died."""

    status: str
    headers: Headers
    body: Iterable[bytes]

    @property
    def code(self) -> int:
        return int(self.status.split()[0])

    def read(self) -> bytes:
        return b"".join(self.body)


Change = Callable[[Answer], Answer]


def says(status: str, page: str = "<html><body><h1>{}</h1></body></html>") -> Change:
    """The door answers with an error page instead."""
    return lambda _: Answer(status, [("Content-Type", "text/html")], [page.format(status).encode()])


def shorter(by: int) -> Change:
    """The body ends cleanly, `by` bytes too early."""
    return lambda answer: Answer(answer.status, answer.headers, [answer.read()[:-by]])


def longer(by: int) -> Change:
    """The body goes on for `by` bytes more."""
    return lambda answer: Answer(answer.status, answer.headers, [answer.read(), b"x" * by])


def altered() -> Change:
    """The first byte is another one."""

    def change(answer: Answer) -> Answer:
        content = answer.read()
        return Answer(answer.status, answer.headers, [bytes([content[0] ^ 1]), content[1:]])

    return change


def dying(after: int) -> Change:
    """The connection ends after so many bytes of the body."""

    def pieces(content: bytes) -> Iterator[bytes]:
        yield content[:after]
        raise Died

    return lambda answer: Answer(answer.status, answer.headers, pieces(answer.read()))


def stuck(after: int, reached: threading.Event, released: threading.Event) -> Change:
    """After so many bytes of the body nothing follows; `reached` says so, and `released` ends it."""

    def pieces(content: bytes) -> Iterator[bytes]:
        yield content[:after]
        reached.set()
        released.wait(60)
        raise Died

    return lambda answer: Answer(answer.status, answer.headers, pieces(answer.read()))


@dataclass
class Door:
    """wsgidav on `folder`; `files` is the folder that the service's paths are relative to.

    digests: whether it answers `Want-Digest: adler32`, as dCache does.
    makes_parents: whether an upload makes the collections above it, as dCache is said to do.
    """

    folder: Path
    digests: bool = False
    makes_parents: bool = False
    faults: dict[tuple[str, str], list[Change]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.files.mkdir(parents=True, exist_ok=True)
        settings = {
            "provider_mapping": {"/": str(self.folder)},
            "simple_dc": {"user_mapping": {"*": True}},
            "logging": {"enable": False},
            "verbose": 1,
        }
        self.app = WsgiDAVApp(settings)

    @property
    def files(self) -> Path:
        return self.folder / BASE

    def fault(self, method: str, path: str, *changes: Change) -> None:
        """The next requests for `path`, relative to the data, are answered so, each change once."""
        self.faults.setdefault((method, path), []).extend(changes)

    def ask(self, method: str, path: str, headers: Headers = (), body: bytes | None = None) -> Answer:
        """Ask for a path as the service pastes it together."""
        sent = requests.Request(method, f"http://door/{BASE}/{path}").prepare().path_url.partition("?")[0]
        environ = EnvironBuilder(path=sent, method=method, headers=list(headers), data=body).get_environ()
        decoded = environ["PATH_INFO"].encode("latin-1").decode(errors="surrogateescape")
        name = decoded.removeprefix(f"/{BASE}").strip("/")
        self.asked.append((method, name))
        if method == "PUT" and self.makes_parents:
            (self.files / name).parent.mkdir(parents=True, exist_ok=True)
        if method == "GET" and (self.files / name).is_dir():
            return Answer("200 OK", [("Content-Type", "text/html;charset=utf-8")], [b"<html>index</html>"])
        pieces, status, given = run_wsgi_app(self.app, environ, buffered=True)
        answer = Answer(status, list(given), [b"".join(pieces)])
        if self.digests and method in ("GET", "HEAD") and answer.code in (200, 206):
            self._tell_digest(answer, environ.get("HTTP_WANT_DIGEST", ""), name)
        waiting = self.faults.get((method, name))
        return waiting.pop(0)(answer) if waiting else answer

    def _tell_digest(self, answer: Answer, wanted: str, name: str) -> None:
        file = self.files / name
        if "adler32" in wanted.lower() and file.is_file():
            answer.headers.append(("Digest", f"adler32={zlib.adler32(file.read_bytes()):08x}"))


def buffered(stream: io.RawIOBase, size: int) -> tuple[bytes, bool]:
    """What a client sends, and whether it came to its end; a body with a length that is cut looks whole."""
    read = []
    try:
        while block := stream.read(size):
            read.append(block)
    except Exception:
        return b"".join(read), False
    return b"".join(read), True
