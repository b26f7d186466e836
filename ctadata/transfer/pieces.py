"""Pieces: which bytes of a file are here, which are on the way, which are still to be asked for.

One file may be fetched by several streams. Each holds a lease on a range; a stream without one takes what nobody has,
else the second half of what the slowest still has to do. Each piece knows the adler32 of its bytes, and adler32 can be
combined, so that the whole is verified without a second read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ctadata.checksums import adler32, adler32_combine
from ctadata.fibers import Condition

SMALLEST = 8 << 20
"""Bytes below which a range is not divided between two streams."""

ASKED = 64 << 20
"""Bytes asked for at first where others may take part: what has been asked for is not taken from a stream.

Later it is half of what is left, or as many: each request costs a stream the way there and back.
"""


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that are here: from `start` up to `stop`, and their adler32."""

    start: int
    stop: int
    adler32: int


@dataclass(slots=True)
class Lease:
    """A range that one stream fetches: bytes up to `at` are here; `stop` may come nearer, when another stream helps.

    asked: the end of the request that is on the way.
    """

    start: int
    at: int
    stop: int
    asked: int
    adler32: int = 1

    @property
    def piece(self) -> Piece:
        """What is here of it."""
        return Piece(self.start, self.at, self.adler32)


class Pieces:
    """The state of one file of `size` bytes; any number of threads.

    received: bytes that are here.   resumed: those that were here already.
    """

    def __init__(self, size: int, here: Iterable[Piece] = ()) -> None:
        """Some pieces may be here already; they do not overlap."""
        self.size = size
        self.is_void = False
        self._here = sorted(here, key=lambda piece: piece.start)
        self._leases: list[Lease] = []
        self._todo: list[tuple[int, int]] = []
        self._lock = threading.Lock()
        self._change = Condition(self._lock)
        self.received = self.resumed = sum(piece.stop - piece.start for piece in self._here)
        at = 0
        for piece in self._here:
            if at < piece.start:
                self._todo.append((at, piece.start))
            at = piece.stop
        if at < size or not size:
            self._todo.append((at, size))

    def take(self, *, alone: bool) -> Lease | None:
        """A range to fetch; None where nothing is left that is worth dividing. `alone`: nobody else takes part."""
        with self._lock:
            span = None if self.is_void else self._todo.pop(0) if self._todo else self._share()
            if span is None:
                return None
            start, stop = span
            lease = Lease(start, start, stop, stop if alone else min(stop, start + ASKED))
            self._leases.append(lease)
            return lease

    def _share(self) -> tuple[int, int] | None:
        """The second half of what the slowest stream has to do, preferably of what it has not asked for yet."""
        slowest = max(self._leases, key=lambda lease: lease.stop - lease.at, default=None)
        if slowest is None:
            return None
        middle = slowest.at + (slowest.stop - slowest.at) // 2
        if slowest.stop - slowest.asked >= SMALLEST:
            cut = max(middle, slowest.asked)
        elif slowest.stop - slowest.at >= 4 * SMALLEST:
            cut = middle
        else:
            return None
        stop, slowest.stop = slowest.stop, cut
        return cut, stop

    def add(self, lease: Lease, block: memoryview, write: Callable[[memoryview, int], None], *, hashing: bool) -> bool:
        """Take in the next bytes of a lease, as far as they are still its own; False where it has all of them.

        write: puts bytes at an offset, before they count as here.
        """
        with self._lock:
            block = block[: lease.stop - lease.at]
        write(block, lease.at)
        value = adler32(block, lease.adler32) if hashing else 1
        with self._lock:
            lease.at, lease.adler32 = lease.at + len(block), value
            self.received += len(block)
            return lease.at < lease.stop

    def extend(self, lease: Lease) -> bool:
        """Whether more of the lease is to be asked for; then `asked` says up to where."""
        with self._lock:
            lease.asked = min(lease.stop, lease.at + max(ASKED, (lease.stop - lease.at) // 2))
            return lease.at < lease.stop and not self.is_void

    def give_back(self, lease: Lease) -> None:
        """The stream has ended: what it got is here, what it did not is for others."""
        with self._lock:
            self._leases.remove(lease)
            if lease.at > lease.start or not self.size:
                self._here.append(lease.piece)
            if lease.at < lease.stop:
                self._todo.append((lease.at, lease.stop))
            self._change.notify_all()

    def end_at(self, lease: Lease) -> None:
        """The file, whose size nobody knew, has ended where the lease is."""
        with self._lock:
            self.size = lease.stop = lease.at

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
