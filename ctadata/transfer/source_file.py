"""A local file on its way up: open, read once in its order or in parts at once, and noticed where it changes."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ctadata.checksums import Adler32, adler32_combine
from ctadata.errors import LocalError
from ctadata.paths import escape_unprintable
from ctadata.transfer import integrity
from ctadata.transfer.record_digests import Passing, passing
from ctadata.transfer.run import Run


@contextlib.contextmanager
def open_file(local: Path) -> Iterator[tuple[int, os.stat_result]]:
    """Open a regular file, to be read; LocalError."""
    try:
        # a pipe would block for ever in open; it is told apart after it
        fd = os.open(local, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise LocalError(f"local: {error.strerror}", path=escape_unprintable(str(local))) from error
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise LocalError("local: not a regular file", path=escape_unprintable(str(local)))
        yield fd, found
    finally:
        os.close(fd)


@dataclass(slots=True)
class FileSource:
    """A local file as the body of an upload; notices when it changes while it is read.

    hashing: whether the adler32 of what is read is computed, and the digest that a record keeps.
    """

    run: Run
    name: str
    fd: int
    found: os.stat_result
    hashing: bool = True
    offset: int = 0
    hasher: Adler32 = field(default_factory=Adler32)
    parts: list[FilePart] = field(default_factory=list)
    passing: Passing = field(init=False)

    def __post_init__(self) -> None:
        """No byte has been read yet."""
        self.passing = passing(self.size) if self.hashing else Passing(None)

    @property
    def size(self) -> int:
        """Bytes, as when it was opened."""
        return self.found.st_size

    @property
    def adler32(self) -> str:
        """Of all the bytes, once they have been read: in one go, or in parts."""
        if not self.parts:
            return self.hasher.hexdigest()
        value = Adler32().value
        for part in sorted(self.parts, key=lambda part: part.start):
            value = adler32_combine(value, part.hasher.value, part.size)
        return f"{value:08x}"

    @property
    def digests(self) -> dict[str, str]:
        """Of all the bytes, for the record, if they have been read in one go."""
        return self.passing.digests(self.size)

    @property
    def mtime(self) -> float | None:
        """Seconds since 1970, as when it was opened."""
        return self.found.st_mtime

    def read(self, limit: int) -> bytes:
        """The next bytes; IntegrityError instead of the last ones where the file has changed meanwhile."""
        limit = self.run.rules.block_size(limit)
        block = os.pread(self.fd, min(limit, self.size - self.offset), self.offset)
        self.offset += len(block)
        if self.offset == self.size or not block:
            self.check_unchanged()
        if self.hashing:
            self.hasher.update(block)
            self.passing.add(self.offset - len(block), block)
        self.run.reporter.moved(self.name, len(block))
        return block

    def rewind(self) -> None:
        """Start again at the first byte."""
        for part in self.parts:
            part.rewind()
        if self.offset:
            self.run.reporter.moved(self.name, -self.offset)
        self.offset, self.hasher, self.parts = 0, Adler32(), []
        self.__post_init__()

    def peek(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Its bytes, beside the upload."""
        return _blocks(self.fd, start, self.size if stop is None else stop)

    def part(self, start: int, stop: int) -> FilePart:
        """A range as a source of its own."""
        part = FilePart(self, start, stop)
        self.parts.append(part)
        return part

    def check_unchanged(self) -> None:
        """LocalError where the file is not what it was when it was opened."""
        now = os.fstat(self.fd)
        if (now.st_size, now.st_mtime_ns) != (self.size, self.found.st_mtime_ns):
            raise LocalError("local: the file changed while it was read")


@dataclass(slots=True)
class FilePart:
    """The bytes of a file from `start` up to `stop`, as the body of an upload."""

    whole: FileSource
    start: int
    stop: int
    offset: int = 0
    hasher: Adler32 = field(default_factory=Adler32)

    @property
    def size(self) -> int:
        """Bytes."""
        return self.stop - self.start

    @property
    def mtime(self) -> float | None:
        """That of the whole."""
        return self.whole.mtime

    def read(self, limit: int) -> bytes:
        """The next bytes; LocalError where the file has changed."""
        limit = self.whole.run.rules.block_size(limit)
        block = os.pread(self.whole.fd, min(limit, self.size - self.offset), self.start + self.offset)
        self.offset += len(block)
        if self.offset == self.size or not block:
            self.whole.check_unchanged()
        if self.whole.hashing:
            self.hasher.update(block)
        self.whole.run.reporter.moved(self.whole.name, len(block))
        return block

    def rewind(self) -> None:
        """Start again at the first byte."""
        if self.offset:
            self.whole.run.reporter.moved(self.whole.name, -self.offset)
        self.offset, self.hasher = 0, Adler32()

    def peek(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Its bytes, beside the upload."""
        return _blocks(self.whole.fd, self.start + start, self.stop if stop is None else self.start + stop)

    def part(self, start: int, stop: int) -> FilePart:
        """A part of the part."""
        return self.whole.part(self.start + start, self.start + stop)


def _blocks(fd: int, start: int, stop: int) -> Iterator[bytes]:
    while start < stop and (block := os.pread(fd, min(integrity.BLOCK, stop - start), start)):
        yield block
        start += len(block)


def planned_size(local: Path) -> int:
    """Bytes of a file, as the plan goes; whatever is wrong with it is told of when it is its turn."""
    try:
        return os.stat(local).st_size  # noqa: PTH116
    except OSError:
        return 0
