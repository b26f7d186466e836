"""Keep the directories of a download open: most files go where the last ones went, and opening one takes time.

An open directory is used only while its path still leads to it. If it was renamed, removed or replaced, it is opened
again, name by name and never through links, as the first time. The directory that the user named must stay: what went
into it is there, and the other files may not go elsewhere.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from ctadata.errors import LocalError
from ctadata.printable import escape_unprintable
from ctadata.resources import limit_directories
from ctadata.transfer.local_dir import LocalDir

MOST_OPEN = 32
"""The largest number of directories that stay open; each costs a file descriptor."""

_Key = tuple[Path, tuple[str, ...]]


@dataclass(slots=True)
class OpenDir:
    """An open directory, as a `with` block gives it to one of its users.

    Attributes:
        cache: Its cache.
        key: The path that it was opened by.
        folder: The directory.
        identity: Its device and inode.
        users: The number of its users.
    """

    cache: DirCache
    key: _Key
    folder: LocalDir
    identity: tuple[int, int]
    users: int = 1

    def __enter__(self) -> LocalDir:
        """Return the directory."""
        return self.folder

    def give_back(self, *_: object) -> None:
        """End one use. The last user closes a directory that is no longer kept."""
        cache = self.cache
        with cache.lock:
            self.users -= 1
            is_last = not self.users and cache.kept.get(self.key) is not self
        if is_last:
            self.folder.close()

    __exit__ = give_back


class DirCache:
    """Open directories, which any thread may borrow. A context manager; its end closes them.

    Attributes:
        kept: The directories that stay open, the last used one last.
        lock: Guards `kept`, and the users of each open directory.
    """

    def __init__(self, most: int = MOST_OPEN) -> None:
        """Start without any; keep at most `most` unused ones open, fewer where few files may be open."""
        self._most = limit_directories(most)
        self.kept: dict[_Key, OpenDir] = {}
        self._bases: dict[Path, tuple[int, int] | None] = {}
        self.lock = threading.Lock()

    def borrow(self, base: Path, parts: Sequence[str] = ()) -> OpenDir:
        """Return an open directory for a `with` block, as `LocalDir.open` opens it; raise what that raises.

        It is taken from those that are open, if its path still leads to it. The user must not close it.

        Raises:
            LocalError: The directory `base` is not the one that it was, or what `LocalDir.open` raises.
        """
        key = base, tuple(parts)
        with self.lock:
            open_dir = self.kept.pop(key, None)
            if open_dir is not None:
                open_dir.users += 1
                self.kept[key] = open_dir  # the last one used is the last one closed
        if open_dir is not None:
            if _identity(open_dir.folder.path) == open_dir.identity:
                return open_dir
            self._forget(key, open_dir)
            open_dir.give_back()
        return self._open(key)

    def _open(self, key: _Key) -> OpenDir:
        base, _ = key
        if base in self._bases and _identity(base) != self._bases[base]:
            what = "local: it was moved, removed or replaced while files went into it"
            raise LocalError(what, path=escape_unprintable(str(base)))
        folder = LocalDir.open(*key)
        self._bases.setdefault(base, _identity(base))
        status = os.stat(folder.fd)  # noqa: PTH116  (a descriptor; on Windows a path)
        open_dir = OpenDir(self, key, folder, (status.st_dev, status.st_ino))
        with self.lock:
            if key not in self.kept:
                self.kept[key] = open_dir
            excess = list(self.kept)[: max(0, len(self.kept) - self._most)]
            closing = [old for name in excess if not (old := self.kept.pop(name)).users]
        for old in closing:
            old.folder.close()
        return open_dir

    def _forget(self, key: _Key, open_dir: OpenDir) -> None:
        with self.lock:
            if self.kept.get(key) is open_dir:
                del self.kept[key]

    def __enter__(self) -> Self:
        """Return the cache."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all unused directories; the others are closed when they are given back."""
        with self.lock:
            all_open, self.kept, self._most = list(self.kept.values()), {}, 0
            closing = [open_dir for open_dir in all_open if not open_dir.users]
        for open_dir in closing:
            open_dir.folder.close()


def _identity(path: Path) -> tuple[int, int] | None:
    """Return device and inode of what a path leads to; None if it leads to nothing."""
    try:
        status = os.stat(path)  # noqa: PTH116  (quicker, and done for each file)
    except OSError:
        return None
    return status.st_dev, status.st_ino
