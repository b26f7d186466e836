"""A dCache store whose listings come from the REST interface, a page at a time.

A door builds the whole PROPFIND answer of a collection before it sends a byte, and gives up on very large ones; pages
have no such end, and carry the checksums of every file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ctadata.entries import Entry
from ctadata.paths import RemotePath
from ctadata.stores.base import Reader, Source, Store, Written
from ctadata.stores.dcache.frontend import Frontend


class PagedStore:
    """All as the store `door` does it, but for the listings, which `frontend` gives."""

    def __init__(self, door: Store, frontend: Frontend) -> None:
        """The door is closed with this store."""
        self.features = door.features
        self._door = door
        self._frontend = frontend

    def list(self, path: RemotePath) -> Iterator[Entry]:
        """The entries directly below a collection, as the pages come."""
        return self._frontend.list(path)

    def info(self, path: RemotePath) -> Entry:
        """As the door says."""
        return self._door.info(path)

    def open(self, path: RemotePath) -> Reader:
        """Of the door."""
        return self._door.open(path)

    def write(self, path: RemotePath, source: Source, *, new: bool = False) -> Written:
        """To the door."""
        return self._door.write(path, source, new=new)

    def digests(self, path: RemotePath) -> Mapping[str, str]:
        """As the door says."""
        return self._door.digests(path)

    def mkdir(self, path: RemotePath) -> None:
        """At the door."""
        self._door.mkdir(path)

    def delete(self, path: RemotePath) -> None:
        """At the door."""
        self._door.delete(path)

    def delete_tree(self, path: RemotePath) -> None:
        """At the door."""
        self._door.delete_tree(path)

    def move(self, source: RemotePath, target: RemotePath, *, replace: bool) -> None:
        """At the door."""
        self._door.move(source, target, replace=replace)

    def move_tree(self, source: RemotePath, target: RemotePath) -> None:
        """At the door."""
        self._door.move_tree(source, target)

    def close(self) -> None:
        """Close the door's connections, which are the frontend's too."""
        self._door.close()
