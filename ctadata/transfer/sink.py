"""The sink of one stream: write the bytes that arrive into the part, and note them in its journal."""

from __future__ import annotations

from typing import Protocol

from ctadata.stores.base import Delivery, StopReading
from ctadata.transfer.integrity import check_end
from ctadata.transfer.resume_journal import BlockWriter
from ctadata.transfer.segments import Segment, Segments

PIECE = 2 << 20
"""The largest number of bytes that are written at a time: then the progress is reported, and the rate is kept."""


class Receiver(Protocol):
    """The file whose bytes arrive."""

    def begin(self, delivery: Delivery, segment: Segment) -> None:
        """Check the answer to a read before its first byte is taken."""

    def take(self, segments: Segments, segment: Segment, block: memoryview) -> None:
        """Write the next bytes of a segment."""


class Sink:
    """The sink of one stream; see `ctadata.stores.base.Sink`."""

    def __init__(
        self, receiver: Receiver, segments: Segments, segment: Segment, journal: BlockWriter | None, piece: int
    ) -> None:
        """Prepare for the bytes of one segment.

        Args:
            receiver: The file.
            segments: The ranges that the segment belongs to.
            segment: The range that the stream fetches.
            journal: Writes the finished blocks into the journal; None: without a journal.
            piece: The largest number of bytes to write at a time.
        """
        self.receiver = receiver
        self.segments = segments
        self.segment = segment
        self.journal = journal
        self.piece = piece

    def begin(self, delivery: Delivery) -> None:
        """Check the answer before its bytes are taken."""
        self.receiver.begin(delivery, self.segment)

    def write(self, block: bytes | memoryview) -> None:
        """Write the next bytes into the part.

        Raises:
            StopReading: The file starts again, so these bytes no longer count.
            IntegrityError: The server sends more bytes than the segment has.
        """
        check_end(self.segment.at + len(block), self.segment.stop)
        rest = memoryview(block)
        while rest:
            if self.segments.is_invalid:
                raise StopReading
            piece, rest = rest[: self.piece], rest[self.piece :]
            self.receiver.take(self.segments, self.segment, piece)
            if self.journal is not None:
                self.journal.add(piece)

    def end_journal(self) -> None:
        """Write the last, incomplete block into the journal, unless it no longer counts."""
        if self.journal is not None and not self.segments.is_invalid:
            self.journal.end()
