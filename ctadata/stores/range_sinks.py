"""The sinks of reads: into memory of the caller, or into a list of blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from ctadata.checksums import new_hasher, strongest_digest
from ctadata.entries import NO_CHECKSUMS
from ctadata.errors import IntegrityError, Unsupported
from ctadata.paths import RemotePath
from ctadata.stores.base import Delivery


class ChecksDelivery(Protocol):
    """The file that is read."""

    path: RemotePath

    def check(self, delivery: Delivery) -> None:
        """Compare the headers of a response with those before it."""


class BufferSink:
    """A sink for one range, into the caller's memory."""

    def __init__(self, file: ChecksDelivery, start: int, view: memoryview) -> None:
        """Fill `view` with the bytes from `start` on."""
        self.done = 0
        self._file = file
        self._start = start
        self._view = view

    def begin(self, delivery: Delivery) -> None:
        """Check the response; raise Unsupported if it holds the whole file instead of the range."""
        self._file.check(delivery)
        stop = self._start + len(self._view)
        if delivery.start != self._start + self.done or delivery.stop is None or delivery.stop > stop:
            raise refuse_whole_file()

    def write(self, block: bytes | memoryview) -> None:
        """Take the next bytes."""
        end = self.done + len(block)
        self._view[self.done : end] = block
        self.done = end


class GatheringSink:
    """A sink for a whole file or its end; the response shows the length."""

    def __init__(self, file: ChecksDelivery, length: int | None) -> None:
        """Gather the last `length` bytes; None: all of them."""
        self._file = file
        self._length = length
        self._blocks: list[bytes] = []
        self._digests: Mapping[str, str] = NO_CHECKSUMS

    def begin(self, delivery: Delivery) -> None:
        """Check the response, and drop the bytes of an earlier one."""
        self._file.check(delivery)
        if self._length is not None and delivery.total is None:
            raise refuse_whole_file()
        start = 0 if self._length is None else max(0, (delivery.total or 0) - self._length)
        if delivery.start != start:
            raise refuse_whole_file()
        self._blocks.clear()
        self._digests = delivery.digests

    def write(self, block: bytes | memoryview) -> None:
        """Take the next bytes."""
        self._blocks.append(bytes(block))

    @property
    def content(self) -> bytes:
        """All bytes."""
        return b"".join(self._blocks)

    def verify(self) -> None:
        """Raise IntegrityError if the digest of the whole file differs from the one that the server sent."""
        best = strongest_digest(self._digests)
        algorithm = "adler32" if "adler32" in self._digests else best[0] if best else ""
        if not algorithm:
            return
        computed = new_hasher(algorithm)
        for block in self._blocks:
            computed.update(block)
        if computed.hexdigest() != self._digests[algorithm]:
            message = f"the bytes that arrived have the {algorithm} {computed.hexdigest()} instead of "
            raise IntegrityError(message + self._digests[algorithm], path=str(self._file.path))


def refuse_whole_file() -> Unsupported:
    """Return the error for a server that ignores ranges."""
    return Unsupported(
        "the server sends whole files only, and no parts",
        hint="get the file and open it here; fsspec does it for simplecache::cta:///...",
    )
