"""One version of one file at a WebDAV server, open for reading.

Every answer is checked: the bytes that were asked for must come, and the file may not change in between. If the door
redirects, all ranges are asked for at the `Mover` of the first one, without the door; a read of the whole file has a
mover to itself and uses it up. One range at a time asks the door, and the others wait for its mover.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Protocol, Self

from ctadata.checksums import parse_digests
from ctadata.entries import NO_CHECKSUMS
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
from ctadata.stores.path_errors import add_path_to_errors
from ctadata.stores.webdav.get_response import GetResponse, NoBytesReceived
from ctadata.stores.webdav.mover import Mover
from ctadata.versions import tags_differ

DOORS = 4
"""How often one read asks for a mover; what breaks later is for the caller."""


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
        route: Route = ...,
    ) -> Response:
        """One request to its 2xx answer; any other is raised as its error."""


class HttpReader:
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
        movers: Client | None = None,
        kept_mtime: Callable[[Response], float | None] = lambda _response: None,
    ) -> None:
        """Of the file at `url`. `size` asks for its bytes where nobody has said; `want_digest` is for the header.

        movers: asks again where the door has redirected to; None: each read asks at `url`.

        explain: the error to raise for one that the server answers with.
        digests: reads what an answer says of them, where that is not what was wanted by the header.
        kept_mtime: reads what an answer says of the mtime that the file was uploaded with.
        """
        self._client = client
        self._url = url
        self._path = path
        self._size = size
        self._explain = explain
        self._want_digest = want_digest
        self._digests = digests or self._in_header
        self._kept_mtime = kept_mtime
        self._total: int | None = None
        self._etag: str | None = None
        self._movers = movers
        self._made: list[Mover] = []  # those that several reads share, the current one last
        self._is_direct = False  # the server sends ranges itself
        self._is_asking = False  # a range is at the door, and the answer may name a mover
        self._change = Condition()
        self.is_closed = False

    def send(self, sink: Sink, start: int = 0, stop: int | None = None) -> Delivery:
        """Send the bytes from `start` up to `stop` (exclusive; None: the end) into the sink.

        Raises NotFound, UsageError (a directory), Interrupted (short body), Changed (since the last read),
        IntegrityError (another range than asked, shorter than `start`).
        """
        with add_path_to_errors(self._path):
            try:
                return self._send(sink, start, stop)
            except CtadataError as error:
                if (explained := self._explain(error)) is not error:
                    raise explained from error
                raise

    def send_suffix(self, sink: Sink, length: int) -> Delivery:
        """Send the last `length` bytes of the file into the sink, or all of it if it has fewer.

        Returns:
            Where the bytes begin, and the size of the file, that no request has asked for before.

        Raises:
            IntegrityError: The server sends another range; some read `bytes=-N` wrongly (dCache's issue 7971).
        """
        return self.send(sink, -length, 0)

    def _send(self, sink: Sink, start: int, stop: int | None) -> Delivery:
        self.check_open()
        if start < 0:
            return self._range(sink, start, 0)
        if start == 0 and stop is None:
            return self._ask(GetResponse(self, sink, 0, None))
        stop = self._clip(start, stop)
        if stop is None:  # a file without a known size: all of it, from the beginning
            return self._ask(GetResponse(self, sink, 0, None))
        if start >= stop:
            return self._nothing(sink, start)
        return self._range(sink, start, stop)

    def check_open(self) -> None:
        """Interrupted if it is closed."""
        if self.is_closed:
            raise Interrupted("the file was closed while it was read")

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
        answer = GetResponse(self, sink, start, stop)
        try:
            return self._ask(answer)
        except CtadataError as error:
            # a range that starts at the end: 416, which a dCache door that carries the bytes itself puts as 500
            if error.status not in (416, 500) or answer.delivery:
                raise
            self._total = self._size(self._path)
            if self._total is None or max(start, 0) < self._total:
                raise
        self._clip(max(start, 0), stop)
        return self._nothing(sink, max(start, 0))

    def _ask(self, answer: GetResponse) -> Delivery:
        try:
            if answer.stop is None or self._movers is None:
                self._ask_door(answer, None)
            else:
                self._ask_for_range(answer)
        except StopReading:
            answer.broke_off()
            return answer.begun()
        except Interrupted as error:
            answer.was_cut()
            if answer.is_empty:
                raise NoBytesReceived(error.what, hint=error.hint) from error
            raise
        except BaseException:
            answer.broke_off()
            raise
        finally:
            answer.let_go()
        return answer.end()

    def _ask_for_range(self, answer: GetResponse) -> None:
        """Ask the mover, or the door, whose answer names the next mover for all who wait."""
        for _ in range(DOORS):
            answer.mover = self._wait_for_mover()
            if answer.mover is None:
                break
            if answer.mover.read(self._headers(answer), answer.accept, answer.look):
                return
        try:
            self._ask_door(answer, self._movers.separate_pool() if self._movers else None)
        finally:
            self._let_others_ask()

    def _ask_door(self, answer: GetResponse, own: CurlPool | None) -> None:
        answer.mover, answer.own = None, own
        headers, route = self._headers(answer), Route(own, watch=answer.look)
        self._client.send("GET", self._url, headers=headers, accept=answer.accept, route=route)

    def _wait_for_mover(self) -> Mover | None:
        """The mover to read from; None if the caller is to ask the door."""
        with self._change:
            while not self._is_direct:
                if self._made and self._made[-1].is_usable:
                    return self._made[-1]
                if not self._is_asking:
                    self._is_asking = True
                    break
                self._change.wait()
            return None

    def _let_others_ask(self) -> None:
        with self._change:
            self._is_asking = False
            self._change.notify_all()

    def remember(self, response: Response, answer: GetResponse) -> None:
        """Where a range has come from, the next ones come from too."""
        if answer.mover is not None or self._movers is None:
            return
        if not self._is_elsewhere(response):
            self._is_direct = True
        elif answer.own is not None:
            answer.mover = Mover(self._movers, response.url, answer.own)
            self._made.append(answer.mover)
        self._let_others_ask()

    def mover_of(self, response: Response) -> Mover | None:
        """The mover of a read of the whole file, which shares it with none; None if the server sends it itself."""
        if self._movers is None or not self._is_elsewhere(response):
            return None
        return Mover(self._movers, response.url, self._movers.separate_pool())

    def _is_elsewhere(self, response: Response) -> bool:
        return Origin.parse(response.url) != Origin.parse(self._url)

    def _headers(self, answer: GetResponse) -> dict[str, str]:
        last = "" if answer.stop is None or answer.start < 0 else f"-{answer.stop - 1}"
        headers = {"Range": f"bytes={answer.start}{last}"} if answer.stop is not None else {}
        return {**headers, "Want-Digest": self._want_digest} if self._want_digest else headers

    def describe(self, response: Response, start: int, stop: int | None, total: int | None) -> Delivery:
        """What the headers of an answer say; Changed where it is another version than the last one."""
        etag = response.headers.get("ETag")
        if None not in (total, self._total) and total != self._total:
            raise Changed(f"{self._total} bytes, now {total}")
        if tags_differ(etag, self._etag):
            raise Changed("it has another version tag")
        self._total = total if self._total is None else self._total
        self._etag = etag or self._etag
        in_chunks = "chunked" in (response.headers.get("Transfer-Encoding") or "").lower()
        is_framed, said = in_chunks or stop is not None, self._digests(response)
        kept_mtime = self._kept_mtime(response)
        return Delivery(start, total, said, etag, stop, coding_of(response), is_framed, kept_mtime)

    def _in_header(self, response: Response) -> Mapping[str, str]:
        # XRootD sends digests of other files to those who did not ask
        return parse_digests(response.headers.get("Digest") or "") if self._want_digest else NO_CHECKSUMS

    def rest(self) -> None:
        """End the movers, by closing their connections, until the next read asks the door for another one."""
        made, self._made = self._made, []
        for mover in made:
            mover.close()

    def close(self) -> None:
        """End the movers, by closing their connections; reads that are under way end as Interrupted, and later ones."""
        self.is_closed = True
        for mover in self._made:
            mover.close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()


def coding_of(response: Response) -> str:
    """What the body of an answer is encoded with, as `gzip`; empty for nothing."""
    said = sanitize((response.headers.get("Content-Encoding") or "").strip().lower())
    return "" if said == "identity" else said
