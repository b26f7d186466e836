"""COPY between two doors (HTTP-TPC): this site fetches a file from another server, or sends one to it.

The door answers 202 at once, sends performance markers while the transfer runs, and a last line with the result
(dCache, CopyFilter and RemoteTransferHandler). A client that disconnects cancels the transfer.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from ctadata.sandbox.checksums import choose_digest
from ctadata.sandbox.door_request import Denied, DoorRequest, Site
from ctadata.sandbox.http_messages import CHUNKED
from ctadata.sandbox.namespace import Incoming, IsDirectory, NamespaceError, Node, read_range

AGENT = "dCache/11.2.5 (sandbox)"
BLOCK = 1 << 18
_PREFIX = "transferheader"


def copy(request: DoorRequest) -> None:
    """Answer COPY with `Source` or `Destination`; 501 if the value is no absolute URL."""
    source, destination = request.header("Source"), request.header("Destination")
    if source is None and destination is None:
        raise Denied(400, reason="COPY request is missing both Destination and Source request headers")
    if source is not None and destination is not None:
        raise Denied(400, reason="COPY request contains both Destination and Source request headers")
    remote = source or destination or ""
    if urlsplit(remote).scheme not in ("http", "https") or not urlsplit(remote).hostname:
        raise Denied(501)
    _check_credential(request)
    transfer = _Transfer(request.site, remote, _headers(request), list(request.site.peers))
    if source is not None:
        node = _create(request)
        _run_transfer(request, transfer, lambda: transfer.pull(node), lambda: _remove(request))
    else:
        node = _existing(request)
        _run_transfer(request, transfer, lambda: transfer.push(node), lambda: None)


def _check_credential(request: DoorRequest) -> None:
    kind = request.header("Credential") or "oidc"
    if kind not in ("none", "oidc", "gridsite"):
        raise Denied(400, reason=f"HTTP header 'Credential' has unknown value \"{kind}\".")
    if kind != "none":  # this door cannot get a credential for the other server
        raise Denied(500, reason="Error performing OpenId-Connect delegation")


def _headers(request: DoorRequest) -> dict[str, str]:
    headers = request.exchange.request.headers
    return {name[len(_PREFIX) :]: value for name, value in headers if name.lower().startswith(_PREFIX)}


def _existing(request: DoorRequest) -> Node:
    try:
        node = request.site.namespace.find(request.path)
    except NamespaceError as error:
        raise Denied(404, reason="no such file") from error
    if not request.login.rights.allow("DOWNLOAD", request.path):
        raise Denied(401, reason="Permission denied")
    if node.is_directory:
        raise Denied(400, reason="Not a file")
    if node.size is None:
        raise Denied(409, reason="File upload in progress")
    return node


def _create(request: DoorRequest) -> Node:
    """Create a new entry, and delete an existing one first unless the client sends `Overwrite: F`."""
    login, namespace = request.login, request.site.namespace
    writable = request.site.homes.is_writable(login.user, request.path)
    if not (login.rights.allow("UPLOAD", request.path) and writable):
        raise Denied(401, reason="Permission denied")
    with suppress(NamespaceError):
        namespace.find(request.path)
        if (request.header("Overwrite") or "T").upper() == "F":
            raise Denied(500, reason="Internal problem with server")
    try:
        return namespace.create(request.path)
    except IsDirectory as error:
        raise Denied(500, reason="Internal problem with server") from error
    except NamespaceError as error:
        raise Denied(400, reason="Parent directory does not exist") from error


def _remove(request: DoorRequest) -> None:
    with suppress(NamespaceError):
        request.site.namespace.remove(request.path)


def _run_transfer(
    request: DoorRequest, transfer: _Transfer, work: Callable[[], None], clean_up: Callable[[], None]
) -> None:
    thread = threading.Thread(target=transfer.run, args=(work, clean_up), daemon=True, name="tpc")
    thread.start()
    exchange = request.exchange
    exchange.keep = False
    kind = [("Content-Type", "text/perf-marker-stream"), CHUNKED]
    try:
        exchange.stream(
            202,
            "Accepted",
            [*request.common_headers(), *kind],
            (text.encode() for text in _progress_lines(request.site, transfer)),
        )
    finally:
        transfer.cancel()
        thread.join()


def _progress_lines(site: Site, transfer: _Transfer) -> Iterator[str]:
    """Yield a marker in each interval, and at the end the result."""
    while not transfer.ended.wait(site.marker_interval):
        yield transfer.marker()
    yield "success: Created\n" if transfer.problem is None else f"failure: {transfer.problem}\n"


class _Cancelled(Exception):
    """The client has disconnected."""


@dataclass
class _Transfer:
    """One transfer with another server, in its own thread."""

    site: Site
    remote: str
    headers: dict[str, str]
    authorities: list[Path]
    moved: int = 0
    problem: str | None = None
    ended: threading.Event = field(default_factory=threading.Event)
    cancelled: threading.Event = field(default_factory=threading.Event)
    connection: http.client.HTTPConnection | None = None

    def cancel(self) -> None:
        """Cancel the transfer, and end a read that hangs."""
        self.cancelled.set()
        wire = self.connection.sock if self.connection is not None else None
        if not self.ended.is_set() and wire is not None:
            with suppress(OSError):
                wire.shutdown(socket.SHUT_RDWR)

    def run(self, work: Callable[[], None], clean_up: Callable[[], None]) -> None:
        """Call `work`; an error becomes the problem, and `clean_up` runs before the client learns it."""
        try:
            work()
        except _Cancelled:
            self.problem = "transfer cancelled"
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.problem = str(error) or type(error).__name__
        finally:
            if self.problem is not None:
                clean_up()
            self.ended.set()

    def marker(self) -> str:
        """Return a performance marker with the bytes moved so far."""
        return (
            f"Perf Marker\n    Timestamp: {int(time.time())}\n    State: Running\n    State description: \n"
            f"    Stripe Index: 0\n    Stripe Bytes Transferred: {self.moved}\n    Total Stripe Count: 1\n"
            f"    RemoteConnections: tcp:{urlsplit(self.remote).netloc}\nEnd\n"
        )

    # ---- the other server
    def pull(self, node: Node) -> None:
        """Fetch the bytes into `node`, and compare them with the other server's checksum if it sends one."""
        with self._response("GET", {"Want-Digest": "adler32"}, None) as reply:
            if reply.status != 200:
                raise ValueError(f"rejected GET: {reply.status} {reply.reason}")
            incoming = self.site.namespace.new_incoming(["adler32"])
            try:
                self._receive_body(reply, incoming)
            except BaseException:
                incoming.drop()
                raise
            digest = choose_digest("adler32", incoming.digests())
            remote_digest = reply.headers.get("Digest")
            incoming.commit(node, broken=remote_digest is not None and remote_digest != digest)
            if remote_digest is not None and remote_digest != digest:
                raise ValueError(f"checksum verification failed: {remote_digest} is not {digest}")

    def _receive_body(self, reply: http.client.HTTPResponse, incoming: Incoming) -> None:
        expected = int(reply.headers["Content-Length"])
        while block := reply.read(BLOCK):
            if self.cancelled.is_set():
                raise _Cancelled
            incoming.write(block)
            self.moved += len(block)
        if self.moved != expected:
            raise ValueError(f"truncated transfer: {self.moved} of {expected} bytes")

    def push(self, node: Node) -> None:
        """Send the bytes of `node`, and compare the checksums by HEAD."""
        length = {"Content-Length": str(node.size)}
        with self._response("PUT", length, self._outgoing_blocks(node)) as reply:
            if not 200 <= reply.status < 300:
                raise ValueError(f"rejected PUT: {reply.status} {reply.reason}")
        with self._response("HEAD", {"Want-Digest": "adler32"}, None) as reply:
            remote_digest, digest = reply.headers.get("Digest"), choose_digest("adler32", node.checksums)
            if reply.status != 200 or (remote_digest is not None and digest is not None and remote_digest != digest):
                raise ValueError(f"verification failed: {remote_digest} is not {digest}")

    def _outgoing_blocks(self, node: Node) -> Iterator[bytes]:
        for block in read_range(node, 0, node.size or 0, BLOCK):
            if self.cancelled.is_set():
                raise _Cancelled
            yield block
            self.moved += len(block)

    @contextmanager
    def _response(
        self, method: str, headers: dict[str, str], body: Iterator[bytes] | None
    ) -> Iterator[http.client.HTTPResponse]:
        """Yield the other server's response; redirects are followed, and another server gets no credential."""
        url = self.remote
        own = {**self.headers, **headers, "User-Agent": AGENT}
        for _ in range(5):
            with closing(self._connect(url)) as connection:
                parts = urlsplit(url)
                connection.request(method, parts.path + (f"?{parts.query}" if parts.query else ""), body, own)
                with connection.getresponse() as reply:
                    location = reply.headers.get("Location")
                    if reply.status not in (301, 302, 303, 307, 308) or location is None:
                        yield reply
                        return
            if urlsplit(urljoin(url, location)).netloc != parts.netloc:
                own = {name: value for name, value in own.items() if name.lower() != "authorization"}
            url = urljoin(url, location)
        raise ValueError("too many redirects")

    def _connect(self, url: str) -> http.client.HTTPConnection:
        """Return a connection to the server of a URL, which `cancel` ends; it opens with its request."""
        parts = urlsplit(url)
        if parts.scheme == "https":
            context = ssl.create_default_context()
            for authority in self.authorities:
                context.load_verify_locations(authority)
            self.connection = http.client.HTTPSConnection(parts.hostname or "", parts.port, context=context, timeout=60)
        else:
            self.connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        return self.connection
