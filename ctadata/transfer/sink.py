"""The sink of one stream: it gathers the small blocks of libcurl, and writes them into the part."""

from __future__ import annotations

import time
from typing import Protocol

from ctadata.errors import IntegrityError
from ctadata.stores.base import Delivery, StopReading
from ctadata.transfer.resume_journal import Notes
from ctadata.transfer.segments import Segment, Segments

GATHERED = 1 << 20
"""Bytes that are gathered before they are written, and for how long at most, in seconds."""
GATHERED_FOR = 0.25


class Receiver(Protocol):
    """The file whose bytes arrive."""

    def begin(self, delivery: Delivery, lease: Segment) -> None:
        """Check what the answer to a read says, before its first byte is taken."""

    def take(self, pieces: Segments, lease: Segment, block: memoryview) -> None:
        """Write the next bytes of a lease."""


class Sink:
    """Takes the bytes of one stream."""

    def __init__(self, receiver: Receiver, pieces: Segments, lease: Segment, notes: Notes | None, room: int) -> None:
        """Nothing has come yet.  notes: note the blocks in a journal.  room: bytes to gather at most."""
        self.receiver = receiver
        self.pieces = pieces
        self.lease = lease
        self.notes = notes
        self.gathered = bytearray(room)
        self.waiting = 0
        self.due = 0.0

    def begin(self, delivery: Delivery) -> None:
        """The answer begins; it is checked before its bytes are taken."""
        self.receiver.begin(delivery, self.lease)
        self.due = time.monotonic() + GATHERED_FOR

    def write(self, block: bytes) -> None:
        """The next bytes; Enough if they count no more, IntegrityError at the first one too many."""
        stop = self.lease.stop
        if stop is not None and self.lease.at + self.waiting + len(block) > stop:
            raise IntegrityError(f"more bytes arrive than the {stop} of the file")
        rest: bytes | memoryview = block
        while rest:
            room = len(self.gathered) - self.waiting
            taken, rest = (rest, b"") if len(rest) <= room else (memoryview(rest)[:room], memoryview(rest)[room:])
            end = self.waiting + len(taken)
            self.gathered[self.waiting : end] = taken
            self.waiting = end
            if end < len(self.gathered) and time.monotonic() < self.due:
                return
            self.flush()
            if self.pieces.is_void:
                raise StopReading

    def flush(self) -> None:
        """Put into the part what has been gathered."""
        if not self.waiting:
            return
        block, self.waiting = memoryview(self.gathered)[: self.waiting], 0
        self.due = time.monotonic() + GATHERED_FOR
        if self.pieces.is_void:
            return
        self.receiver.take(self.pieces, self.lease, block)
        if self.notes is not None:
            self.notes.add(block)

    def end_notes(self) -> None:
        """Note what is here, unless it no longer counts."""
        if self.notes is not None and not self.pieces.is_void:
            self.notes.end()
