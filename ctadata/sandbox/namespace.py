"""The namespace: directories and files in memory; the bytes of files in a temporary folder on disk."""

from __future__ import annotations

import copy
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from ctadata.sandbox.checksums import RunningChecksums


class NamespaceError(Exception):
    """An operation is not possible at this path; the subclasses say why."""


class NotFound(NamespaceError):
    """There is no such entry, or a directory above is missing or is a file."""


class Exists(NamespaceError):
    """There is an entry of this name already."""


class IsDirectory(NamespaceError):
    """There is a directory where the operation needs a file."""


@dataclass
class Node:
    """One entry of the namespace.

    Attributes:
        children: The entries of a directory; None for a file.
        size: Bytes; None for a file whose upload has not ended.
        data: The file on disk with the bytes; None for an empty file.
        checksums: Raw digests by algorithm.
        broken: Whether the pool knows that its replica is damaged; listings do not show it.
        locality: Replaces the FileLocality that follows from the size.
    """

    mtime: float
    created: float
    children: dict[str, Node] | None = None
    size: int | None = None
    data: Path | None = None
    checksums: dict[str, bytes] = field(default_factory=dict)
    content_type: str | None = None
    broken: bool = False
    locality: str | None = None
    labels: list[str] = field(default_factory=list)
    xattrs: dict[str, str] = field(default_factory=dict)
    qos: str = "disk"
    pnfsid: str = field(default_factory=lambda: "0000" + uuid.uuid4().hex.upper())

    @property
    def is_directory(self) -> bool:
        """Whether the entry is a directory."""
        return self.children is not None

    @property
    def etag(self) -> str:
        """The tag `"<PNFSID>_<int>"`, where the int is Java's Date.hashCode of the mtime (dcache.md 1.2)."""
        ms = int(self.mtime * 1000)
        folded = (ms ^ (ms >> 32)) & 0xFFFFFFFF
        return f'"{self.pnfsid}_{folded - (1 << 32) if folded >> 31 else folded}"'

    @property
    def file_locality(self) -> str:
        """The FileLocality that listings show."""
        if self.locality is not None:
            return self.locality
        if self.size is None:
            return "NONE"
        return "ONLINE"


def split_path(path: str) -> list[str]:
    """Return the names in a path, without empty ones and dots."""
    return [name for name in path.split("/") if name not in ("", ".")]


class Namespace:
    """A tree of nodes. Each method is atomic; paths are decoded and absolute."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        """Start with an empty root directory.

        Args:
            folder: The folder on disk for the bytes of files.
            clock: Returns Unix seconds.
        """
        self._folder = folder
        self._clock = clock
        self._lock = threading.RLock()
        self._root = self._directory()

    def subtree(self, path: str) -> Namespace:
        """Return a view of the same nodes whose root is the directory at `path`; raise NotFound if there is none."""
        view = copy.copy(self)
        view._root = self.find(path)
        return view

    def _directory(self) -> Node:
        now = self._clock()
        return Node(mtime=now, created=now, children={})

    def find(self, path: str) -> Node:
        """Return the node at `path`; raise NotFound if there is none."""
        with self._lock:
            node = self._root
            for name in split_path(path):
                if node.children is None or name not in node.children:
                    raise NotFound(path)
                node = node.children[name]
            return node

    def children(self, node: Node) -> list[tuple[str, Node]]:
        """Return the names and nodes in a directory, in the order of their creation."""
        with self._lock:
            return list((node.children or {}).items())

    def _parent(self, path: str) -> tuple[dict[str, Node], str]:
        names = split_path(path)
        if not names:
            raise Exists(path)
        parent = self.find("/".join(names[:-1]))
        if parent.children is None:
            raise NotFound(path)
        return parent.children, names[-1]

    def mkdir(self, path: str) -> Node:
        """Create one directory; raise Exists, or NotFound if the parent is missing or a file."""
        with self._lock:
            siblings, name = self._parent(path)
            if name in siblings:
                raise Exists(path)
            return siblings.setdefault(name, self._directory())

    def make_parents(self, path: str) -> None:
        """Create the missing directories above `path`; raise NotFound if one of them is a file."""
        with self._lock:
            node = self._root
            for name in split_path(path)[:-1]:
                if node.children is None:
                    raise NotFound(path)
                if name not in node.children:
                    node.children[name] = self._directory()
                node = node.children[name]

    def create(self, path: str, content_type: str | None = None) -> Node:
        """Create a file without bytes, and delete an old file of that name first; raise IsDirectory or NotFound."""
        with self._lock:
            siblings, name = self._parent(path)
            old = siblings.pop(name, None)
            if old is not None and old.is_directory:
                siblings[name] = old
                raise IsDirectory(path)
            if old is not None:
                _delete_data(old)
            now = self._clock()
            return siblings.setdefault(name, Node(mtime=now, created=now, content_type=content_type))

    def put(self, path: str, incoming: Incoming, mtime: float | None = None) -> Node:
        """Create a file and its bytes in one step; raise IsDirectory or NotFound."""
        with self._lock:
            node = self.create(path)
            incoming.commit(node, mtime)
            return node

    def set_raw_name(self, path: str, name: str) -> None:
        """Rename the entry at `path` to any text, even one that no path can name; raise NotFound if there is none."""
        with self._lock:
            siblings, old = self._parent(path)
            if old not in siblings:
                raise NotFound(path)
            siblings[name] = siblings.pop(old)

    def remove(self, path: str) -> None:
        """Remove a file, or a directory with all that it holds; raise NotFound if there is none."""
        with self._lock:
            siblings, name = self._parent(path)
            if name not in siblings:
                raise NotFound(path)
            _delete_data(siblings.pop(name))

    def move(self, source: str, target: str) -> None:
        """Rename an entry, which keeps its PNFSID; raise NotFound or Exists."""
        with self._lock:
            old_siblings, old_name = self._parent(source)
            new_siblings, new_name = self._parent(target)
            if old_name not in old_siblings:
                raise NotFound(source)
            if new_name in new_siblings:
                raise Exists(target)
            new_siblings[new_name] = old_siblings.pop(old_name)

    def walk(self, node: Node | None = None, prefix: str = "") -> Iterator[tuple[str, Node]]:
        """Yield every path below a directory (the root if `node` is None) with its node."""
        for name, child in self.children(node or self._root):
            yield f"{prefix}/{name}", child
            yield from self.walk(child, f"{prefix}/{name}")

    def new_incoming(self, algorithms: list[str]) -> Incoming:
        """Return a new file on disk for arriving bytes."""
        return Incoming(self._folder / uuid.uuid4().hex, algorithms)


def _delete_data(node: Node) -> None:
    if node.data is not None:
        node.data.unlink(missing_ok=True)
    for child in (node.children or {}).values():
        _delete_data(child)


class Incoming:
    """The bytes of an upload: written to disk, counted, and digested with each algorithm."""

    def __init__(self, path: Path, algorithms: list[str]) -> None:
        """Keep the path; the first byte creates the file."""
        self._path = path
        self._summing = RunningChecksums(algorithms)
        self._file: BinaryIO | None = None  # created with the first byte, because an empty file needs none
        self.size = 0

    def write(self, block: bytes) -> None:
        """Append a block."""
        if not block:
            return
        if self._file is None:
            self._file = self._path.open("xb", buffering=0)
        self._file.write(block)
        self._summing.update(block)
        self.size += len(block)

    def digests(self) -> dict[str, bytes]:
        """Return the raw digests of the bytes written so far."""
        return self._summing.digests()

    def commit(
        self,
        node: Node,
        mtime: float | None = None,
        broken: bool = False,
        checksums: dict[str, bytes] | None = None,
    ) -> None:
        """Make the written bytes the content of `node`.

        Args:
            node: The entry that gets the bytes.
            mtime: The entry's mtime in Unix seconds; None keeps the present one.
            broken: Whether the replica counts as damaged.
            checksums: The digests that listings show; None for those of the bytes.
        """
        if self._file is not None:
            self._file.close()
            node.data = self._path
        node.checksums = self.digests() if checksums is None else checksums
        node.broken = broken
        node.mtime = node.mtime if mtime is None else mtime
        node.size = self.size

    def drop(self) -> None:
        """Delete the bytes."""
        if self._file is not None:
            self._file.close()
            self._path.unlink()


def read_range(node: Node, first: int, length: int, block_size: int = 1 << 20) -> Iterator[bytes]:
    """Yield `length` bytes of a file from offset `first` on, in large blocks."""
    if node.data is None or not length:
        return
    with node.data.open("rb", buffering=0) as stream:
        yield from _blocks(stream, first, length, block_size)


def _blocks(stream: BinaryIO, first: int, length: int, block_size: int) -> Iterator[bytes]:
    stream.seek(first)
    while length:
        block = stream.read(min(block_size, length))
        if not block:
            return
        length -= len(block)
        yield block
