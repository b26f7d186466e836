"""A local file as the body of an upload: read once in order, or in parts at once. A change of the file is noticed."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ctadata import system
from ctadata.checksums import Adler32
from ctadata.errors import LocalError
from ctadata.printable import escape_unprintable
from ctadata.transfer import integrity
from ctadata.transfer.equality import LocalFile
from ctadata.transfer.record_digests import StreamDigest, stream_digest
from ctadata.transfer.run import Run


def open_file(local: Path) -> tuple[int, os.stat_result]:
    """Open a regular file for reading; the caller closes it.

    Returns:
        Its descriptor and its stat(2).

    Raises:
        LocalError: It is missing, not a regular file, or cannot be opened.
    """
    try:
        fd = system.open_file(local, os.O_RDONLY, follow=True)  # the check for a regular file follows
    except OSError as error:
        raise LocalError(f"local: {error.strerror}", path=escape_unprintable(str(local))) from error
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        raise LocalError("local: not a regular file", path=escape_unprintable(str(local)))
    return fd, status


@dataclass(slots=True)
class FileSource:
    """A local file as the body of an upload; see `ctadata.stores.base.Source`.

    Attributes:
        run: The run.
        name: The name for the reporter.
        fd: The open file.
        status: Its stat(2) when it was opened.
        hashing: Whether the adler32, and the digest for the record, are computed of the bytes that are read in one go.
        offset: Bytes read so far.
        hasher: The adler32 of these.
        parts: The parts that were made of it.
        size: Bytes when it was opened.
        stream_digest: The digest for the record.
    """

    run: Run
    name: str
    fd: int
    status: os.stat_result
    hashing: bool = True
    offset: int = 0
    hasher: Adler32 = field(default_factory=Adler32)
    parts: list[FilePart] = field(default_factory=list)
    size: int = field(init=False)
    stream_digest: StreamDigest = field(init=False)

    def __post_init__(self) -> None:
        """Start before the first byte."""
        self.size = self.status.st_size
        self.stream_digest = stream_digest(self.size) if self.hashing else StreamDigest(None)

    @property
    def adler32(self) -> str:
        """That of the bytes that were read in one go."""
        return self.hasher.hexdigest()

    @property
    def digest(self) -> str:
        """The adler32 of all bytes, as `adler32:5ae07809`; empty if it is not computed."""
        return f"adler32:{self.adler32}" if self.hashing else ""

    @property
    def digests(self) -> dict[str, str]:
        """The digest of all bytes for the record, if they were read in one go."""
        return self.stream_digest.digests(self.size)

    @property
    def mtime(self) -> float | None:
        """Seconds since 1970, when it was opened."""
        return self.status.st_mtime

    def read(self, limit: int) -> bytes:
        """Return the next bytes, at most `limit`; empty at the end.

        Raises:
            LocalError: The file has changed since it was opened; raised instead of the last bytes.
        """
        if self.run.rules.rate is not None:
            limit = self.run.rules.block_size(limit)
        block = system.pread(self.fd, min(limit, self.size - self.offset), self.offset)
        if self.hashing:
            self.hasher.update(block)
            self.stream_digest.add(self.offset, block)
        self.offset += len(block)
        if self.offset == self.size or not block:
            self.check_size_and_mtime()
            if self.hashing and self._is_touched and not self._reads_the_same():
                raise _changed()
        self.run.reporter.moved(self.name, len(block))
        return block

    def rewind(self) -> None:
        """Start again at the first byte."""
        if not self.offset and not self.parts:
            return
        for part in self.parts:
            part.rewind()
        if self.offset:
            self.run.reporter.moved(self.name, -self.offset)
        self.offset, self.hasher, self.parts = 0, Adler32(), []
        self.__post_init__()

    def peek(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from `start` up to `stop` (exclusive), without effect on the upload.

        Raises:
            LocalError: The file got shorter since it was opened.
            Stopped: The run is to stop.
        """
        stop = self.size if stop is None else stop
        while start < stop:
            self.run.check_stop()
            block = system.pread(self.fd, min(integrity.BLOCK, stop - start), start)
            if not block:
                raise _changed()
            yield block
            start += len(block)

    def as_local_file(self) -> LocalFile:
        """Return the file for a comparison."""
        return LocalFile(self.fd, self.status, check_stop=self.run.check_stop)

    def part(self, start: int, stop: int) -> FilePart:
        """Return a range as a source of its own."""
        part = FilePart(self, start, stop)
        self.parts.append(part)
        return part

    def check_size_and_mtime(self) -> None:
        """Raise LocalError if the file has another size or mtime than when it was opened."""
        now = os.fstat(self.fd)
        if (now.st_size, now.st_mtime_ns) != (self.size, self.status.st_mtime_ns):
            raise _changed()

    def check_md5(self, md5: bytes, start: int = 0, stop: int | None = None) -> None:
        """Raise LocalError if a range no longer has this MD5. The file is read only if its ctime has moved."""
        if not self._is_touched:
            return
        again = hashlib.md5(usedforsecurity=False)
        for block in self.peek(start, stop):
            again.update(block)
        if again.digest() != md5:
            raise _changed()

    @property
    def _is_touched(self) -> bool:
        """Whether the ctime has moved since the file was opened.

        Only the ctime shows that a program has written into the file and set its mtime back. A new name, another link
        and new permissions move it too. So the bytes are then read once more and compared with those that were sent.
        """
        return os.fstat(self.fd).st_ctime_ns != self.status.st_ctime_ns

    def _reads_the_same(self) -> bool:
        again, digest, at = Adler32(), stream_digest(self.size), 0
        for block in self.peek():
            again.update(block)
            digest.add(at, block)
            at += len(block)
        return again.value == self.hasher.value and digest.digests(at) == self.digests


@dataclass(slots=True)
class FilePart:
    """The bytes of a file from `start` up to `stop` (exclusive) as the body of an upload."""

    whole: FileSource
    start: int
    stop: int
    offset: int = 0

    @property
    def size(self) -> int:
        """Bytes."""
        return self.stop - self.start

    @property
    def mtime(self) -> float | None:
        """That of the whole file."""
        return self.whole.mtime

    def read(self, limit: int) -> bytes:
        """Return the next bytes, at most `limit`; empty at the end.

        Raises:
            LocalError: The file has another size or mtime; raised instead of the last bytes.
        """
        limit = self.whole.run.rules.block_size(limit)
        block = system.pread(self.whole.fd, min(limit, self.size - self.offset), self.start + self.offset)
        self.offset += len(block)
        if self.offset == self.size or not block:
            self.whole.check_size_and_mtime()
        self.whole.run.reporter.moved(self.whole.name, len(block))
        return block

    def rewind(self) -> None:
        """Start again at the first byte."""
        if self.offset:
            self.whole.run.reporter.moved(self.whole.name, -self.offset)
        self.offset = 0

    def peek(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield the bytes of a range, without effect on the upload."""
        return self.whole.peek(self.start + start, self.stop if stop is None else self.start + stop)

    def check_md5(self, md5: bytes, start: int = 0, stop: int | None = None) -> None:
        """Raise LocalError if a range no longer has this MD5."""
        self.whole.check_md5(md5, self.start + start, self.stop if stop is None else self.start + stop)

    def part(self, start: int, stop: int) -> FilePart:
        """Return a part of this part."""
        return self.whole.part(self.start + start, self.start + stop)


def _changed() -> LocalError:
    return LocalError("local: the file changed while it was read")


def planned_size(local: Path) -> int:
    """Return the bytes of a file; 0 if that fails, because the error is raised when the file's turn comes."""
    try:
        return os.stat(local).st_size  # noqa: PTH116
    except OSError:
        return 0
