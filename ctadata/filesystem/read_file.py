"""A file that is open for reading."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fsspec.spec import AbstractBufferedFile

from ctadata.errors import Changed
from ctadata.filesystem.block_cache import BlockCache
from ctadata.filesystem.os_errors import raise_os_errors
from ctadata.listed_paths import html_properties
from ctadata.stores.ranged_file import RangedFile

if TYPE_CHECKING:
    from ctadata.filesystem.listings import ListingFileSystem

READ_FROM_END = (".parquet", ".parq", ".pq")
"""The ends of the names of files that every reader begins with a footer at the end (Parquet's file format)."""


class CtaFile(AbstractBufferedFile):  # a direct base: astropy reads lazily what is one of fsspec's
    """One version of one remote file, read in the thread of the caller and straight into its memory.

    size: Bytes. It is known without a request of its own: the first block came when the file was opened, or the last.
    """

    def __init__(
        self, fs: ListingFileSystem, path: str, file: RangedFile, block_size: int | None = None, cache_type: str = ""
    ) -> None:
        """Open the file; errors as `BlockCache`."""
        self._file = file
        from_end = path.lower().endswith(READ_FROM_END)
        self._blocks = BlockCache(file, block_size, cache_type, from_end=from_end)
        super().__init__(fs, path, "rb", self._blocks.block_size, cache_type="none", size=self._blocks.size)
        self.cache.blocksize = self._blocks.block_size

    @raise_os_errors(IsADirectoryError)
    def readinto(self, buffer: Any) -> int:
        """Fill the buffer from the place that the file stands at, and return how many bytes there were."""
        if self.closed:
            raise ValueError("I/O operation on closed file.")
        count = self._blocks.read_into(self.loc, memoryview(buffer).cast("B"))
        self.loc += count
        return count

    def read(self, length: int | None = -1) -> bytes:
        """Return so many bytes, fewer at the end of the file; None or a negative number: all that follow."""
        left = max(0, self.size - self.loc)
        buffer = bytearray(left if length is None or length < 0 else min(int(length), left))
        return bytes(buffer[: self.readinto(buffer)])

    def _fetch_range(self, start: int, end: int) -> bytes:
        with raise_os_errors(IsADirectoryError):
            return self._file.read(start, end)

    def close(self) -> None:
        """Close the file, and end what the pool keeps for it; no request is sent."""
        self._file.close()
        super().close()

    def __hash__(self) -> int:
        """A file object is itself."""
        return id(self)

    def __eq__(self, other: object) -> bool:
        """A file object is itself."""
        return self is other

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what another process opens the same version of the file with; no secret is among it."""
        version = self.size, self._file.etag, dict(self._file.digests)
        return reopen, (self.fs, self.path, self.loc, version, self._blocks.block_size)

    def __repr__(self) -> str:
        """The URL and the size."""
        return f"<{type(self).__name__} {self.fs.unstrip_protocol(self.path)}, {self.size} bytes>"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """Return a table for notebooks, in HTML: what is known without a request."""
        known = {"URL": self.fs.unstrip_protocol(self.path), "size": self.size, "ETag": self._file.etag}
        state = "closed" if self.closed else f"open, at byte {self.loc:,}"
        return html_properties({**known, **self._file.digests, "state": state})


def reopen(
    fs: ListingFileSystem, path: str, loc: int, version: tuple[int, str | None, dict[str, str]], block_size: int
) -> CtaFile:
    """Open a file that was open in another process.

    Args:
        version: Size, tag and digests, as that process has them.

    Raises:
        Changed: It is another version now.
    """
    file: CtaFile = fs.open(path, "rb", block_size=block_size)
    before = RangedFile(lambda: fs._place.store, file._file.path, version[0])
    _, before.etag, before.digests = version
    try:
        with raise_os_errors():
            before.check_version(file.size, file._file.etag, file._file.digests)
    except Changed as error:
        file.close()
        error.path = path
        raise
    file.seek(loc)
    return file
