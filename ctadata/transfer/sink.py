"""The sink of one stream: collect the small blocks that libcurl gives, and write them into the part in larger ones."""

from __future__ import annotations

import time
from typing import Protocol

from ctadata.errors import IntegrityError
from ctadata.stores.base import Delivery, StopReading
from ctadata.transfer.resume_journal import BlockWriter
from ctadata.transfer.segments import Segment, Segments

GATHERED = 1 << 20
"""Bytes that are collected before they are written."""

GATHERED_FOR = 0.25
"""Seconds after which fewer bytes are written too."""


class Receiver(Protocol):
    """The file whose bytes arrive."""

    def begin(self, delivery: Delivery, segment: Segment) -> None:
        """Check the answer to a read before its first byte is taken."""

    def take(self, segments: Segments, segment: Segment, block: memoryview) -> None:
        """Write the next bytes of a segment."""


class Sink:
    """The sink of one stream; see `ctadata.stores.base.Sink`."""

    def __init__(
        self, receiver: Receiver, segments: Segments, segment: Segment, journal: BlockWriter | None, room: int
    ) -> None:
        """Prepare for the bytes of one segment.

        Args:
            receiver: The file.
            segments: The ranges that the segment belongs to.
            segment: The range that the stream fetches.
            journal: Writes the finished blocks into the journal; None: without a journal.
            room: The largest number of bytes to collect.
        """
        self.receiver = receiver
        self.segments = segments
        self.segment = segment
        self.journal = journal
        self.gathered = bytearray(room)
        self.waiting = 0
        self.due = 0.0

    def begin(self, delivery: Delivery) -> None:
        """Check the answer before its bytes are taken."""
        self.receiver.begin(delivery, self.segment)
        self.due = time.monotonic() + GATHERED_FOR

    def write(self, block: bytes) -> None:
        """Collect the next bytes.

        Raises:
            StopReading: The file starts again, so these bytes no longer count.
            IntegrityError: The server sends more bytes than the segment has.
        """
        stop = self.segment.stop
        if stop is not None and self.segment.at + self.waiting + len(block) > stop:
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
            if self.segments.is_invalid:
                raise StopReading

    def flush(self) -> None:
        """Write the collected bytes into the part."""
        if not self.waiting:
            return
        block, self.waiting = memoryview(self.gathered)[: self.waiting], 0
        self.due = time.monotonic() + GATHERED_FOR
        if self.segments.is_invalid:
            return
        self.receiver.take(self.segments, self.segment, block)
        if self.journal is not None:
            self.journal.add(block)

    def end_journal(self) -> None:
        """Write the last, incomplete block into the journal, unless it no longer counts."""
        if self.journal is not None and not self.segments.is_invalid:
            self.journal.end()
