"""Look at the entries of a local directory and delete them. Nothing is made, and no link is followed.

As in `ctadata.transfer.local_dir`, names below the directory that the user named are opened one by one, relative to an
open directory, with `O_NOFOLLOW`.
"""

from __future__ import annotations

import contextlib
import os
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from ctadata import system
from ctadata.errors import AlreadyExists
from ctadata.local_names import check_local_name
from ctadata.printable import escape_unprintable
from ctadata.transfer.local_dir import LocalDir
from ctadata.transfer.openat import open_directory
from ctadata.transfer.partial_file import local_errors


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


def remove(base: Path, parts: Sequence[str], name: str, *, directory: bool) -> None:
    """Delete a file, a link or an empty directory; a missing one is no error.

    Args:
        base: The directory that the user named.
        parts: The names below it, of the directory that holds the entry.
        name: The entry's name.
        directory: Whether it is a directory.

    Raises:
        LocalError: The file system refuses.
    """
    folder = find_folder(base, parts)
    if folder is None:
        return
    with folder, local_errors(folder.path, name), contextlib.suppress(FileNotFoundError):
        if directory:
            system.remove_directory(folder.fd, name)
        else:
            system.unlink(folder.fd, name)
