"""One GET of a file: the checks of its response headers, and the way of its bytes into a sink."""

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
    """The server announced the file and then sent no byte of it."""


class SharedReadState(Protocol):
    """What the reads of one file share: the methods of `HttpReader` that a GET calls.

    Attributes:
        is_closed: Whether the reader is closed.
    """

    is_closed: bool

    def check_open(self) -> None:
        """Raise Interrupted if the reader is closed."""

    def check_patience(self, silent: float) -> None:
        """Raise if the server has been silent for longer than the caller waits for the first answer."""

    def remember_mover(self, response: Response, answer: GetResponse) -> None:
        """Keep the mover that a range came from, for the next ranges."""

    def new_mover(self, response: Response) -> Mover | None:
        """Return a mover for a read of the whole file; None if the server sends it without a redirect."""

    def describe(self, response: Response, start: int, stop: int | None, total: int | None) -> Delivery:
        """Return what the headers of a response say; raise Changed if the file is another version."""


class GetResponse:
    """The response to one GET, checked at its headers and counted to its last byte.

    Attributes:
        start: The first byte requested; negative: the number of bytes before the end of the file.
        stop: The offset after the last byte requested. None: the whole file was requested.
        delivery: What the headers said. None before they have come.
        mover: The mover that sends the bytes, if the door redirected to one.
        pool: The connections for the mover that the door is about to name.
    """

    def __init__(self, reader: SharedReadState, sink: Sink, start: int, stop: int | None) -> None:
        """Expect a response whose bytes go into `sink`."""
        self.start = start
        self.stop = stop
        self.delivery: Delivery | None = None
        self.mover: Mover | None = None
        self.pool: CurlPool | None = None
        self._response: Response | None = None
        self._reader = reader
        self._sink = sink
        self._offset = 0
        self._end: int | None = None  # of the response, exclusive; None if its headers do not say

    def accept(self, response: Response) -> Consumer:
        """Check the response headers and return the function that takes the bytes.

        Raises:
            UsageError: The response is the page of a directory.
            IntegrityError: The response holds another range than the one requested.
            ServerTrouble: The response holds no file.
            Changed: The file is another version than at the last read.
            Interrupted: The reader is closed.
        """
        if self._reader.is_closed:
            self._reader.check_open()
        if _is_page(response):
            raise UsageError("a directory, not a file")
        headers = response.headers.values
        length, content_range = headers.get("content-length", ""), headers.get("content-range", "")
        content_length = int(length) if length.isascii() and length.isdigit() and len(length) < 20 else None
        is_range = response.status == 206 or (
            response.status == 200 and content_range != "" and _is_part(content_range, content_length)
        )
        if is_range and self.stop is not None:
            total = self._check_range(content_range, self.stop, content_length)
        elif is_range and response.status == 200:
            raise IntegrityError(f"the server sent {content_range!r} instead of the whole file")
        elif response.status == 200:
            total = self._end = content_length
            self.stop = content_length if self.start < 0 else self.stop
        else:
            raise ServerTrouble(f"the response holds no file: {response.status} {response.reason}")
        self._response = response
        if self.stop is not None:
            self._reader.remember_mover(response, self)
        self.delivery = self._reader.describe(response, self._offset, self._end, total)
        self._sink.begin(self.delivery)
        return self._consume

    def _check_range(self, content_range: str, stop: int, length: int | None) -> int | None:
        match = _CONTENT_RANGE.fullmatch(content_range)
        first, last, total = match.groups() if match else ("-1", "-1", "*")
        size = None if total == "*" else int(total)
        if self.start < 0 and size is not None:  # the last bytes were requested
            self.start, self.stop, stop = max(0, size + self.start), size, size
        if int(first) != self.start or int(last) + 1 != min(stop, stop if size is None else size):
            raise IntegrityError(f"the server sent {content_range!r} instead of the bytes {self.start}-{stop - 1}")
        self._offset, self._end = self.start, int(last) + 1
        if length not in (None, self._end - self._offset):  # a proxy has changed the bytes
            raise IntegrityError(f"the server announced {content_range} and a body of {length} bytes")
        return size

    def _consume(self, block: memoryview) -> None:
        if self._end is not None and self._offset + len(block) > self._end:
            raise IntegrityError(f"the server sends more bytes than the {self._end} that it announced")
        if self._reader.is_closed:
            self._reader.check_open()
        requested = block if self.stop is None else block[: max(0, self.stop - self._offset)]
        self._offset += len(block)
        if requested:
            self._sink.write(requested)

    def check_silence(self, silent: float) -> None:
        """Take note that no byte has come for `silent` seconds; raise Interrupted if none will come."""
        self._reader.check_open()
        if self.mover is None and self._response is None:
            self._reader.check_patience(silent)
        if self.stop is None and self.mover is None and self._response is not None:
            self.mover = self._reader.new_mover(self._response)
        if self.mover is not None:
            self.mover.check_silence(silent)

    @property
    def has_no_byte(self) -> bool:
        """Return whether the server answered without a redirect and sent no byte."""
        is_direct = self._response is not None and not self._response.hops
        return is_direct and self.delivery is not None and self._offset == self.delivery.start

    def abort(self) -> None:
        """Take note that the client closed the connection in mid-body."""
        if self.mover is not None:
            self.mover.mark_ended()

    def note_cut(self) -> None:
        """Take note that the connection ended in mid-body, and perhaps the mover with it."""
        if self.mover is not None:
            self.mover.suspect()

    def release(self) -> None:
        """Close the connections that no other read shares."""
        if self.stop is None and self.mover is not None:
            self.mover.close()
        elif self.pool is not None and self.mover is None:
            self.pool.close()

    def get_delivery(self) -> Delivery:
        """Return what the headers said; raise ServerTrouble if the server sent a redirect that cannot be followed."""
        if self.delivery is None:
            raise ServerTrouble("the server redirected to an address that cannot be followed")
        return self.delivery

    def finish(self) -> Delivery:
        """Check that the body is complete, and return what the headers said; raise Interrupted if it is short."""
        if self._end is not None and self._offset != self._end:
            raise Interrupted(f"the body ended at byte {self._offset} instead of {self._end}")
        return self.delivery or self.get_delivery()


def _is_part(content_range: str, length: int | None) -> bool:
    """Return whether a 200 holds only the part that its `Content-Range` names, as `rclone serve s3` sends it.

    RFC 9110 gives the header no meaning there, so the length of the body decides.
    """
    match = _CONTENT_RANGE.fullmatch(content_range)
    if match is None:
        return False
    size = int(match[2]) + 1 - int(match[1])
    return length in (None, size) and str(size) != match[3]


def _is_page(response: Response) -> bool:
    """Return whether the response is the page of a directory: its URL ends in a slash, or it has dCache's metalink."""
    headers = response.headers.values
    if response.url.partition("?")[0].endswith("/"):
        return True
    html = headers.get("content-type", "").startswith("text/html") and "content-length" not in headers
    return html and "metalink" in headers.get("link", "")
