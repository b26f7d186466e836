"""The platform of the tests: hub, download service and certificate service on one address, with a storage behind.

Run by cheroot and Flask, as the real services are. Its addresses, answers and oddities are those of downloadservice
0.7.11 and certificateservice 0.4.11; what else can go wrong is arranged by a test: at the storage (`door.fault`), or in
place of a service's answer (`instead`), or after it (`after`).
"""

from __future__ import annotations

import itertools
import shutil
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cheroot.wsgi import Server
from flask import Flask, Response, request
from servers import platform_certificates, platform_downloads, platform_hub
from servers.platform_certificates import Certificates, fragment
from servers.platform_door import Door
from servers.platform_hub import Hub
from servers.platform_papers import Papers

USER = "volodymyr.savchenko@epfl.ch"
HOME = f"lst/users/{fragment(USER)}"
Handling = Callable[[], Response | None]
Change = Callable[[Response], Response]


@dataclass(frozen=True)
class Seen:
    """A request as it came: `target` is the request line's, query included."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        """From the service on: `downloadservice/fetch/lst/a`."""
        return self.target.partition("?")[0].split("/", 2)[-1]


@dataclass
class State:
    """What one test sees and arranges."""

    hub: Hub
    door: Door
    certificates: Certificates
    requests: list[Seen] = field(default_factory=list)
    instead: list[tuple[str, str, Handling]] = field(default_factory=list)
    after: list[tuple[str, str, Change]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)


def arranged(state: State) -> Response | None:
    """Note the request; what the test wants to happen in place of an answer."""
    body = request.get_data() if request.is_json and "/certificateservice/" in request.path else b""
    seen = Seen(request.method, request.environ["REQUEST_URI"], dict(request.headers), body)
    state.requests.append(seen)
    for at, (method, path, handling) in enumerate(state.instead):
        if (method, path) == (seen.method, seen.path):
            del state.instead[at]
            return handling()
    return None


def changed(state: State, answer: Response) -> Response:
    """The answer as the test wants it."""
    answer.headers["Access-Control-Allow-Origin"] = "*"
    seen = Seen(request.method, request.environ["REQUEST_URI"], {})
    for at, (method, path, change) in enumerate(state.after):
        if (method, path) == (seen.method, seen.path):
            del state.after[at]
            return change(answer)
    return answer


class Platform:
    """The services, listening on `url`; `fresh()` begins anew with an empty storage."""

    def __init__(self, folder: Path, hub_api: str = "") -> None:
        self.folder, self.hub_api = folder, hub_api
        self._folders = (folder / str(number) for number in itertools.count())
        self.papers = Papers()
        self.server = Server(("127.0.0.1", 0), self._answer, numthreads=10)
        self.server.error_log = lambda *_, **__: None  # what a client does to it is no news
        self.server.prepare()
        self.url = f"http://127.0.0.1:{self.server.bind_addr[1]}"
        self.ds_url, self.cs_url = (f"{self.url}{part.PREFIX}/" for part in (platform_downloads, platform_certificates))
        self.fresh()
        self.thread = threading.Thread(target=self.server.serve, daemon=True)
        self.thread.start()

    def fresh(self) -> None:
        """Everything as at the start: a user with a token and, by the shared certificate, the storage."""
        if hasattr(self, "state"):
            self.release()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder = next(self._folders)  # a request of the test before may still write into the old one
        kept = Certificates(self.folder / "certificates", self.papers.bundle, shared_users={USER})
        kept.shared = self.papers.certificate(days=3)
        self.state = State(Hub(self.hub_api), Door(self.folder / "door"), kept)
        self.app = self._app()
        self.token = "" if self.hub_api else self.hub.issue(USER)
        self.user, self.home = USER, HOME
        for base in ("lst", "cta"):
            (self.files / base / "users").mkdir(parents=True)

    def _app(self) -> Flask:
        app, state = Flask(__name__), self.state
        app.logger.disabled = True
        app.register_blueprint(platform_hub.pages(state.hub))
        app.register_blueprint(platform_downloads.service(state.hub, state.door, state.certificates))
        app.register_blueprint(platform_certificates.service(state.hub, state.certificates))
        app.before_request(lambda: arranged(state))
        app.after_request(lambda answer: changed(state, answer))
        return app

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        return self.app(environ, start)

    @property
    def hub(self) -> Hub:
        return self.state.hub

    @property
    def door(self) -> Door:
        return self.state.door

    @property
    def certificates(self) -> Certificates:
        return self.state.certificates

    @property
    def files(self) -> Path:
        """The folder that the service's paths are relative to."""
        return self.door.files

    @property
    def requests(self) -> list[Seen]:
        """What came, in its order."""
        return self.state.requests

    def seen(self, part: str = "") -> list[str]:
        """`GET downloadservice/fetch/lst/a` of every request whose path begins with `part`."""
        return [f"{one.method} {one.path}" for one in list(self.requests) if one.path.startswith(part)]

    def put(self, path: str, content: bytes = b"content") -> bytes:
        """A file on the storage, by its decoded path."""
        file = self.files / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return content

    def read(self, path: str) -> bytes:
        """A file of the storage."""
        return (self.files / path).read_bytes()

    def tree(self, path: str = "") -> list[str]:
        """All that lies below, relative to it; directories end in a slash."""
        top = self.files / path
        return sorted(f"{one.relative_to(top)}{'/' if one.is_dir() else ''}" for one in top.rglob("*"))

    def instead(self, method: str, path: str, handling: Handling, times: int = 1) -> None:
        """The next requests for `path`, as sent, are handled by this before anybody asks whose token it is."""
        self.state.instead += [(method, path, handling)] * times

    def after(self, method: str, path: str, change: Change, times: int = 1) -> None:
        """The next answers to `path` (`downloadservice/list/lst`, as sent) are changed."""
        self.state.after += [(method, path, change)] * times

    def silence(self) -> Response | None:
        """Say nothing, until the test is over."""
        self.state.released.wait(60)
        return None

    def release(self) -> None:
        """End every silence."""
        self.state.released.set()

    def stop(self) -> None:
        """End it."""
        self.release()
        self.server.stop()
        self.thread.join()
