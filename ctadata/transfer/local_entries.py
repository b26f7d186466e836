"""What stands in a local folder already: looked at and deleted without making anything, and never through links.

As in `ctadata.transfer.local_dir`, names below the folder that the user named are followed one directory at a time,
relative to an open directory, with `O_NOFOLLOW`.
"""

from __future__ import annotations

import contextlib
import os
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from ctadata.errors import AlreadyExists
from ctadata.paths import check_local_name, escape_unprintable
from ctadata.transfer.local_dir import LocalDir, open_directory
from ctadata.transfer.partial_file import local_words


def find_folder(base: Path, parts: Sequence[str] = ()) -> LocalDir | None:
    """Open `base`, then each of `parts` below it; None where one of them is missing.

    Raises LocalError: a name that no local file can bear, a link or a file in the way, no permission.
    """
    path, fd = base, open_directory(None, str(base), base)
    for part in parts:
        if fd is None:
            return None
        path = path / escape_unprintable(part)
        try:
            below = open_directory(fd, check_local_name(part), path)
        finally:
            os.close(fd)
        fd = below
    return None if fd is None else LocalDir(path, fd)


def check_spelling(folder: LocalDir, name: str) -> None:
    """AlreadyExists where another name stands there that the file system takes for this one.

    `A` and `a` are one name to the usual file systems of macOS and Windows; é has two spellings that are never told
    apart here, because some file systems change one into the other.
    """
    with local_words(folder.path, name), contextlib.suppress(FileNotFoundError):
        found, swapped = (os.stat(each, dir_fd=folder.fd, follow_symlinks=False) for each in (name, name.swapcase()))
        if name != name.swapcase() and os.path.samestat(found, swapped):
            names = [each for each, _ in names_in(folder)]
            others = [each for each in names if each.casefold() == name.casefold()]
            if others and _composed(name) not in map(_composed, names):
                other = escape_unprintable(others[0])
                raise AlreadyExists(
                    f"local: {other} stands there, and this file system takes it for the same name",
                    path=escape_unprintable(str(folder.path / name)),
                )


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def names_in(folder: LocalDir) -> Iterator[tuple[str, bool]]:
    """Each name in a folder, and whether it is a directory (a link to one is not)."""
    with local_words(folder.path), os.scandir(folder.fd) as entries:
        for entry in entries:
            yield entry.name, entry.is_dir(follow_symlinks=False)


def remove(base: Path, parts: Sequence[str], name: str, *, directory: bool) -> None:
    """Delete a file, a link or an empty directory; one that is gone already is no error. Raises LocalError."""
    folder = find_folder(base, parts)
    if folder is None:
        return
    with folder, local_words(folder.path, name), contextlib.suppress(FileNotFoundError):
        if directory:
            os.rmdir(name, dir_fd=folder.fd)
        else:
            os.unlink(name, dir_fd=folder.fd)
