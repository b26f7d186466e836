"""One file at the download service, open for reading: `/fetch` for the whole of it, `/webdav` for ranges.

`/fetch` streams, but answers 200 to everything: what comes is a file only where its length is right, so the storage is
asked for that first, and where it is not, why. `/webdav` is honest, knows ranges, and keeps each answer in the
service's memory, so it is asked for small pieces; it rewrites what looks like a link of WebDAV, which shows in the
length. A file that comes wrong one way comes the other way from then on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, MutableMapping
from types import TracebackType
from typing import Self

from ctadata.entries import Entry
from ctadata.errors import Changed, IntegrityError, ServerTrouble, UsageError
from ctadata.http.messages import Consumer, Response
from ctadata.paths import RemotePath
from ctadata.stores.base import Delivery, Sink, StopReading
from ctadata.stores.download_service.requests import Wire
from ctadata.stores.http_reader import HttpReader, get_content_encoding
from ctadata.stores.path_errors import add_path_to_errors
from ctadata.versions import is_other_version

PIECE = 32 << 20
"""Bytes of a range that is asked for at a time."""


class ServiceReading:
    """One version of one file; a `with` block closes it."""

    def __init__(
        self,
        wire: Wire,
        version: Callable[[RemotePath], Entry],
        path: RemotePath,
        ranged: MutableMapping[RemotePath, bool],
    ) -> None:
        """Of the file `path`; `version` tells what is there now.

        ranged: what is known of files: True where `/fetch` was wrong, False where `/webdav` was.
        """
        self._wire = wire
        self._now = version
        self._path = path
        self._ranged = ranged
        self._version: Entry | None = None
        self._dotted = ".." in str(path)  # which `/fetch` refuses, in names too

    def send(self, sink: Sink, start: int = 0, stop: int | None = None) -> Delivery:
        """Send the bytes from `start` up to `stop` (exclusive; None: the end) into the sink.

        NotFound, Forbidden, UsageError (a directory), Interrupted (cut), Changed (since the last read),
        IntegrityError (not as many bytes as the storage says, shorter than `start`).
        """
        with add_path_to_errors(self._path):
            now = self._look()
            size = now.size
            if size is None:
                raise ServerTrouble("the storage does not know its size yet; is it still being uploaded?")
            if start > size:
                raise IntegrityError(f"the file has only {size} bytes")
            end = size if stop is None else min(stop, size)
            delivery = Delivery(start, size, now.checksums, now.etag, end)
            if start >= end and (size or self._dotted):
                sink.begin(delivery)
                return delivery
            return self._send(sink, delivery)

    def _look(self) -> Entry:
        """The version that is there; Changed where it is another one than before."""
        now, before = self._now(self._path), self._version
        if now.is_directory:
            raise UsageError("a directory, not a file")
        if before and is_other_version(now, before):
            raise Changed()
        self._version = now
        return now

    def _send(self, sink: Sink, wanted: Delivery) -> Delivery:
        whole = (wanted.start, wanted.stop) == (0, wanted.total)
        if not self._ranged.get(self._path, self._dotted or not whole):
            return self._fetch(sink, wanted)
        try:
            return self._fetch_ranges(sink, wanted)
        except IntegrityError:
            if self._dotted or self._ranged.get(self._path):
                raise
            self._ranged[self._path] = False
            sink.begin(_whole(wanted))  # who wants no other beginning says so before the file is asked for
            return self._fetch(sink, wanted)

    def _fetch(self, sink: Sink, wanted: Delivery) -> Delivery:
        """The whole file from its beginning; what else comes than it is told by the storage, where that has words."""
        taking = _Taking(sink, _whole(wanted))
        try:
            self._wire.ask("GET", "fetch", self._path, accept=taking.accept)
            taking.end()
        except StopReading:
            pass
        except IntegrityError:
            self._ranged.setdefault(self._path, True)
            self._wire.ask("GET", "webdav", self._path, headers={"Range": "bytes=0-0"})
            raise
        return taking.delivery

    def _fetch_ranges(self, sink: Sink, wanted: Delivery) -> Delivery:
        onward, stop = _Onward(sink, wanted), wanted.stop or 0
        url = self._wire.url("webdav", self._path)
        with HttpReader(self._wire.client, url, self._path, lambda _: wanted.total, None) as reading:
            for at in range(wanted.start, stop, PIECE):
                onward.at = at
                reading.send(onward, at, min(at + PIECE, stop))
                if onward.enough:
                    break
        return wanted

    def close(self) -> None:
        """Nothing stays open."""

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()


def _whole(wanted: Delivery) -> Delivery:
    return dataclasses.replace(wanted, start=0, stop=wanted.total)


class _Taking:
    """The answer of `/fetch` on its way into a sink, counted: it says nothing of itself."""

    def __init__(self, sink: Sink, delivery: Delivery) -> None:
        self.delivery = delivery
        self._sink = sink
        self._size = delivery.total or 0
        self._came = 0

    def accept(self, response: Response) -> Consumer:
        """The answer begins."""
        if response.status != 200:
            raise ServerTrouble(f"no file in the answer: {response.status} {response.reason}")
        if coding := get_content_encoding(response):
            raise IntegrityError(f"the service sends the file encoded as {coding}, which nobody has asked for")
        self._sink.begin(self.delivery)
        return self._consume

    def _consume(self, block: bytes) -> None:
        self._came += len(block)
        if self._came > self._size:
            raise IntegrityError(f"more bytes come than the {self._size} of the file: no file, but an error page?")
        self._sink.write(block)

    def end(self) -> None:
        """IntegrityError where it was not the whole file."""
        if self._came != self._size:
            raise IntegrityError(f"{self._came} bytes arrived instead of {self._size}: no file, but an error page?")


class _Onward:
    """Several ranges as one: the sink is told of the first alone. IntegrityError for what was not asked for."""

    def __init__(self, sink: Sink, delivery: Delivery) -> None:
        self.at = delivery.start
        self.enough = False
        self._sink = sink
        self._delivery = delivery

    def begin(self, delivery: Delivery) -> None:
        """A range begins."""
        if (delivery.start, delivery.total) != (self.at, self._delivery.total):
            raise IntegrityError("the service gives another range than asked")
        if self.at == self._delivery.start:
            self._sink.begin(self._delivery)

    def write(self, block: bytes) -> None:
        """The next bytes."""
        try:
            self._sink.write(block)
        except StopReading:
            self.enough = True
            raise
