"""A part of a file, given on as it arrives."""

from __future__ import annotations

from collections.abc import Callable

from ctadata.entries import Entry
from ctadata.errors import IntegrityError, Interrupted, Stopped, TimedOut, UsageError
from ctadata.stores.base import Delivery, Enough, Store
from ctadata.transfer.integrity import check_delivery
from ctadata.transfer.run import MORE

ATTEMPTS = 4
"""How often a part that breaks off is asked for and brings no more than before."""


def pour_slice(store: Store, entry: Entry, start: int, stop: int | None, write: Callable[[bytes], object]) -> None:
    """Give the bytes from `start` up to `stop` (exclusive; None: the end) to `write`, in order.

    What breaks off goes on where it broke, of the same version. UsageError (a collection), Changed, what
    the store raises, and OSError of `write`.
    """
    if entry.is_directory:
        raise UsageError("it is a directory", path=str(entry.path))
    sink = _Slice(entry, start, stop, write)
    with store.open(entry.path) as reading:
        attempt, reached = 1, start
        while True:
            try:
                reading.send(sink, sink.offset, stop)
            except (Interrupted, TimedOut):
                attempt = 1 if sink.offset >= reached + MORE else attempt + 1
                if attempt > ATTEMPTS:
                    raise
                reached = max(reached, sink.offset)
            except Stopped:
                if sink.broken is not None:
                    raise sink.broken from None
                raise
            else:
                return


class _Slice:
    """Takes what belongs to the part, wherever the store begins.

    broken: the error of `write`, which ends the reading.
    """

    def __init__(self, entry: Entry, start: int, stop: int | None, write: Callable[[bytes], object]) -> None:
        self.entry = entry
        self.offset = start
        self.broken: OSError | None = None
        self._stop = stop
        self._write = write
        self._skip = 0
        self._ends = False  # the answer ends where the part does, and the connection can be used again

    def begin(self, delivery: Delivery) -> None:
        """Bytes follow; IntegrityError where they begin too late, or are not those of the file as it is stored."""
        check_delivery(delivery, self.entry.size)
        self._ends = delivery.stop is not None and self._stop is not None and delivery.stop <= self._stop
        if delivery.start > self.offset:
            raise IntegrityError(f"asked for the bytes from {self.offset} on, and offered those from {delivery.start}")
        self._skip = self.offset - delivery.start

    def write(self, block: bytes) -> None:
        """The next bytes; Enough where the part is whole and more follows."""
        passed = min(self._skip, len(block))
        self._skip -= passed
        wanted = block[passed : None if self._stop is None else passed + max(0, self._stop - self.offset)]
        try:
            self._write(wanted)
        except OSError as error:
            self.broken = error
            raise Stopped("nobody takes it") from error
        self.offset += len(wanted)
        if self._stop is not None and self.offset >= self._stop and not self._ends:
            raise Enough
