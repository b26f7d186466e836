"""One request at the door: the exchange, who asks, for which path; and the door's way of saying no."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from http import HTTPStatus
from pathlib import Path

from ctadata.sandbox.exchange import Exchange, Headers
from ctadata.sandbox.faults import Proxied
from ctadata.sandbox.login import Login
from ctadata.sandbox.movers import Mover
from ctadata.sandbox.namespace import Namespace, NamespaceError, Node
from ctadata.sandbox.permissions import Homes
from ctadata.sandbox.tape import Tape

REASONS = {207: "Multi-status", 500: "Server Error", 507: "Insufficient Storage"}


class Denied(Exception):
    """The door's answer is an error: status, and the text of the body where it is not the status's own; or a reason
    phrase of its own, and no body."""

    def __init__(self, status: int, text: str | None = None, reason: str | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.reason = reason


@dataclass(frozen=True)
class Site:
    """What door and frontend work on.

    start: hands a mover to a pool and returns the pool's origin.  tape_origin: whose address the door's
    `.well-known` tells.  quota: bytes that a user may have; None for no quotas.  peers: CA certificates of other sites
    that files are copied from and to.  marker_interval: seconds between two performance markers.
    roots: the directory that is the root to a user, by name; it is `root` in the site as that user sees it.
    """

    namespace: Namespace
    homes: Homes
    clock: Callable[[], float]
    url: Callable[[], str]
    start: Callable[[Mover], str]
    redirect: bool = True
    overwrite: bool = True
    tape: Tape | None = None
    tape_origin: Callable[[], str] | None = None
    quota: int | None = None
    peers: list[Path] = field(default_factory=list)
    marker_interval: float = 5.0
    qos_engine: bool = False
    roots: Mapping[str, str] = field(default_factory=dict)
    root: str = "/"

    def as_seen_by(self, user: str) -> Site:
        """The site below the user's root, which every path starts from; no tape there. NotFound."""
        root = self.roots.get(user)
        if root is None:
            return self
        return replace(self, namespace=self.namespace.subtree(root), tape=None, root=root)

    def used_by(self, user: str) -> int:
        """Bytes of the files in a user's home."""
        try:
            home = self.namespace.find(self.homes.paths_of(user)[0])
        except NamespaceError:
            return 0
        return sum(node.size or 0 for _, node in self.namespace.walk(home))


@dataclass(frozen=True)
class DoorRequest:
    """A request by someone for a path (decoded, absolute)."""

    site: Site
    exchange: Exchange
    login: Login
    path: str

    @property
    def method(self) -> str:
        """The request's method."""
        return self.exchange.request.method

    @property
    def raw_path(self) -> str:
        """The path as it was asked for, still encoded, without doubled slashes and steps upwards."""
        return compacted(self.exchange.request.raw_path)

    @property
    def url(self) -> str:
        """The door's URL of what was asked for, without query."""
        return self.site.url() + self.raw_path

    @property
    def redirects(self) -> bool:
        """Whether the door sends this request to a pool, rather than carrying the bytes itself."""
        return self.site.redirect and self.exchange.fault(Proxied) is None

    def header(self, name: str) -> str | None:
        """The first value of a request header; None when it was not sent."""
        return self.exchange.request.header(name)

    def node(self) -> Node:
        """What is at the path. Denied 404."""
        try:
            return self.site.namespace.find(self.path)
        except NamespaceError as error:
            raise self.not_found() from error

    def not_found(self) -> Denied:
        """404 as the door words it, for the path as it was asked for."""
        return Denied(404, f"Path not found: {self.raw_path}")

    def need(self, activity: str, path: str | None = None) -> None:
        """Refuse (403) what the credential or the namespace does not allow."""
        target = self.path if path is None else path
        reading = activity in ("LIST", "READ_METADATA", "DOWNLOAD")
        allowed = self.login.rights.allow(activity, target)
        if not (allowed and (reading or self.site.homes.is_writable(self.login.user, target))):
            raise Denied(403)

    def reply(self, status: int, headers: Headers = (), body: bytes = b"") -> None:
        """Answer with the door's usual headers."""
        self.exchange.reply(status, reason(status), [*self.usual(), *headers], body)

    def reply_in_chunks(self, status: int, headers: Headers = (), body: bytes = b"") -> None:
        """Answer in chunks, with the door's usual headers."""
        self.exchange.reply_in_chunks(status, reason(status), [*self.usual(), *headers], body)

    def usual(self) -> list[tuple[str, str]]:
        """Date and Server."""
        return usual()


def usual() -> list[tuple[str, str]]:
    """The headers of every answer of door and frontend: Date and Server."""
    return [("Date", formatdate(usegmt=True)), ("Server", "dCache/11.2.5")]


def challenge() -> list[tuple[str, str]]:
    """The headers of a 401, never `Bearer`."""
    return [*usual(), ("WWW-Authenticate", 'Basic realm=""')]


def compacted(path: str) -> str:
    """A path without doubled slashes, `.` and `..`, from the root on; a slash at its end stays."""
    names: list[str] = []
    for name in path.split("/"):
        if name == "..":
            del names[-1:]
        elif name not in ("", "."):
            names.append(name)
    end = "/" if names and path.endswith(("/", "/.", "/..")) else ""
    return "/" + "/".join(names) + end


def entity(node: Node) -> Headers:
    """What the door tells of an entry with any answer about it."""
    return [("Accept-Ranges", "bytes"), ("ETag", node.etag)]


def reason(status: int) -> str:
    """The reason phrase the door writes."""
    return REASONS.get(status) or HTTPStatus(status).phrase


def problem_text(visit: DoorRequest, denied: Denied) -> str:
    """The text of an error's body: what the door's response handlers write for the status (dcache.md 4)."""
    method = visit.method
    texts = {
        400: f"Received a bad {method} request.",
        403: f"Permission denied for {method} on path {visit.raw_path}",
        405: f"Method {method} is not allowed.",
        501: f"Method {method} is not implemented.",
    }
    return denied.text if denied.text is not None else texts.get(denied.status, reason(denied.status))


def content_type(node: Node, name: str) -> str | None:
    """The type stored with an upload, else guessed from the name, else None."""
    return node.content_type or mimetypes.guess_type(name)[0]
