"""Look at the entries of a local directory and delete them. Nothing is made, and no link is followed.

As in `ctadata.transfer.local_dir`, names below the directory that the user named are opened one by one, relative to an
open directory, with `O_NOFOLLOW`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import unicodedata
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ctadata import system
from ctadata.errors import AlreadyExists, NotDeleted
from ctadata.local_names import check_local_name
from ctadata.printable import escape_unprintable
from ctadata.transfer.local_dir import LocalDir
from ctadata.transfer.openat import open_directory
from ctadata.transfer.partial_file import local_errors

NOT_EMPTY = "it holds a name that is new or was kept, so it was kept"


@dataclass(frozen=True, slots=True)
class Look:
    """What lstat(2) says of a name, to find out later whether it has changed.

    Attributes:
        is_directory: Whether it is a directory (a link to one is not).
        identity: Device, inode and type.
        content: Size in bytes, and mtime in nanoseconds.
        ctime: Nanoseconds.
        links: The number of its names, which changes its ctime.
    """

    is_directory: bool
    identity: tuple[int, int, int]
    content: tuple[int, int]
    ctime: int
    links: int

    @classmethod
    def of(cls, status: os.stat_result) -> Look:
        """Return the look of a status."""
        kind = stat.S_IFMT(status.st_mode)
        identity, content = (status.st_dev, status.st_ino, kind), (status.st_size, status.st_mtime_ns)
        return cls(stat.S_ISDIR(kind), identity, content, status.st_ctime_ns, status.st_nlink)

    def is_same(self, now: Look) -> bool:
        """Whether it is the same directory, or the same file without a change. The contents of a directory may change.

        If another name of the file was made or deleted, its ctime proves nothing.
        """
        if self.is_directory or self.identity != now.identity:
            return self.identity == now.identity
        return self.content == now.content and (self.ctime == now.ctime or self.links != now.links)


def find_folder(base: Path, parts: Sequence[str] = ()) -> LocalDir | None:
    """Open `base`, then each of `parts` below it.

    Returns:
        The open directory; None if one of them is missing.

    Raises:
        LocalError: No local file can have this name, a link or a file has it, or the permission is missing.
    """
    path, fd = base, open_directory(None, str(base), base)
    for part in parts:
        if fd is None:
            return None
        path = path / escape_unprintable(part)
        try:
            below = open_directory(fd, check_local_name(part), path)
        finally:
            system.close_directory(fd)
        fd = below
    return None if fd is None else LocalDir(path, fd)


def check_spelling(folder: LocalDir, name: str) -> None:
    """Raise AlreadyExists if the file system takes an existing, different name for this one.

    `A` and `a` are one name to the usual file systems of macOS and Windows. The two spellings of é always count as one
    name here, because some file systems change one into the other.
    """
    with local_errors(folder.path, name), contextlib.suppress(FileNotFoundError):
        status, swapped = (system.stat_name(folder.fd, each) for each in (name, name.swapcase()))
        if name != name.swapcase() and os.path.samestat(status, swapped):
            names = [each for each, _ in names_in(folder)]
            others = [each for each in names if each.casefold() == name.casefold()]
            if others and _composed(name) not in map(_composed, names):
                other = escape_unprintable(others[0])
                raise AlreadyExists(
                    f"local: {other} exists, and this file system takes it for the same name",
                    path=escape_unprintable(str(folder.path / name)),
                )


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def names_in(folder: LocalDir) -> Iterator[tuple[str, bool]]:
    """Yield each name of a directory, and whether it is a directory (a link to one is not)."""
    with local_errors(folder.path), os.scandir(folder.fd) as entries:
        for entry in entries:
            yield entry.name, entry.is_dir(follow_symlinks=False)


def looks_in(folder: LocalDir, but: Container[str]) -> Iterator[tuple[str, Look]]:
    """Yield each name of a directory that is not in `but`, with its look. Raises LocalError."""
    for name in [name for name, _ in names_in(folder) if name not in but]:
        with local_errors(folder.path, name), contextlib.suppress(FileNotFoundError):
            look = Look.of(system.stat_name(folder.fd, name))
            yield name, look


def remove(base: Path, parts: Sequence[str], name: str, seen: Look) -> bool:
    """Delete a file, a link or an empty directory if it is still as it was seen; a missing one is no error.

    Args:
        base: The directory that the user named.
        parts: The names below it, of the directory that holds the entry.
        name: The entry's name.
        seen: Its earlier look.

    Returns:
        False if it has changed since then, so that nothing is deleted.

    Raises:
        NotDeleted: The directory is not empty.
        LocalError: The file system refuses.
    """
    folder = find_folder(base, parts)
    if folder is None:
        return True
    with folder, local_errors(folder.path, name), contextlib.suppress(FileNotFoundError):
        if not seen.is_same(Look.of(system.stat_name(folder.fd, name))):
            return False
        if not seen.is_directory:
            system.unlink(folder.fd, name)
            return True
        try:
            system.remove_directory(folder.fd, name)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            raise NotDeleted(NOT_EMPTY, path=escape_unprintable(str(folder.path / name))) from error
    return True
