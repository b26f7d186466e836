"""One request at the door: its exchange, its user and its path; and the site that it works on."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from http import HTTPStatus
from pathlib import Path

from ctadata.sandbox.exchange import Exchange
from ctadata.sandbox.faults import Proxied
from ctadata.sandbox.http_messages import Headers
from ctadata.sandbox.login import Login
from ctadata.sandbox.movers import Mover
from ctadata.sandbox.namespace import Namespace, NamespaceError, Node
from ctadata.sandbox.permissions import Homes
from ctadata.sandbox.tape import Tape

REASONS = {207: "Multi-status", 500: "Server Error", 507: "Insufficient Storage"}
"""The reason phrases in which the door differs from the standard."""


class Denied(Exception):
    """The door answers with an error.

    Attributes:
        status: The status.
        text: The text of the body; None for the status's own text.
        reason: A reason phrase in place of the standard one, and no body.
    """

    def __init__(self, status: int, text: str | None = None, reason: str | None = None) -> None:
        """Create an error; the attributes of the class describe the arguments."""
        super().__init__(text)
        self.status = status
        self.text = text
        self.reason = reason


@dataclass(frozen=True)
class Site:
    """The data of a site, which door and frontend share.

    Attributes:
        namespace: The names and files.
        homes: The users' homes.
        clock: Return the seconds since 1970.
        url: Return the origin of the door.
        start: Start a mover at a pool, and return the pool's origin.
        redirect: Whether the door redirects to pools.
        overwrite: Whether an upload may replace a file.
        tape: The tape system, if there is one.
        tape_origin: Return the origin in the door's `.well-known` document; None for no document.
        quota: The largest number of bytes of a user; None for no quotas.
        peers: The CA certificates of other sites, for copies from and to them.
        marker_interval: Seconds between two performance markers of a copy.
        qos_engine: Whether a file's quality of service can be changed.
        roots: The directory that is a user's root, by user.
        root: The root of this site in the whole namespace.
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
        """Return the site below the user's root, without tape; the site itself if the user has no own root.

        Raises:
            NotFound: The user's root does not exist.
        """
        root = self.roots.get(user)
        if root is None:
            return self
        return replace(self, namespace=self.namespace.subtree(root), tape=None, root=root)

    def used_by(self, user: str) -> int:
        """Return the bytes of the files in a user's home."""
        try:
            home = self.namespace.find(self.homes.paths_of(user)[0])
        except NamespaceError:
            return 0
        return sum(node.size or 0 for _, node in self.namespace.walk(home))


@dataclass(frozen=True)
class DoorRequest:
    """A user's request for a path.

    Attributes:
        site: The site as the user sees it.
        exchange: The HTTP request and its answer.
        login: The user and their rights.
        path: The path, decoded and absolute.
    """

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
        """The requested path, still encoded, without doubled slashes and `..`."""
        return normalize_path(self.exchange.request.raw_path)

    @property
    def url(self) -> str:
        """The door's URL of the requested path, without the query."""
        return self.site.url() + self.raw_path

    @property
    def redirects(self) -> bool:
        """Whether the door redirects this request to a pool, and does not send the bytes itself."""
        return self.site.redirect and self.exchange.fault(Proxied) is None

    def header(self, name: str) -> str | None:
        """Return the first value of a request header; None if it was not sent."""
        return self.exchange.request.header(name)

    def node(self) -> Node:
        """Return the entry at the path; Denied (404) if there is none."""
        try:
            return self.site.namespace.find(self.path)
        except NamespaceError as error:
            raise self.not_found() from error

    def not_found(self) -> Denied:
        """Return the door's 404 for the requested path."""
        return Denied(404, f"Path not found: {self.raw_path}")

    def need(self, activity: str, path: str | None = None) -> None:
        """Refuse the request with Denied (403) if the credential or the namespace does not allow an activity.

        Args:
            activity: The activity, as macaroons name it.
            path: The path of the activity; None for the requested one.
        """
        target = self.path if path is None else path
        reading = activity in ("LIST", "READ_METADATA", "DOWNLOAD")
        allowed = self.login.rights.allow(activity, target)
        if not (allowed and (reading or self.site.homes.is_writable(self.login.user, target))):
            raise Denied(403)

    def reply(self, status: int, headers: Headers = (), body: bytes = b"") -> None:
        """Answer with the door's common headers."""
        self.exchange.reply(status, reason_phrase(status), [*self.common_headers(), *headers], body)

    def reply_in_chunks(self, status: int, headers: Headers = (), body: bytes = b"") -> None:
        """Answer in chunks, with the door's common headers."""
        self.exchange.reply_in_chunks(status, reason_phrase(status), [*self.common_headers(), *headers], body)

    def common_headers(self) -> list[tuple[str, str]]:
        """Return the headers of every answer."""
        return common_headers()


def common_headers() -> list[tuple[str, str]]:
    """Return the headers of every answer of door and frontend: Date and Server."""
    return [("Date", formatdate(usegmt=True)), ("Server", "dCache/11.2.5")]


def challenge_headers() -> list[tuple[str, str]]:
    """Return the headers of a 401; they never offer `Bearer`."""
    return [*common_headers(), ("WWW-Authenticate", 'Basic realm=""')]


def normalize_path(path: str) -> str:
    """Return the path from the root, without doubled slashes, `.` and `..`; a trailing slash stays."""
    names: list[str] = []
    for name in path.split("/"):
        if name == "..":
            del names[-1:]
        elif name not in ("", "."):
            names.append(name)
    end = "/" if names and path.endswith(("/", "/.", "/..")) else ""
    return "/" + "/".join(names) + end


def entity_headers(node: Node) -> Headers:
    """Return the headers of every answer about an entry."""
    return [("Accept-Ranges", "bytes"), ("ETag", node.etag)]


def reason_phrase(status: int) -> str:
    """Return the door's reason phrase for a status."""
    return REASONS.get(status) or HTTPStatus(status).phrase


def error_text(request: DoorRequest, denied: Denied) -> str:
    """Return the text of an error's body, as the door's response handlers write it for the status (dcache.md 4)."""
    method = request.method
    texts = {
        400: f"Received a bad {method} request.",
        403: f"Permission denied for {method} on path {request.raw_path}",
        405: f"Method {method} is not allowed.",
        501: f"Method {method} is not implemented.",
    }
    return denied.text if denied.text is not None else texts.get(denied.status, reason_phrase(denied.status))


def guess_content_type(node: Node, name: str) -> str | None:
    """Return the content type stored with an upload, or else the type of the name; None if neither is known."""
    return node.content_type or mimetypes.guess_type(name)[0]
