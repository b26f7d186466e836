"""A file of one byte, for a trial of what a store does."""

from __future__ import annotations

from collections.abc import Iterator

from ctadata.stores.base import Delivery


class OneByte:
    """A file of one byte to upload, and a sink for the first byte of a file."""

    size = 1
    mtime: float | None = None

    def __init__(self) -> None:
        """Start at the byte."""
        self._left = b"x"

    def read(self, limit: int) -> bytes:  # noqa: ARG002
        """Return the byte, or the end."""
        block, self._left = self._left, b""
        return block

    def rewind(self) -> None:
        """Go back to the byte."""
        self._left = b"x"

    def peek(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield the byte."""
        yield b"x"[start:stop]

    def check_md5(self, md5: bytes, start: int = 0, stop: int | None = None) -> None:
        """Do nothing, because the byte never changes."""

    def part(self, start: int, stop: int) -> OneByte:  # noqa: ARG002
        """Return the byte as a source of its own."""
        return OneByte()

    def begin(self, delivery: Delivery) -> None:
        """Accept the byte."""

    def write(self, block: bytes | memoryview) -> None:
        """Accept the byte."""
