"""A store in memory: the reference of the contract, and a store for tests of the engine without a server."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from ctadata.checksums import STRONGEST_FIRST, new_hasher
from ctadata.entries import Entry, Kind
from ctadata.errors import AlreadyExists, Changed, IntegrityError, Interrupted, NotFound, UsageError
from ctadata.paths import RemotePath
from ctadata.stores.base import Delivery, Features, Sink, Source, StopReading, Written
from ctadata.stores.path_errors import refuse_inside, refuse_root

BLOCK = 1 << 16
"""Bytes that go to a sink, or are asked of a source, at a time."""

DIGESTS = tuple(name for name in STRONGEST_FIRST if name not in ("crc64nvme", "crc32c"))


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    mtime: float
    etag: str
    digests: Mapping[str, str]


@dataclass(slots=True)
class _Folder:
    mtime: float
    children: dict[str, _File | _Folder] = field(default_factory=dict)


_Node = _File | _Folder


class MemoryStore:
    """A store whose files exist as long as the object; each file is replaced as a whole."""

    features = Features(atomic_put=True, can_move_trees=True, keeps_mtime=True, digests=DIGESTS, lists_checksums=True)

    def __init__(self) -> None:
        """Start with an empty root."""
        self._root = _Folder(time.time())
        self._lock = threading.Lock()
        self._versions = 0

    def info(self, path: RemotePath) -> Entry:
        """The entry of one file or collection; NotFound."""
        with self._lock:
            return _entry(path, self._find(path))

    def list(self, path: RemotePath) -> Iterator[Entry]:
        """The entries as they were at the call, in the order they were made; NotFound, UsageError for a file."""
        with self._lock:
            node = self._find(path)
            if isinstance(node, _File):
                raise UsageError("a file, not a directory", path=str(path))
            children = list(node.children.items())
        return (_entry(path / name, child) for name, child in children)

    def open(self, path: RemotePath) -> MemoryReading:
        """Return a reader of the version that exists at the first `send`."""
        return MemoryReading(self, path)

    def content(self, path: RemotePath) -> tuple[bytes, Mapping[str, str], str]:
        """The bytes of a file, their digests, and the tag of this version; NotFound, UsageError for a collection."""
        with self._lock:
            node = self._find(path)
        if isinstance(node, _Folder):
            raise UsageError("a directory, not a file", path=str(path))
        return node.content, node.digests, node.etag

    def write(self, path: RemotePath, source: Source, *, new: bool = False) -> Written:
        """Upload a file; it appears, or replaces the old one, when its last byte is here.

        AlreadyExists (a collection, or with `new` anything of that name), Interrupted (fewer bytes than announced).
        """
        content = _drain(source, path)
        digests = {algorithm: digest(content, algorithm) for algorithm in DIGESTS}
        with self._lock:
            folder = self._make(path.parent)
            old = folder.children.get(path.name, self._root if path == RemotePath() else None)
            if isinstance(old, _Folder) or (new and old):
                raise AlreadyExists("the name is taken", path=str(path))
            self._versions += 1
            mtime = time.time() if source.mtime is None else source.mtime
            folder.children[path.name] = _File(content, mtime, f'"{self._versions}"', digests)
            return Written(digests, f'"{self._versions}"')

    def digests(self, path: RemotePath) -> Mapping[str, str]:
        """All digests of a file; NotFound."""
        return self.content(path)[1]

    def mkdir(self, path: RemotePath) -> bool:
        """Make a collection and those above it; raise AlreadyExists if a file is in the way."""
        with self._lock:
            self._make(path)
        return False

    def delete(self, path: RemotePath, *, directory: bool = False) -> None:
        """Delete a file or an empty collection; raise UsageError if it is not empty, or no collection as asked for."""
        with self._lock:
            node = self._find(path)
            if directory and not isinstance(node, _Folder):
                raise UsageError("it is a file, not a directory", path=str(path))
            if path == RemotePath() or (isinstance(node, _Folder) and node.children):
                raise UsageError("the directory is not empty", path=str(path))
            self._folder(path.parent).children.pop(path.name)

    def delete_tree(self, path: RemotePath) -> None:
        """Delete a collection with all that lies below it, or a file; NotFound, UsageError for the root."""
        refuse_root(path)
        with self._lock:
            self._find(path)
            self._folder(path.parent).children.pop(path.name)

    def move(self, source: RemotePath, target: RemotePath, *, replace: bool) -> None:
        """Rename a file; AlreadyExists (the target is taken, a collection is never replaced), NotFound."""
        if source == target:
            raise UsageError("a file cannot be moved onto itself", path=str(source))
        with self._lock:
            node, folder = self._find(source), self._folder(target.parent)
            old = folder.children.get(target.name, self._root if target == RemotePath() else None)
            if isinstance(node, _Folder):
                raise UsageError("a directory: only files are moved", path=str(source))
            if isinstance(old, _Folder) or (old and not replace):
                raise AlreadyExists("the name is taken", path=str(target))
            self._folder(source.parent).children.pop(source.name)
            folder.children[target.name] = node

    def move_tree(self, source: RemotePath, target: RemotePath) -> None:
        """Rename a collection with all that lies below it; AlreadyExists, NotFound, UsageError (file, root, inside)."""
        refuse_inside(source, target)
        with self._lock:
            node, folder = self._find(source), self._folder(target.parent)
            if isinstance(node, _File):
                raise UsageError("a file, not a directory", path=str(source))
            if target.name in folder.children:
                raise AlreadyExists("the name is taken", path=str(target))
            self._folder(source.parent).children.pop(source.name)
            folder.children[target.name] = node

    def close(self) -> None:
        """Nothing to let go of."""

    # with the lock held

    def _find(self, path: RemotePath) -> _Node:
        node: _Node = self._root
        for name in path.parts:
            if isinstance(node, _File) or name not in node.children:
                raise NotFound("no such file or directory", path=str(path))
            node = node.children[name]
        return node

    def _folder(self, path: RemotePath) -> _Folder:
        node = self._find(path)
        if isinstance(node, _File):
            raise NotFound("no such directory", path=str(path))
        return node

    def _make(self, path: RemotePath) -> _Folder:
        folder = self._root
        for name in path.parts:
            child = folder.children.setdefault(name, _Folder(time.time()))
            if isinstance(child, _File):
                raise AlreadyExists("a file is in the way", path=str(path))
            folder = child
        return folder


class MemoryReading:
    """One version of one file."""

    def __init__(self, store: MemoryStore, path: RemotePath) -> None:
        """Nothing is looked at before the first `send`."""
        self._store = store
        self._path = path
        self._etag: str | None = None

    def send(self, sink: Sink, start: int = 0, stop: int | None = None) -> Delivery:
        """Send the bytes from `start` up to `stop`; NotFound, Changed, IntegrityError (shorter than `start`)."""
        content, digests, etag = self._store.content(self._path)
        if self._etag not in (None, etag):
            raise Changed(path=str(self._path))
        if start > len(content):
            raise IntegrityError(f"the file has only {len(content)} bytes", path=str(self._path))
        self._etag = etag
        end = len(content) if stop is None else min(stop, len(content))
        delivery = Delivery(start, len(content), digests, etag, end)
        sink.begin(delivery)
        with contextlib.suppress(StopReading):
            for i in range(start, end, BLOCK):
                sink.write(content[i : min(i + BLOCK, end)])
        return delivery

    def close(self) -> None:
        """Nothing to let go of."""

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()


def digest(content: bytes, algorithm: str) -> str:
    """Return the digest of bytes, in lower-case hexadecimal."""
    work = new_hasher(algorithm)
    work.update(content)
    return work.hexdigest()


def _drain(source: Source, path: RemotePath) -> bytes:
    blocks = []
    while block := source.read(BLOCK):
        blocks.append(block)
    content = b"".join(blocks)
    if len(content) != source.size:
        raise Interrupted(f"{len(content)} bytes came instead of {source.size}", path=str(path))
    return content


def _entry(path: RemotePath, node: _Node) -> Entry:
    if isinstance(node, _Folder):
        return Entry(path, Kind.DIRECTORY, mtime=node.mtime)
    return Entry(path, Kind.FILE, len(node.content), node.mtime, node.etag, node.digests, "ONLINE")
