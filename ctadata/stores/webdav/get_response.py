"""The answer to one GET of a file, on its way into a sink."""

from __future__ import annotations

import re
from typing import Protocol

from ctadata.errors import IntegrityError, Interrupted, ServerTrouble, UsageError
from ctadata.http.curl_pool import CurlPool
from ctadata.http.messages import Consumer, Response
from ctadata.stores.base import Delivery, Sink
from ctadata.stores.webdav.mover import Mover

_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19}|\*)")


class NoBytesReceived(Interrupted):
    """The server that was asked has announced the file, and sent no byte of it."""


class SharedReadState(Protocol):
    """What the reads of one file share."""

    def check_open(self) -> None:
        """Interrupted if it is closed."""

    def remember(self, response: Response, answer: GetResponse) -> None:
        """Where a range has come from, the next ones come from too."""

    def mover_of(self, response: Response) -> Mover | None:
        """The mover of a read of the whole file, which shares it with none; None if the server sends it itself."""

    def describe(self, response: Response, start: int, stop: int | None, total: int | None) -> Delivery:
        """What the headers of an answer say; Changed where it is another version than the last one."""


class GetResponse:
    """The answer to one GET: checked at its head, counted to its end."""

    def __init__(self, reading: SharedReadState, sink: Sink, start: int, stop: int | None) -> None:
        self.start = start
        self.stop = stop
        self.delivery: Delivery | None = None
        self.mover: Mover | None = None
        self.own: CurlPool | None = None  # connections for the mover that the door is asked for
        self._response: Response | None = None
        self._reading = reading
        self._sink = sink
        self._offset = 0
        self._end: int | None = None  # of the answer, exclusive; None where it does not say

    def accept(self, response: Response) -> Consumer:
        """The headers have come; IntegrityError where they are about something else than was asked."""
        self._reading.check_open()
        if _is_page(response):
            raise UsageError("a directory, not a file")
        length = response.headers.get("Content-Length") or ""
        said = int(length) if length.isascii() and length.isdigit() and len(length) < 20 else None
        if response.status == 206 and self.stop is not None:
            total = self._check_range(response.headers.get("Content-Range") or "", self.stop, said)
        elif response.status == 200:
            total = self._end = said
            self.stop = said if self.start < 0 else self.stop
        else:
            raise ServerTrouble(f"no file in the answer: {response.status} {response.reason}")
        self._response = response
        if self.stop is not None:
            self._reading.remember(response, self)
        self.delivery = self._reading.describe(response, self._offset, self._end, total)
        self._sink.begin(self.delivery)
        return self._consume

    def _check_range(self, said: str, stop: int, length: int | None) -> int | None:
        match = _CONTENT_RANGE.fullmatch(said)
        first, last, total = match.groups() if match else ("-1", "-1", "*")
        size = None if total == "*" else int(total)
        if self.start < 0 and size is not None:  # the last bytes were asked for
            self.start, self.stop, stop = max(0, size + self.start), size, size
        if int(first) != self.start or int(last) + 1 != min(stop, stop if size is None else size):
            raise IntegrityError(f"asked for the bytes {self.start}-{stop - 1}, and offered {said!r}")
        self._offset, self._end = self.start, int(last) + 1
        if length not in (None, self._end - self._offset):  # a proxy on the way has rewritten the bytes
            raise IntegrityError(f"{said} announced, and a body of {length} bytes")
        return size

    def _consume(self, block: bytes) -> None:
        if self._end is not None and self._offset + len(block) > self._end:
            raise IntegrityError(f"more bytes come than the {self._end} that were announced")
        self._reading.check_open()
        wanted = block if self.stop is None else block[: max(0, self.stop - self._offset)]
        self._offset += len(block)
        if wanted:
            self._sink.write(wanted)

    def look(self, silent: float) -> None:
        """Nothing has come for `silent` seconds; Interrupted if nothing more will."""
        self._reading.check_open()
        if self.stop is None and self.mover is None and self._response is not None:
            self.mover = self._reading.mover_of(self._response)
        if self.mover is not None:
            self.mover.look(silent)

    @property
    def is_empty(self) -> bool:
        """Whether the server that was asked has answered by itself, and no byte has come."""
        by_itself = self._response is not None and not self._response.hops
        return by_itself and self.delivery is not None and self._offset == self.delivery.start

    def broke_off(self) -> None:
        """We have ended the connection in mid-body."""
        if self.mover is not None:
            self.mover.end()

    def was_cut(self) -> None:
        """The connection has ended in mid-body, and perhaps the mover with it."""
        if self.mover is not None:
            self.mover.doubt()

    def let_go(self) -> None:
        """The read has ended; what no other read shares is closed."""
        if self.stop is None and self.mover is not None:
            self.mover.close()
        elif self.own is not None and self.mover is None:
            self.own.close()

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
