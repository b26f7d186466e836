"""Keep account of one file's byte ranges: which are here, which a stream is fetching, and which are still free.

Several streams may fetch one file. Each takes a range, asks for it in one request and reads it to its end. No stream
takes over a range that another one has asked for: dCache ends the transfer of all streams when one connection is closed
early. An idle stream takes the next free range. Each range has the adler32 of its bytes, and adler32 values can be
combined (zlib's `adler32_combine`), so the whole file is verified without a second read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple

from ctadata.checksums import adler32, adler32_combine
from ctadata.fibers import Condition

SMALLEST = 8 << 20
LARGEST = 128 << 20
"""Limits of a range in bytes, if several streams take part. Between them, a range is what is missing, divided by twice
the number of streams.

So ranges are large while much is missing: at 100 MB/s the largest takes a second, and its request a round trip. They
are small at the end, when all streams wait for the last one.
"""

GRID = 4 << 20
"""Ranges end at multiples of this number of bytes, as the blocks of a journal do."""


class ReceivedRange(NamedTuple):
    """Bytes that are in the part: from `start` up to `stop` (exclusive), and their adler32."""

    start: int
    stop: int
    adler32: int


@dataclass(slots=True)
class Segment:
    """A range that one stream fetches, from `start` up to `stop` (exclusive).

    Attributes:
        start: The first byte.
        at: The next byte that the stream expects; the bytes before it are in the part.
        stop: The end; None if the file's size is unknown.
        adler32: The adler32 of the bytes from `start` up to `at`.
    """

    start: int
    at: int
    stop: int | None
    adler32: int = 1

    @property
    def is_done(self) -> bool:
        """Whether all of its bytes are in the part."""
        return self.at == self.stop


class Segments:
    """The byte ranges of one file. Any thread may call any method.

    Attributes:
        size: Bytes of the file; None until it is known.
        received: Bytes that are in the part.
        resumed: Bytes of these that an earlier run has fetched.
        is_complete: Whether all bytes are in the part, and no stream is at work.
        is_invalid: Whether no byte counts any more.
    """

    def __init__(self, size: int | None, ranges: Iterable[ReceivedRange] = ()) -> None:
        """Start with what an earlier run has left.

        Args:
            size: Bytes of the file; None if unknown.
            ranges: The bytes that are in the part; they do not overlap.
        """
        self.size = size
        self.is_invalid = False
        self._ranges = sorted(ranges, key=attrgetter("start"))
        self._active: list[Segment] = []
        self._gaps: list[tuple[int, int | None]] = []
        self._lock = threading.Lock()
        self._change: Condition | None = None  # made for the first that waits: a small file has none
        self.received = at = 0
        for each in self._ranges:
            self.received += each.stop - each.start
            if at < each.start:
                self._gaps.append((at, each.start))
            at = each.stop
        self.resumed = self.received
        if size is None or at < size or not size:
            self._gaps.append((at, size))
        self.is_complete = not self._gaps

    def take(self, streams: int, *, helps: bool = False) -> Segment | None:
        """Return the next range to fetch; None if no range is free.

        Args:
            streams: The number of streams that may take part. If it is one, the range is a whole gap.
            helps: Whether the caller does without a range if so many streams are at work.
        """
        with self._lock:
            if self.is_invalid or not self._gaps or (helps and len(self._active) >= streams):
                return None
            start, stop = self._gaps.pop(0)
            end = stop if streams == 1 or stop is None else self._end_of_range(start, stop, streams)
            if end != stop:
                self._gaps.insert(0, (end or start, stop))
            segment = Segment(start, start, end)
            self._active.append(segment)
            return segment

    def _end_of_range(self, start: int, stop: int, streams: int) -> int:
        missing = stop - start + sum(end - begin for begin, end in self._gaps if end is not None)
        size = min(LARGEST, max(SMALLEST, missing // (2 * streams)))
        end = (start + size) // GRID * GRID
        return end if start < end < stop else stop

    def add(
        self, segment: Segment, block: memoryview, write: Callable[[memoryview, int], None], *, hashing: bool
    ) -> None:
        """Write the next bytes of a segment, and count them.

        Args:
            segment: The segment.
            block: The bytes.
            write: Writes bytes at an offset.
            hashing: Whether the adler32 is computed.
        """
        write(block, segment.at)
        value = adler32(block, segment.adler32) if hashing else 1
        with self._lock:
            segment.at, segment.adler32 = segment.at + len(block), value
            self.received += len(block)

    def give_back(self, segment: Segment, *, ended: bool) -> None:
        """Return a segment whose stream is over; what it did not fetch is free for others.

        Args:
            segment: The segment.
            ended: Whether the answer ended where it should, which may be without any byte.
        """
        with self._lock:
            self._active.remove(segment)
            has_bytes = segment.at > segment.start
            if has_bytes or ended:
                self._ranges.append(ReceivedRange(segment.start, segment.at, segment.adler32))
            if not (has_bytes or ended) or segment.at != segment.stop:
                self._gaps.append((segment.at, segment.stop))
                self._gaps.sort(key=lambda gap: gap[0])
            self.is_complete = not (self._gaps or self._active or self.is_invalid)
            if self._change is not None:
                self._change.notify_all()

    def end_at(self, segment: Segment) -> None:
        """Set the size of a file of unknown size: it ends where the segment is."""
        with self._lock:
            self.size = segment.stop = segment.at

    def mark_invalid(self) -> None:
        """Let no byte count any more. Streams take no further range, and end when they notice."""
        self.is_invalid, self.is_complete = True, False

    def invalidate(self) -> int:
        """Let no byte count any more, wait until all streams have ended, and return how many bytes there were.

        A file that starts again has a new `Segments`, so no stream can take an old range for a new one.
        """
        with self._lock:
            self.is_invalid, self.is_complete = True, False
            while self._active:
                self._wait_for_change()
            lost, self.received = self.received, 0
            self._ranges, self._gaps = [], []
            return lost

    def wait(self, seconds: float) -> None:
        """Wait until a stream has ended, at most for some seconds."""
        with self._lock:
            if self._active and not self._gaps:
                self._wait_for_change(seconds)

    def _wait_for_change(self, seconds: float | None = None) -> None:
        if self._change is None:
            self._change = Condition(self._lock)
        self._change.wait(seconds)

    @property
    def ranges(self) -> list[ReceivedRange]:
        """The ranges of streams that have ended, in order."""
        with self._lock:
            return sorted(self._ranges, key=attrgetter("start"))

    @property
    def adler32(self) -> int:
        """That of the whole file, which must be complete."""
        first, *others = sorted(self._ranges, key=attrgetter("start")) or [ReceivedRange(0, 0, 1)]
        value = first.adler32
        for each in others:
            value = adler32_combine(value, each.adler32, each.stop - each.start)
        return value
