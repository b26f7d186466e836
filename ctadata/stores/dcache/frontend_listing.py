"""A dCache store that lists directories over the REST interface, one page after the other.

A door builds the whole answer to a PROPFIND before it sends a byte, and gives up on very large directories. Pages have
no such limit, and hold the checksums of every file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ctadata.entries import Entry
from ctadata.paths import RemotePath
from ctadata.stores.base import Reader, Source, Store, Written
from ctadata.stores.dcache.frontend import Frontend
from ctadata.stores.optional import TellsCreation


class PagedStore:
    """A store whose `list` uses the frontend. The store of the door does everything else."""

    def __init__(self, door: Store, frontend: Frontend) -> None:
        """Create the store; closing it closes `door`."""
        self.features = door.features
        self._door = door
        self._frontend = frontend

    def list(self, path: RemotePath) -> Iterator[Entry]:
        """Yield the entries directly below a directory as the pages arrive; see `Frontend.list`."""
        return self._frontend.list(path)

    def info(self, path: RemotePath) -> Entry:
        """See `Store.info`; the door does it."""
        return self._door.info(path)

    def created(self, path: RemotePath) -> float | None:
        """See `TellsCreation`; the door does it."""
        return self._door.created(path) if isinstance(self._door, TellsCreation) else None

    def open(self, path: RemotePath) -> Reader:
        """See `Store.open`; the door does it."""
        return self._door.open(path)

    def write(self, path: RemotePath, source: Source, *, new: bool = False) -> Written:
        """See `Store.write`; the door does it."""
        return self._door.write(path, source, new=new)

    def digests(self, path: RemotePath) -> Mapping[str, str]:
        """See `Store.digests`; the door does it."""
        return self._door.digests(path)

    def mkdir(self, path: RemotePath) -> bool:
        """See `Store.mkdir`; the door does it."""
        return self._door.mkdir(path)

    def delete(self, path: RemotePath, *, directory: bool = False) -> None:
        """See `Store.delete`; the door does it."""
        self._door.delete(path, directory=directory)

    def delete_tree(self, path: RemotePath) -> None:
        """See `Store.delete_tree`; the door does it."""
        self._door.delete_tree(path)

    def move(self, source: RemotePath, target: RemotePath, *, replace: bool) -> None:
        """See `Store.move`; the door does it."""
        self._door.move(source, target, replace=replace)

    def move_tree(self, source: RemotePath, target: RemotePath) -> None:
        """See `Store.move_tree`; the door does it."""
        self._door.move_tree(source, target)

    def close(self) -> None:
        """Close the door's connections, which the frontend uses too."""
        self._door.close()
