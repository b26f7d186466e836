"""Read one file of the download service: the whole file by `/fetch`, ranges by `/webdav`.

`/fetch` streams, and answers 200 to everything, so its body is the file only if its length is right. The reading asks
the storage for the length first, and asks it for the reason if the length is wrong. `/webdav` returns proper errors
and ranges. It keeps each answer in the service's memory, so the reading requests small ranges; and it rewrites text
that looks like a WebDAV link, which changes the length. If one way returns wrong bytes, the reading uses the other way
for this file from then on.
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
from ctadata.stores.download_service.requests import ServiceRequests
from ctadata.stores.http_reader import HttpReader, get_content_encoding
from ctadata.stores.path_errors import add_path_to_errors
from ctadata.versions import is_other_version

RANGE_SIZE = 32 << 20
"""Bytes of one range request."""


class ServiceReading:
    """One version of one file, open for reading; a `with` block closes it."""

    def __init__(
        self,
        requests: ServiceRequests,
        version: Callable[[RemotePath], Entry],
        path: RemotePath,
        ranged: MutableMapping[RemotePath, bool],
    ) -> None:
        """Keep the arguments; no request is sent.

        Args:
            requests: Sends the requests.
            version: Returns the present entry of a path.
            path: The file.
            ranged: Shared by all readings of the store. True: `/fetch` returned wrong bytes for this file. False:
                `/webdav` did.
        """
        self._requests = requests
        self._now = version
        self._path = path
        self._ranged = ranged
        self._version: Entry | None = None
        self._dotted = ".." in str(path)  # `/fetch` refuses `..`, also inside a name

    def send(self, sink: Sink, start: int = 0, stop: int | None = None) -> Delivery:
        """Send the bytes from `start` up to `stop` (exclusive; None: the end) into the sink.

        Raises:
            NotFound: There is no such file.
            Forbidden: The token may not read it.
            UsageError: It is a directory.
            Interrupted: The connection broke.
            Changed: The file is another version than at the last read.
            IntegrityError: The service sent more or fewer bytes than the storage says, or the file is shorter than
                `start`.
            ServerTrouble: The storage does not know the size yet.
        """
        with add_path_to_errors(self._path):
            now = self._check_version()
            size = now.size
            if size is None:
                raise ServerTrouble("the storage does not know the file's size yet; maybe an upload is still running")
            if start > size:
                raise IntegrityError(f"the file has only {size} bytes")
            end = size if stop is None else min(stop, size)
            delivery = Delivery(start, size, now.checksums, now.etag, end)
            if start >= end and (size or self._dotted):
                sink.begin(delivery)
                return delivery
            return self._send(sink, delivery)

    def _check_version(self) -> Entry:
        """Return the present entry; raise Changed if it is another version than before."""
        now, before = self._now(self._path), self._version
        if now.is_directory:
            raise UsageError("a directory, not a file")
        if before and is_other_version(now, before):
            raise Changed()
        self._version = now
        return now

    def _send(self, sink: Sink, requested: Delivery) -> Delivery:
        whole = (requested.start, requested.stop) == (0, requested.total)
        if not self._ranged.get(self._path, self._dotted or not whole):
            return self._fetch_whole(sink, requested)
        try:
            return self._fetch_ranges(sink, requested)
        except IntegrityError:
            if self._dotted or self._ranged.get(self._path):
                raise
            self._ranged[self._path] = False
            sink.begin(_whole(requested))  # a sink that cannot start at 0 raises before the file is requested
            return self._fetch_whole(sink, requested)

    def _fetch_whole(self, sink: Sink, requested: Delivery) -> Delivery:
        """Read the whole file from its first byte; if the length is wrong, ask `/webdav` for its error."""
        consumer = _CountingConsumer(sink, _whole(requested))
        try:
            self._requests.send("GET", "fetch", self._path, accept=consumer.accept)
            consumer.end()
        except StopReading:
            pass
        except IntegrityError:
            self._ranged.setdefault(self._path, True)
            self._requests.send("GET", "webdav", self._path, headers={"Range": "bytes=0-0"})
            raise
        return consumer.delivery

    def _fetch_ranges(self, sink: Sink, requested: Delivery) -> Delivery:
        joiner, stop = _RangeJoiner(sink, requested), requested.stop or 0
        url = self._requests.url("webdav", self._path)
        with HttpReader(self._requests.client, url, self._path, lambda _: requested.total, None) as reading:
            for at in range(requested.start, stop, RANGE_SIZE):
                joiner.at = at
                reading.send(joiner, at, min(at + RANGE_SIZE, stop))
                if joiner.enough:
                    break
        return requested

    def close(self) -> None:
        """Do nothing: no connection stays open."""

    def __enter__(self) -> Self:
        """Return the reading itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the reading."""
        self.close()


def _whole(requested: Delivery) -> Delivery:
    return dataclasses.replace(requested, start=0, stop=requested.total)


class _CountingConsumer:
    """Passes the body of `/fetch` on to a sink, and counts its bytes, because the response does not tell its length."""

    def __init__(self, sink: Sink, delivery: Delivery) -> None:
        self.delivery = delivery
        self._sink = sink
        self._size = delivery.total or 0
        self._received = 0

    def accept(self, response: Response) -> Consumer:
        """Check the response's header, and return the consumer of its body."""
        if response.status != 200:
            raise ServerTrouble(f"the service's answer holds no file: {response.status} {response.reason}")
        if coding := get_content_encoding(response):
            raise IntegrityError(f"the service sends the file encoded as {coding}, without being asked")
        self._sink.begin(self.delivery)
        return self._consume

    def _consume(self, block: memoryview) -> None:
        self._received += len(block)
        if self._received > self._size:
            raise IntegrityError(f"more than the file's {self._size} bytes arrived; maybe it is an error page")
        self._sink.write(block)

    def end(self) -> None:
        """Raise IntegrityError if the body was not the whole file."""
        if self._received != self._size:
            raise IntegrityError(f"{self._received} bytes arrived instead of {self._size}; maybe it is an error page")


class _RangeJoiner:
    """Passes several ranges on to a sink as one delivery."""

    def __init__(self, sink: Sink, delivery: Delivery) -> None:
        self.at = delivery.start
        self.enough = False
        self._sink = sink
        self._delivery = delivery

    def begin(self, delivery: Delivery) -> None:
        """Check that a range is the requested one; begin the sink's delivery with the first range.

        Raises:
            IntegrityError: The service sends another range.
        """
        if (delivery.start, delivery.total) != (self.at, self._delivery.total):
            raise IntegrityError("the service sends another range than the requested one")
        if self.at == self._delivery.start:
            self._sink.begin(self._delivery)

    def write(self, block: bytes | memoryview) -> None:
        """Pass the next bytes on."""
        try:
            self._sink.write(block)
        except StopReading:
            self.enough = True
            raise
