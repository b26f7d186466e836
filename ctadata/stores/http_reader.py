"""Read one version of one file over HTTP, and check every response.

The server has to send the bytes that the client requested, and the file must not change in between. If the door
redirects a read of a range, later ranges go to the same `Mover`, without the door. A read of the whole file has a mover
of its own and uses it up. Only one range at a time is requested from the door; the other reads wait for its mover.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from types import TracebackType
from typing import Protocol, Self

from ctadata.digest_headers import parse_digests
from ctadata.entries import NO_CHECKSUMS, Entry
from ctadata.errors import (
    Changed,
    CtadataError,
    IntegrityError,
    Interrupted,
)
from ctadata.fibers import Condition
from ctadata.http.client import Client
from ctadata.http.curl_pool import CurlPool, Route
from ctadata.http.messages import Accept, Origin, Response
from ctadata.http.redaction import sanitize
from ctadata.paths import RemotePath
from ctadata.stores.base import Delivery, Sink, StopReading
from ctadata.stores.path_errors import add_path
from ctadata.stores.webdav.get_response import GetResponse, NoBytesReceived
from ctadata.stores.webdav.mover import Mover
from ctadata.versions import tag_of_time, tags_differ

MAX_DOOR_REQUESTS = 4
"""How often one read asks the door for a mover. The caller handles what fails later."""


class HttpSender(Protocol):
    """What sends a GET: a client, or one that signs each request."""

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        accept: Accept | None = None,
        follow: bool = True,
        repeat: bool = True,
        route: Route = ...,
    ) -> Response:
        """Send one request and return its 2xx response; raise the error of any other response."""


class NoAnswerYet(Exception):
    """The server has not begun to answer for as long as `HttpReader.patience`."""


class HttpReader:
    """One version of one file, open for reading; see `Reader`. A `with` block closes it."""

    def __init__(
        self,
        client: HttpSender,
        url: str,
        path: RemotePath,
        size: Callable[[RemotePath], int | None],
        want_digest: str | None,
        digests: Callable[[Response], Mapping[str, str]] | None = None,
        explain: Callable[[CtadataError], CtadataError] = lambda error: error,
        mover_client: Client | None = None,
        entry: Callable[[Response], Entry | None] | None = None,
    ) -> None:
        """Create a reader of the file at `url`. No request is sent.

        Args:
            client: Sends the GET requests.
            url: The address of the file.
            path: The path of the file, for its errors.
            size: Returns the size of the file in bytes, or None. Called only if no response has said it.
            want_digest: The value of the header `Want-Digest`; None sends no such header.
            digests: Reads the digests from a response. None: read the header `Digest`.
            explain: Returns the error to raise for an error of the server; the same object if it has nothing to add.
            mover_client: Sends the requests to the server that the door redirects to. None: each read starts at `url`.
            entry: Reads the entry of the file from a response that says all of it; None: responses do not.
        """
        self._client = client
        self._url = url
        self._path = path
        self._size = size
        self._explain = explain
        self._want_digest = want_digest
        self._digests = digests or self._digests_from_header
        self._entry = entry
        self._total: int | None = None
        self._etag: str | None = None
        self._mover_client = mover_client
        self._shared_movers: list[Mover] = []  # the current one last
        self._is_direct = False  # the server sends ranges without a redirect
        self._is_door_asked = False  # a range is at the door, and its response may name a mover
        self.is_closed = False
        self.patience: float | None = None  # seconds for the first answer; None: as long as the client waits

    @cached_property
    def _change(self) -> Condition:
        return Condition()

    def send(self, sink: Sink, start: int = 0, stop: int | None = None) -> Delivery:
        """Send the bytes from offset `start` up to `stop` (exclusive; None: the end) into the sink.

        Raises:
            NotFound: The file does not exist.
            UsageError: The path is a directory.
            Interrupted: The body ended too early, or the reader was closed.
            Changed: The file is another version than at the last read.
            IntegrityError: The server sent another range, or the file is shorter than `start`.
        """
        try:
            if self.is_closed:
                self.check_open()
            if start == 0 and stop is None:
                return self._request(GetResponse(self, sink, 0, None))
            return self._send_range(sink, start, 0) if start < 0 else self._send_clipped(sink, start, stop)
        except CtadataError as error:
            explained = self._explain(error)
            add_path(explained, self._path)
            if explained is not error:
                raise explained from error
            raise

    def send_suffix(self, sink: Sink, length: int) -> Delivery:
        """Send the last `length` bytes of the file into the sink, or the whole file if it is shorter.

        Returns:
            What the headers said: where the bytes begin, and the size of the file. No other request asks for the size.

        Raises:
            IntegrityError: The server sent another range. Some servers read `bytes=-N` wrongly (dCache's issue 7971).
        """
        return self.send(sink, -length, 0)

    def _send_clipped(self, sink: Sink, start: int, stop: int | None) -> Delivery:
        stop = self._clip(start, stop)
        if stop is None:  # the size is not known: read all of it, from the beginning
            return self._request(GetResponse(self, sink, 0, None))
        if start >= stop:
            return self._send_nothing(sink, start)
        return self._send_range(sink, start, stop)

    def check_open(self) -> None:
        """Raise Interrupted if the reader is closed."""
        if self.is_closed:
            raise Interrupted("the file was closed while it was read")

    def _clip(self, start: int, stop: int | None) -> int | None:
        """Return where the range ends. XRootD and some dCaches (its issue 7971) answer an open range wrongly."""
        if stop is None and self._total is None:
            self._total = self._size(self._path)
        if self._total is not None and start > self._total:
            raise IntegrityError(f"the file has only {self._total} bytes")
        return self._total if stop is None else min(stop, stop if self._total is None else self._total)

    def _send_nothing(self, sink: Sink, start: int) -> Delivery:
        delivery = Delivery(start, self._total, etag=self._etag, stop=start)
        sink.begin(delivery)
        return delivery

    def _send_range(self, sink: Sink, start: int, stop: int) -> Delivery:
        get = GetResponse(self, sink, start, stop)
        try:
            return self._request(get)
        except CtadataError as error:
            # a range that starts at the end gets 416; a dCache door that carries the bytes itself sends 500
            if error.status not in (416, 500) or get.delivery:
                raise
            self._total = self._size(self._path)
            if self._total is None or max(start, 0) < self._total:
                raise
        self._clip(max(start, 0), stop)
        return self._send_nothing(sink, max(start, 0))

    def _request(self, get: GetResponse) -> Delivery:
        try:
            if get.stop is None or self._mover_client is None:
                self._request_from_door(get, None)
            else:
                self._request_range(get)
        except StopReading:
            get.abort()
            return get.get_delivery()
        except Interrupted as error:
            get.note_cut()
            if get.has_no_byte:
                raise NoBytesReceived(error.what, hint=error.hint) from error
            raise
        except BaseException:
            get.abort()
            raise
        finally:
            get.release()
        return get.finish()

    def _request_range(self, get: GetResponse) -> None:
        """Request the range from the mover, or from the door, whose response names the next mover for all who wait."""
        for _ in range(MAX_DOOR_REQUESTS):
            get.mover = self._wait_for_mover()
            if get.mover is None:
                break
            if get.mover.read(self._headers(get), get.accept, get.check_silence):
                return
        try:
            self._request_from_door(get, self._mover_client.separate_pool() if self._mover_client else None)
        finally:
            self._release_door()

    def _request_from_door(self, get: GetResponse, pool: CurlPool | None) -> None:
        get.mover, get.pool = None, pool
        headers, route = self._headers(get), Route(pool, watch=get.check_silence)
        self._client.send("GET", self._url, headers=headers, accept=get.accept, route=route)

    def _wait_for_mover(self) -> Mover | None:
        """Return the mover to read from; None if the caller has to ask the door."""
        with self._change:
            while not self._is_direct:
                if self._shared_movers and self._shared_movers[-1].is_usable:
                    return self._shared_movers[-1]
                if not self._is_door_asked:
                    self._is_door_asked = True
                    break
                self._change.wait()
            return None

    def _release_door(self) -> None:
        with self._change:
            self._is_door_asked = False
            self._change.notify_all()

    def remember_mover(self, response: Response, get: GetResponse) -> None:
        """Keep the mover that a range came from, for the next ranges."""
        if get.mover is not None or self._mover_client is None:
            return
        if not self._is_redirected(response):
            self._is_direct = True
        elif get.pool is not None:
            get.mover = Mover(self._mover_client, response.url, get.pool)
            self._shared_movers.append(get.mover)
        self._release_door()

    def new_mover(self, response: Response) -> Mover | None:
        """Return a mover for a read of the whole file, which shares it with no other read.

        Returns:
            None if the server sends the file itself, so that there is no mover.
        """
        if self._mover_client is None or not self._is_redirected(response):
            return None
        return Mover(self._mover_client, response.url, self._mover_client.separate_pool())

    def _is_redirected(self, response: Response) -> bool:
        return Origin.parse(response.url) != Origin.parse(self._url)

    def _headers(self, get: GetResponse) -> dict[str, str]:
        last = "" if get.stop is None or get.start < 0 else f"-{get.stop - 1}"
        headers = {"Range": f"bytes={get.start}{last}"} if get.stop is not None else {}
        return {**headers, "Want-Digest": self._want_digest} if self._want_digest else headers

    def describe(self, response: Response, start: int, stop: int | None, total: int | None) -> Delivery:
        """Return what the headers of a response say about the file.

        Args:
            response: The response.
            start: The offset of its first byte.
            stop: The offset after its last byte. None: the headers do not say.
            total: The length of the whole file in bytes. None: the headers do not say.

        Raises:
            Changed: The size or the ETag is not that of the last response. Without an ETag, `Last-Modified` counts.
        """
        headers = response.headers.values
        etag = headers.get("etag") or tag_of_time(headers.get("last-modified"))
        if None not in (total, self._total) and total != self._total:
            raise Changed(f"{self._total} bytes, now {total}")
        if self._etag and tags_differ(etag, self._etag):
            raise Changed("it has another version tag")
        self._total = total if self._total is None else self._total
        self._etag = etag or self._etag
        is_framed = stop is not None or "chunked" in headers.get("transfer-encoding", "").lower()
        encoding = get_content_encoding(response) if "content-encoding" in headers else ""
        entry = self._entry(response) if self._entry else None
        return Delivery(start, total, self._digests(response), etag, stop, encoding, is_framed, entry)

    def _digests_from_header(self, response: Response) -> Mapping[str, str]:
        # without Want-Digest, XRootD may send the digest of another file
        digest = response.headers.values.get("digest")
        return parse_digests(digest) if digest and self._want_digest else NO_CHECKSUMS

    def check_patience(self, silent: float) -> None:
        """Raise NoAnswerYet after `patience` seconds of silence."""
        if self.patience is not None and silent >= self.patience:
            raise NoAnswerYet

    def close_movers(self) -> None:
        """Close the movers; the next read asks the door for another one."""
        movers, self._shared_movers = self._shared_movers, []
        for mover in movers:
            mover.close()

    def close(self) -> None:
        """Close the connections of the movers. Reads under way, and later ones, end as Interrupted."""
        self.is_closed = True
        for mover in self._shared_movers:
            mover.close()

    def __enter__(self) -> Self:
        """Return the reader."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the reader."""
        self.close()


def get_content_encoding(response: Response) -> str:
    """Return the `Content-Encoding` of a response, for example `gzip`; empty if there is none."""
    header = response.headers.get("Content-Encoding")
    encoding = sanitize(header.strip().lower()) if header else ""
    return "" if encoding == "identity" else encoding
