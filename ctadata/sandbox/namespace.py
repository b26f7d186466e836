"""The namespace: directories and files in memory, the bytes of files on disk in a temporary folder."""

from __future__ import annotations

import copy
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from ctadata.sandbox.checksums import Summing


class NamespaceError(Exception):
    """A path is not as an operation needs it; the subclasses say how."""


class NotFound(NamespaceError):
    """Nothing is there, or a parent is missing or is a file."""


class Exists(NamespaceError):
    """Something is there already."""


class IsDirectory(NamespaceError):
    """A directory is where a file would have to be."""


@dataclass
class Node:
    """One entry. A directory has `children`; a file has a `size` once its bytes are committed, and `data` unless
    it is empty. `broken` marks a replica that the pool knows to be wrong; listings do not tell. `locality` overrides
    FileLocality."""

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
        """Whether it holds entries rather than bytes."""
        return self.children is not None

    @property
    def etag(self) -> str:
        """`"<PNFSID>_<int>"`, the int being Java's Date.hashCode of the mtime (dcache.md 1.2)."""
        ms = int(self.mtime * 1000)
        folded = (ms ^ (ms >> 32)) & 0xFFFFFFFF
        return f'"{self.pnfsid}_{folded - (1 << 32) if folded >> 31 else folded}"'

    @property
    def file_locality(self) -> str:
        """FileLocality as listings give it."""
        if self.locality is not None:
            return self.locality
        if self.size is None:
            return "NONE"
        return "ONLINE"


def split_path(path: str) -> list[str]:
    """The names in a path; empty ones and dots are dropped."""
    return [name for name in path.split("/") if name not in ("", ".")]


class Namespace:
    """A tree of nodes; every method is atomic. Paths are decoded and absolute."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._clock = clock
        self._lock = threading.RLock()
        self._root = self._directory()

    def subtree(self, path: str) -> Namespace:
        """The same nodes seen from a directory, which is the root of what is seen; NotFound."""
        view = copy.copy(self)
        view._root = self.find(path)
        return view

    def _directory(self) -> Node:
        now = self._clock()
        return Node(mtime=now, created=now, children={})

    def find(self, path: str) -> Node:
        """The node at `path`; NotFound."""
        with self._lock:
            node = self._root
            for name in split_path(path):
                if node.children is None or name not in node.children:
                    raise NotFound(path)
                node = node.children[name]
            return node

    def children(self, node: Node) -> list[tuple[str, Node]]:
        """Names and nodes in a directory, in order of their creation."""
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
        """Make one directory; Exists, NotFound where the parent is missing or a file."""
        with self._lock:
            siblings, name = self._parent(path)
            if name in siblings:
                raise Exists(path)
            return siblings.setdefault(name, self._directory())

    def make_parents(self, path: str) -> None:
        """Make the missing directories above `path`; NotFound where one of them is a file."""
        with self._lock:
            node = self._root
            for name in split_path(path)[:-1]:
                if node.children is None:
                    raise NotFound(path)
                if name not in node.children:
                    node.children[name] = self._directory()
                node = node.children[name]

    def create(self, path: str, content_type: str | None = None) -> Node:
        """A new file without data, the old one of that name deleted first; IsDirectory, NotFound."""
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
        """A file with its bytes, in one go: nobody sees it without; IsDirectory, NotFound."""
        with self._lock:
            node = self.create(path)
            incoming.commit(node, mtime)
            return node

    def set_raw_name(self, path: str, name: str) -> None:
        """Give what is at `path` any name whatever in its directory, even one no path leads to; NotFound."""
        with self._lock:
            siblings, old = self._parent(path)
            if old not in siblings:
                raise NotFound(path)
            siblings[name] = siblings.pop(old)

    def remove(self, path: str) -> None:
        """Remove a file, or a directory with all in it; NotFound."""
        with self._lock:
            siblings, name = self._parent(path)
            if name not in siblings:
                raise NotFound(path)
            _delete_data(siblings.pop(name))

    def move(self, source: str, target: str) -> None:
        """Rename, keeping the PNFSID; NotFound, Exists."""
        with self._lock:
            old_siblings, old_name = self._parent(source)
            new_siblings, new_name = self._parent(target)
            if old_name not in old_siblings:
                raise NotFound(source)
            if new_name in new_siblings:
                raise Exists(target)
            new_siblings[new_name] = old_siblings.pop(old_name)

    def walk(self, node: Node | None = None, prefix: str = "") -> Iterator[tuple[str, Node]]:
        """Every path below a directory (the root when none is given) with its node."""
        for name, child in self.children(node or self._root):
            yield f"{prefix}/{name}", child
            yield from self.walk(child, f"{prefix}/{name}")

    def new_incoming(self, algorithms: list[str]) -> Incoming:
        """A place on disk for bytes that arrive."""
        return Incoming(self._folder / uuid.uuid4().hex, algorithms)


def _delete_data(node: Node) -> None:
    if node.data is not None:
        node.data.unlink(missing_ok=True)
    for child in (node.children or {}).values():
        _delete_data(child)


class Incoming:
    """Bytes of an upload on their way to disk, counted and summed."""

    def __init__(self, path: Path, algorithms: list[str]) -> None:
        self._path = path
        self._summing = Summing(algorithms)
        self._file: BinaryIO | None = None  # made with the first byte: an empty file needs none
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
        """Raw digests of what was written so far."""
        return self._summing.digests()

    def commit(
        self,
        node: Node,
        mtime: float | None = None,
        broken: bool = False,
        checksums: dict[str, bytes] | None = None,
    ) -> None:
        """Make the bytes written the content of `node`, as a good or as a broken replica.

        `checksums` are what listings tell instead of the digests of the bytes.
        """
        if self._file is not None:
            self._file.close()
            node.data = self._path
        node.checksums = self.digests() if checksums is None else checksums
        node.broken = broken
        node.mtime = node.mtime if mtime is None else mtime
        node.size = self.size

    def drop(self) -> None:
        """Throw the bytes away."""
        if self._file is not None:
            self._file.close()
            self._path.unlink()


def read_range(node: Node, first: int, length: int, block_size: int = 1 << 20) -> Iterator[bytes]:
    """`length` bytes of a file from offset `first` on, in large blocks."""
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
