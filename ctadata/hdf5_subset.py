"""Parts of a remote HDF5 file as a small, valid HDF5 file, for libraries that take local paths only.

h5py copies the nodes without decompressing them. It would ask for one chunk after the other; the places of all chunks
are known beforehand, so many chunks come with a few requests, several at the same time.
"""

from __future__ import annotations

import contextlib
import io
import posixpath
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ctadata.entries import Entry
from ctadata.errors import ConfigError, CtadataError, LocalError, NotFound, Unsupported, UsageError
from ctadata.filesystem.block_cache import BlockCache
from ctadata.local_copies import ROOM, keep_copy
from ctadata.printable import escape_unprintable
from ctadata.session import Session
from ctadata.stores.ranged_file import RangedFile
from ctadata.stores.read_pieces import Piece, read_pieces
from ctadata.transfer.partial_file import local_errors
from ctadata.transfer.temp_names import new_name

HINT = "direct.local brings the whole file; import hdf5plugin if h5py lacks a filter"
"""What to do about nodes that h5py cannot copy. Lists of variable length are the only ones that it decompresses."""

BATCH = 32 << 20
"""Bytes of chunks that are read, and kept in memory, at a time."""


class ChunkedFile(io.RawIOBase):
    """A remote file for h5py. Chunks that are announced are read many at a time, everything else in blocks.

    Attributes:
        failure: The error that h5py was given by the last read; h5py may raise another one in its place.
    """

    def __init__(self, file: RangedFile) -> None:
        """Read the first block; errors as `RangedFile.read_into`."""
        super().__init__()
        self.failure: CtadataError | None = None
        self._file = file
        self._blocks = BlockCache(file)
        self._place = 0
        self._announced: list[tuple[int, int]] = []
        self._numbers: dict[tuple[int, int], int] = {}
        self._at_hand: dict[tuple[int, int], bytes] = {}

    def announce(self, chunks: Sequence[tuple[int, int]]) -> None:
        """Note the offset and the size of each chunk, in the order in which they will be read, each of them once."""
        self._announced = list(chunks)
        self._numbers = {chunk: number for number, chunk in enumerate(chunks)}

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer from the current offset, and return the number of bytes."""
        view = memoryview(buffer).cast("B")
        wanted = self._place, len(view)
        try:
            if wanted in self._numbers and wanted not in self._at_hand:
                self._load(self._numbers[wanted])
            chunk = self._at_hand.pop(wanted, b"")
            count = len(chunk)
            view[:count] = chunk
            if not chunk:
                count = self._blocks.read_into(self._place, view)
        except CtadataError as error:
            self.failure = error
            raise
        self._place += count
        return count

    def _load(self, number: int) -> None:
        """Read this chunk and those after it, as many as a batch has room for."""
        batch: list[tuple[int, int]] = []
        size = 0
        for chunk in self._announced[number:]:
            if batch and size + chunk[1] > BATCH:
                break
            batch.append(chunk)
            size += chunk[1]
        pieces = [Piece(self._file, offset, offset + size) for offset, size in batch]
        self._at_hand.clear()
        for chunk, content in zip(batch, read_pieces(pieces), strict=True):
            if isinstance(content, CtadataError):
                raise content
            self._at_hand[chunk] = content

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to an offset, and return it."""
        self._place = offset + (0, self._place, self._blocks.size)[whence]
        return self._place

    def tell(self) -> int:
        """Return the current offset."""
        return self._place

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True


def copy_subset(
    session: Session, text: str, nodes: Sequence[str], to: Path | None = None, *, room: float = ROOM
) -> Path:
    """Return a local HDF5 file with these nodes of a remote one.

    Args:
        session: The storage.
        text: The path of one file, as a person writes it.
        nodes: The paths of groups and datasets in the file. A group brings all that it holds.
        to: The local file. It appears whole or not at all, and replaces an older one. None: the file is kept in the
            cache directory, one for each version and choice of nodes, and a second call sends no data.
        room: As in `local_copies.local_copy`.

    Raises:
        ConfigError: h5py is not installed.
        NotFound: The file does not exist, or it has no such node.
        UsageError: The path is a directory, or no HDF5 file; or no node is given.
        LocalError: The local file cannot be written.
        Unsupported: h5py cannot copy a node, as a list of variable length whose filter it lacks.
        Changed: The file changed while it was read.
    """
    _import_h5py()
    chosen = _choose(nodes)
    if to is None:
        return keep_copy(
            session,
            text,
            lambda entry, folder: _write(session, entry, chosen, folder / entry.path.name),
            room=room,
            nodes=chosen,
        )
    if not to.name or to.is_dir():
        raise UsageError("the target is a directory, and a file is needed", path=escape_unprintable(str(to)))
    entry = session.info(text)
    if entry.is_directory:
        raise UsageError("it is a directory, and no HDF5 file", path=str(entry.path))
    unfinished = to.with_name(new_name())
    with local_errors(to):
        try:
            _write(session, entry, chosen, unfinished)
            unfinished.replace(to)
        finally:
            unfinished.unlink(missing_ok=True)
    return to


def _import_h5py() -> Any:
    try:
        import h5py
    except ModuleNotFoundError:
        raise ConfigError("a subset of an HDF5 file needs h5py", hint="pip install h5py") from None
    return h5py


def _choose(nodes: Sequence[str]) -> list[str]:
    """Return the absolute paths of the nodes, without those that lie below another one."""
    if isinstance(nodes, str) or not nodes or not all(isinstance(node, str) for node in nodes):
        raise UsageError("a list of nodes is needed, each one a path", hint='nodes=["/dl2/event/telescope"]')
    chosen: list[str] = []
    for node in sorted({posixpath.normpath("/" + node.lstrip("/")) for node in nodes}):
        if not any(node.startswith(above.rstrip("/") + "/") for above in chosen):
            chosen.append(node)
    return chosen


def _write(session: Session, entry: Entry, nodes: Sequence[str], target: Path) -> None:
    h5py = _import_h5py()
    file = RangedFile(lambda: session.store, entry.path, entry.size)
    try:
        remote = ChunkedFile(file)
        with _errors_of_h5py(remote, UsageError("h5py cannot open it as an HDF5 file", path=str(entry.path))):
            source = h5py.File(remote, "r")
        with (
            source,
            _errors_of_h5py(remote, Unsupported("h5py cannot copy the nodes", path=str(entry.path), hint=HINT)),
        ):
            remote.announce(_list_chunks(h5py, source, nodes, entry))
            with h5py.File(target, "w") as made:
                for node in nodes:
                    _copy(source, made, node)
    finally:
        file.close()


@contextlib.contextmanager
def _errors_of_h5py(remote: ChunkedFile, error: CtadataError) -> Iterator[None]:
    """Raise the storage's error that h5py has met, or else `error` with the words of h5py."""
    try:
        yield
    except (OSError, RuntimeError, KeyError, ValueError) as found:
        if remote.failure is not None:
            raise remote.failure from None
        if isinstance(found, OSError) and found.errno:
            raise LocalError(f"local: {found}") from found
        error.what += f": {found}"
        raise error from found


def _list_chunks(h5py: Any, source: Any, nodes: Sequence[str], entry: Entry) -> list[tuple[int, int]]:
    """Return the offsets and sizes of all chunks below the nodes, in the order in which h5py copies them."""
    chunks: list[tuple[int, int]] = []

    def add(found: Any) -> None:
        if isinstance(found, h5py.Dataset) and found.chunks is not None:
            found.id.chunk_iter(lambda chunk: chunks.append((chunk.byte_offset, chunk.size)))

    for node in nodes:
        found = source.get(node)
        if found is None:
            raise NotFound(f"the HDF5 file has no node {node}", path=str(entry.path))
        add(found)
        if isinstance(found, h5py.Group):
            found.visititems(lambda _name, each: add(each))
    return chunks


def _copy(source: Any, made: Any, node: str) -> None:
    """Copy a node, and the groups above it with their attributes alone."""
    if node == "/":
        _copy_attributes(source, made)
        for name in source:
            source.copy(source[name], made, name)
        return
    above, below = source["/"], made["/"]
    _copy_attributes(above, below)
    *parents, name = node.strip("/").split("/")
    for parent in parents:
        above, below = above[parent], below.require_group(parent)
        _copy_attributes(above, below)
    source.copy(above[name], below, name)


def _copy_attributes(above: Any, below: Any) -> None:
    for name in above.attrs:
        if name not in below.attrs:
            below.attrs.create(name, above.attrs[name], dtype=above.attrs.get_id(name).dtype)
