"""The folders that a download has open: most files go where the last ones went, and opening it costs as much as they.

A folder that is kept open is used only while its path still leads to it: where it was renamed, removed or replaced
meanwhile, it is opened anew, name by name and never through links, as the first time.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from ctadata.transfer.local_dir import LocalDir

KEPT = 32
"""Folders that stay open; each costs a file descriptor."""

_Key = tuple[Path, tuple[str, ...]]


@dataclass(slots=True)
class _Kept:
    """An open folder, its device and inode, and how many are using it."""

    folder: LocalDir
    identity: tuple[int, int]
    users: int = 1


class DirCache:
    """Open folders, to be borrowed by any thread; a context manager that closes them at its end."""

    def __init__(self, kept: int = KEPT) -> None:
        """Of nothing yet; so many stay open when nobody uses them."""
        self._room = kept
        self._kept: dict[_Key, _Kept] = {}
        self._lock = threading.Lock()

    def borrow(self, base: Path, parts: Sequence[str] = ()) -> Borrowed:
        """The folder that `LocalDir.open` gives, for a `with` block; raises what that raises."""
        return Borrowed(self, (base, tuple(parts)))

    def take(self, key: _Key) -> _Kept:
        """One that is open already, where it still is what its path leads to; else a new one."""
        with self._lock:
            kept = self._kept.pop(key, None)
            if kept is not None:
                kept.users += 1
                self._kept[key] = kept  # the last one used is the last one closed
        if kept is not None:
            if _identity(kept.folder.path) == kept.identity:
                return kept
            self._forget(key, kept)
            self.give_back(key, kept)
        return self._open(key)

    def _open(self, key: _Key) -> _Kept:
        folder = LocalDir.open(*key)
        found = os.fstat(folder.fd)
        kept = _Kept(folder, (found.st_dev, found.st_ino))
        with self._lock:
            if key not in self._kept:
                self._kept[key] = kept
            surplus = list(self._kept)[: max(0, len(self._kept) - self._room)]
            closing = [old for name in surplus if not (old := self._kept.pop(name)).users]
        for old in closing:
            os.close(old.folder.fd)
        return kept

    def _forget(self, key: _Key, kept: _Kept) -> None:
        with self._lock:
            if self._kept.get(key) is kept:
                del self._kept[key]

    def give_back(self, key: _Key, kept: _Kept) -> None:
        """The last user of one that is kept no more closes it."""
        with self._lock:
            kept.users -= 1
            closing = not kept.users and self._kept.get(key) is not kept
        if closing:
            os.close(kept.folder.fd)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all that nobody uses, and the others when they are given back."""
        with self._lock:
            kept, self._kept, self._room = list(self._kept.values()), {}, 0
            closing = [one for one in kept if not one.users]
        for one in closing:
            os.close(one.folder.fd)


class Borrowed:
    """The `with` block of one user."""

    __slots__ = ("_folders", "_kept", "_key")

    def __init__(self, folders: DirCache, key: _Key) -> None:
        """Nothing is opened yet."""
        self._folders = folders
        self._key = key

    def __enter__(self) -> LocalDir:
        """The open folder; not to be closed."""
        self._kept = self._folders.take(self._key)
        return self._kept.folder

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give it back."""
        self._folders.give_back(self._key, self._kept)


def _identity(path: Path) -> tuple[int, int] | None:
    """What a path leads to; None for nothing."""
    try:
        found = os.stat(path)  # noqa: PTH116  (quicker, and done for each file)
    except OSError:
        return None
    return found.st_dev, found.st_ino
