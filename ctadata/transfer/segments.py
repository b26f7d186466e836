"""Pieces: which bytes of a file are here, which are being fetched, and which nobody has asked for yet.

Several streams may fetch one file. Each leases a range, asks for it in one request and reads it to its end: a range
that was asked for is never taken from a stream, because a connection that is broken off ends the transfer of all
(dCache). An idle stream takes the next range that nobody has asked for. Each piece knows the adler32 of its bytes, and
adler32 can be combined, so that the whole is verified without a second read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ctadata.checksums import adler32, adler32_combine
from ctadata.fibers import Condition

SMALLEST = 8 << 20
LARGEST = 128 << 20
"""Bytes of a range, where several streams take part: what is left, divided by twice the number of streams.

So ranges are large while there is much to do: at 100 MB/s the largest takes a second, and its request a round trip.
They are small at the end, when the others wait for the last stream as long as one of the smallest takes.
"""

GRID = 4 << 20
"""Ranges end at multiples of this, as the blocks of a journal do."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that are here: from `start` up to `stop`, and their adler32."""

    start: int
    stop: int
    adler32: int


@dataclass(slots=True)
class Segment:
    """A range that one stream fetches: bytes up to `at` are here; `stop` is None if the file's end is not known."""

    start: int
    at: int
    stop: int | None
    adler32: int = 1

    @property
    def piece(self) -> Piece:
        """What is here of it."""
        return Piece(self.start, self.at, self.adler32)

    @property
    def is_done(self) -> bool:
        """Whether all of it is here."""
        return self.at == self.stop


class Segments:
    """The state of one file; any number of threads.

    size:     bytes; None as long as nobody knows.
    received: bytes that are here.   resumed: those that were here already.
    """

    def __init__(self, size: int | None, here: Iterable[Piece] = (), *, streams: int = 1) -> None:
        """Some pieces may be here already; they do not overlap. `streams` may take part at most."""
        self.size = size
        self.is_void = False
        self._streams = streams
        self._here = sorted(here, key=lambda piece: piece.start)
        self._leases: list[Segment] = []
        self._todo: list[tuple[int, int | None]] = []
        self._lock = threading.Lock()
        self._change = Condition(self._lock)
        self.received = self.resumed = sum(piece.stop - piece.start for piece in self._here)
        at = 0
        for piece in self._here:
            if at < piece.start:
                self._todo.append((at, piece.start))
            at = piece.stop
        if size is None or at < size or not size:
            self._todo.append((at, size))

    def take(self, *, alone: bool) -> Segment | None:
        """The next range to fetch; None if all are taken. `alone`: nobody else takes part, and it is all of a gap."""
        with self._lock:
            if self.is_void or not self._todo:
                return None
            start, stop = self._todo.pop(0)
            end = stop if alone or stop is None else self._end_of_range(start, stop)
            if end != stop:
                self._todo.insert(0, (end or start, stop))
            lease = Segment(start, start, end)
            self._leases.append(lease)
            return lease

    def _end_of_range(self, start: int, stop: int) -> int:
        left = stop - start + sum(end - begin for begin, end in self._todo if end is not None)
        size = min(LARGEST, max(SMALLEST, left // (2 * self._streams)))
        end = (start + size) // GRID * GRID
        return end if start < end < stop else stop

    def add(
        self, lease: Segment, block: memoryview, write: Callable[[memoryview, int], None], *, hashing: bool
    ) -> None:
        """Take in the next bytes of a lease.  write: puts bytes at an offset, before they count as here."""
        write(block, lease.at)
        value = adler32(block, lease.adler32) if hashing else 1
        with self._lock:
            lease.at, lease.adler32 = lease.at + len(block), value
            self.received += len(block)

    def give_back(self, lease: Segment, *, ended: bool) -> None:
        """The stream is over: what it got is here, what it did not is for others.

        ended: with the end of what it had asked for, which may be no byte at all.
        """
        with self._lock:
            self._leases.remove(lease)
            if lease.at > lease.start or ended:
                self._here.append(lease.piece)
            if not lease.is_done or not (ended or lease.at > lease.start):
                self._todo.append((lease.at, lease.stop))
                self._todo.sort(key=lambda gap: gap[0])
            self._change.notify_all()

    def end_at(self, lease: Segment) -> None:
        """The file, whose size nobody knew, has ended where the lease is."""
        with self._lock:
            self.size = lease.stop = lease.at

    def condemn(self) -> None:
        """No byte of it counts any more: its streams take no further range, and end when they notice."""
        self.is_void = True

    def void(self) -> int:
        """No byte of it counts any more, for ever; waits until all streams have ended, and gives how many there were.

        A stream of a file that starts anew holds a lease of other Pieces: none can mistake one for the other.
        """
        with self._lock:
            self.is_void = True
            while self._leases:
                self._change.wait()
            lost, self.received = self.received, 0
            self._here, self._todo = [], []
            return lost

    def wait(self, seconds: float) -> None:
        """Until a stream has ended; at most so long."""
        with self._lock:
            if self._leases and not self._todo:
                self._change.wait(seconds)

    @property
    def is_complete(self) -> bool:
        """Whether all bytes are here, and no stream is at work."""
        with self._lock:
            return not (self._todo or self._leases or self.is_void)

    @property
    def here(self) -> list[Piece]:
        """The pieces of streams that have ended, in order."""
        with self._lock:
            return sorted(self._here, key=lambda piece: piece.start)

    @property
    def adler32(self) -> int:
        """Of the whole file, which is complete."""
        value = 1
        for piece in self.here:
            value = adler32_combine(value, piece.adler32, piece.stop - piece.start)
        return value
