"""One version of one file at a WebDAV server, open for reading.

Every answer is checked: what was asked for is what must come, and the file may not change in between. Where the door
redirects, the address of the first answer serves the later ranges without asking the door again (dCache keeps one
mover for them); a read of the whole file uses such an address up.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Protocol, Self

from ctadata.checksums import read_digests
from ctadata.entries import NONE_KNOWN
from ctadata.errors import (
    Changed,
    CtadataError,
    IntegrityError,
    Interrupted,
    LoginNeeded,
    ServerTrouble,
    Stopped,
    UsageError,
)
from ctadata.http.message import Accept, Consumer, Origin, Response
from ctadata.paths import RemotePath
from ctadata.stores.base import Delivery, Enough, Sink

_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19}|\*)")


class Sends(Protocol):
    """Who sends a GET: a client, or who signs for it."""

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        accept: Accept | None = None,
        follow: bool = True,
        repeat: bool = True,
    ) -> Response:
        """One request to its 2xx answer; any other is raised as its error."""


class WebDAVReading:
    """One version of one file; a `with` block closes it."""

    def __init__(
        self,
        client: Sends,
        url: str,
        path: RemotePath,
        size: Callable[[RemotePath], int | None],
        want_digest: str | None,
        digests: Callable[[Response], Mapping[str, str]] | None = None,
        explain: Callable[[CtadataError], CtadataError] = lambda error: error,
    ) -> None:
        """Of the file at `url`. `size` asks for its bytes where nobody has said; `want_digest` is for the header.

        explain: the error to raise for one that the server answers with.
        digests: reads what an answer says of them, where that is not what was wanted by the header.
        """
        self._client = client
        self._url = url
        self._path = path
        self._size = size
        self._explain = explain
        self._want_digest = want_digest
        self._digests = digests or self._in_header
        self._total: int | None = None
        self._etag: str | None = None
        self._pool: str | None = None

    def send(self, sink: Sink, start: int = 0, stop: int | None = None) -> Delivery:
        """Send the bytes from `start` up to `stop` (exclusive; None: the end) into the sink.

        Raises NotFound, UsageError (a directory), Interrupted (short body), Changed (since the last read),
        IntegrityError (another range than asked, shorter than `start`).
        """
        with about(self._path):
            try:
                return self._send(sink, start, stop)
            except BaseException as error:
                self._pool = None  # its connection is gone, and whoever closes us need not wait for it
                if isinstance(error, CtadataError) and (explained := self._explain(error)) is not error:
                    raise explained from error
                raise

    def _send(self, sink: Sink, start: int, stop: int | None) -> Delivery:
        if start == 0 and stop is None:
            return self._ask(_Taking(self, sink, 0, None))
        stop = self._clip(start, stop)
        if stop is None:  # a file without a known size: all of it, from the beginning
            return self._ask(_Taking(self, sink, 0, None))
        if start >= stop:
            return self._nothing(sink, start)
        return self._range(sink, start, stop)

    def _clip(self, start: int, stop: int | None) -> int | None:
        """Where the range ends; open ranges are answered wrongly by XRootD and by some dCaches (its issue 7971)."""
        if stop is None and self._total is None:
            self._total = self._size(self._path)
        if self._total is not None and start > self._total:
            raise IntegrityError(f"the file has only {self._total} bytes")
        return self._total if stop is None else min(stop, stop if self._total is None else self._total)

    def _nothing(self, sink: Sink, start: int) -> Delivery:
        delivery = Delivery(start, self._total, etag=self._etag, stop=start)
        sink.begin(delivery)
        return delivery

    def _range(self, sink: Sink, start: int, stop: int) -> Delivery:
        taking = _Taking(self, sink, start, stop)
        try:
            return self._ask(taking)
        except CtadataError as error:
            # a range that starts at the end: 416, which a dCache door that carries the bytes itself puts as 500
            if error.status not in (416, 500) or taking.delivery:
                raise
            self._total = self._size(self._path)
            if self._total is None or start < self._total:
                raise
        self._clip(start, stop)
        return self._nothing(sink, start)

    def _ask(self, taking: _Taking) -> Delivery:
        """At the pool that answered before, for a range; at the door where there is none or it no longer will."""
        pool, self._pool = self._pool, self._pool if taking.stop is not None else None
        try:
            if not (pool and taking.stop is not None and self._ask_pool(pool, taking)):
                self._client.send("GET", self._url, headers=self._headers(taking), accept=taking.accept)
        except Enough:
            return taking.begun()
        return taking.end()

    def remember(self, url: str) -> None:
        """The address that has answered a range serves the next ones, where the door has redirected to it."""
        if Origin.of(url) != Origin.of(self._url):
            self._pool = url

    def _ask_pool(self, pool: str, taking: _Taking) -> bool:
        try:
            # a redirect back to the door means: ask there again, and it is we who say what for
            # and a pool that is gone is not waited for
            headers = self._headers(taking)
            response = self._client.send("GET", pool, headers=headers, accept=taking.accept, follow=False, repeat=False)
        except Stopped:
            raise
        except CtadataError:
            if taking.delivery:
                raise
            response = None
        if response is not None and response.status < 300:
            return True
        if self._pool == pool:
            self._pool = None
        return False

    def _headers(self, taking: _Taking) -> dict[str, str]:
        headers = {"Range": f"bytes={taking.start}-{taking.stop - 1}"} if taking.stop is not None else {}
        return {**headers, "Want-Digest": self._want_digest} if self._want_digest else headers

    def describe(self, response: Response, start: int, stop: int | None, total: int | None) -> Delivery:
        """What the headers of an answer say; Changed where it is another version than the last one."""
        etag = response.headers.get("ETag")
        if None not in (total, self._total) and total != self._total:
            raise Changed(f"{self._total} bytes, now {total}")
        # Apache's tag of a fresh file is weak, and the same one without W/ a second later
        if etag and self._etag and etag.removeprefix("W/") != self._etag.removeprefix("W/"):
            raise Changed("it has another version tag")
        self._total = total if self._total is None else self._total
        self._etag = etag or self._etag
        return Delivery(start, total, self._digests(response), etag, stop)

    def _in_header(self, response: Response) -> Mapping[str, str]:
        # XRootD sends digests of other files to those who did not ask
        return read_digests(response.headers.get("Digest") or "") if self._want_digest else NONE_KNOWN

    def close(self) -> None:
        """End it at the pool too: a mover lives as long as a connection that has used it (dcache.md 1.4)."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        with contextlib.suppress(CtadataError):
            last = {"Range": "bytes=0-0", "Connection": "close"}
            self._client.send("GET", pool, headers=last, follow=False, repeat=False)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()


class _Taking:
    """One answer on its way into a sink: checked at its head, counted to its end."""

    def __init__(self, reading: WebDAVReading, sink: Sink, start: int, stop: int | None) -> None:
        self.start = start
        self.stop = stop
        self.delivery: Delivery | None = None
        self._reading = reading
        self._sink = sink
        self._offset = 0
        self._end: int | None = None  # of the answer, exclusive; None where it does not say

    def accept(self, response: Response) -> Consumer:
        """The headers have come; IntegrityError where they are about something else than was asked."""
        if _is_page(response):
            raise UsageError("a directory, not a file")
        length = response.headers.get("Content-Length") or ""
        said = int(length) if length.isascii() and length.isdigit() else None
        if response.status == 206 and self.stop is not None:
            total = self._check_range(response.headers.get("Content-Range") or "", self.stop, said)
        elif response.status == 200:
            total = self._end = said
        else:
            raise ServerTrouble(f"no file in the answer: {response.status} {response.reason}")
        if response.status == 206:
            self._reading.remember(response.url)
        self.delivery = self._reading.describe(response, self._offset, self._end, total)
        self._sink.begin(self.delivery)
        return self._consume

    def _check_range(self, said: str, stop: int, length: int | None) -> int | None:
        match = _CONTENT_RANGE.fullmatch(said)
        first, last, total = match.groups() if match else ("-1", "-1", "*")
        size = None if total == "*" else int(total)
        if int(first) != self.start or int(last) + 1 != min(stop, stop if size is None else size):
            raise IntegrityError(f"asked for the bytes {self.start}-{stop - 1}, and offered {said!r}")
        self._offset, self._end = self.start, int(last) + 1
        if length not in (None, self._end - self._offset):  # a proxy on the way has rewritten the bytes
            raise IntegrityError(f"{said} announced, and a body of {length} bytes")
        return size

    def _consume(self, block: bytes) -> None:
        if self._end is not None and self._offset + len(block) > self._end:
            raise IntegrityError(f"more bytes come than the {self._end} that were announced")
        wanted = block if self.stop is None else block[: max(0, self.stop - self._offset)]
        self._offset += len(block)
        if wanted:
            self._sink.write(wanted)

    def begun(self) -> Delivery:
        """What the headers said."""
        if self.delivery is None:
            raise ServerTrouble("the server redirected where nothing can be followed")
        return self.delivery

    def end(self) -> Delivery:
        """The body has ended; Interrupted where it is short."""
        delivery = self.begun()
        if self._end is not None and self._offset != self._end:
            raise Interrupted(f"the body ended at byte {self._offset} instead of {self._end}")
        return delivery


def _is_page(response: Response) -> bool:
    """Whether the answer is a directory's page for people: at an address with a slash, or with dCache's metalink."""
    headers = response.headers
    if response.url.partition("?")[0].endswith("/"):
        return True
    html = (headers.get("Content-Type") or "").startswith("text/html") and headers.get("Content-Length") is None
    return html and "metalink" in (headers.get("Link") or "")


class about:  # noqa: N801  (reads as a preposition; a class, because a generator costs each request more)
    """Errors that pass here, and are about no path yet, are about this one; but not that nobody is logged in."""

    __slots__ = ("_path",)

    def __init__(self, path: RemotePath) -> None:
        """Nothing happens yet."""
        self._path = path

    def __enter__(self) -> None:
        """Nothing."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say which path it was."""
        unasked = isinstance(error, LoginNeeded) and not error.status
        if isinstance(error, CtadataError) and not unasked:
            error.path = error.path or str(self._path)
