"""The new names of a run, to notice one that the server has stored under another name.

A server may cut a long name, or put `_` in place of `:`. The file is then where another file of the run belongs, and
that one must not replace it.
"""

from __future__ import annotations

import contextlib
import threading
from array import array
from collections.abc import Iterator

from ctadata.errors import AlreadyExists, CtadataError
from ctadata.paths import RemotePath
from ctadata.printable import escape_unprintable
from ctadata.stores.base import Store


class NewNames:
    """The names that a run gives to new files. Any number of threads and fibers may use it."""

    def __init__(self) -> None:
        """Start with no name."""
        self._lock = threading.Lock()
        self._in_work = set[RemotePath]()
        self._hashes = array("q")  # of the directory and of the path of each file that is done: there may be millions

    @contextlib.contextmanager
    def adding(self, path: RemotePath) -> Iterator[None]:
        """Take note of a file that gets a new name in the `with` block; it is done when the block ends."""
        with self._lock:
            self._in_work.add(path)
        try:
            yield
            with self._lock:
                self._hashes.extend((hash(path.parent), hash(path)))
        finally:
            with self._lock:
                self._in_work.discard(path)

    def refuse_misplaced(self, store: Store, path: RemotePath) -> None:
        """Raise AlreadyExists if another new file of the same directory is there, and the listing does not show it.

        It may be the file that has taken the name `path`. A directory that cannot be listed is not checked. This costs
        a listing, and a request for each file of the directory that is in work.
        """
        if not store.features.has_directories:  # keys of objects are stored as they are
            return
        with self._lock:
            others = [each for each in self._in_work if each.parent == path.parent and each != path]
        present = [other for other in others if _exists(store, other)]  # before the listing, which must show them
        try:
            listed = {entry.path for entry in store.list(path.parent)}
        except CtadataError:
            return
        with self._lock:
            done = {self._hashes[i + 1] for i in range(0, len(self._hashes), 2) if self._hashes[i] == hash(path.parent)}
        if done.issubset(map(hash, listed)) and listed.issuperset(present):
            return
        raise AlreadyExists(
            f"a file exists, and this server may have stored another one as {escape_unprintable(path.name)}",
            hint="the listing lacks a file that was sent: give it another name",
            path=str(path),
        )


def _exists(store: Store, path: RemotePath) -> bool:
    with contextlib.suppress(CtadataError):
        return bool(store.info(path))
    return False
