"""Open directories by name, relative to an open directory, and never through a link (openat(2), `O_NOFOLLOW`)."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path

from ctadata.errors import LocalError
from ctadata.printable import escape_unprintable
from ctadata.transfer.partial_file import local_errors

DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def open_directory(fd: int | None, name: str, path: Path) -> int | None:
    """Open a directory.

    Args:
        fd: The open directory that holds it, so that no link is followed; None: `name` is a path.
        name: Its name.
        path: Its path, for messages.

    Returns:
        Its descriptor; None if it is missing.

    Raises:
        LocalError: A link or a file has the name, or the permission is missing.
    """
    with local_errors(path):
        try:
            return os.open(name, DIRECTORY_FLAGS if fd is None else DIRECTORY_FLAGS | os.O_NOFOLLOW, dir_fd=fd)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.ENOTDIR):
                raise
            is_link = stat.S_ISLNK(os.stat(name, dir_fd=fd, follow_symlinks=fd is None).st_mode)
    what = "a link, and files are not written through links" if is_link else "not a directory"
    raise LocalError(f"local: it is {what}", path=escape_unprintable(str(path)))


def make_directory(fd: int, part: str, path: Path) -> int:
    """Open the directory `part` of the open directory `fd`, never through a link; make it if it is missing.

    Args:
        fd: The open directory.
        part: The name.
        path: Its path, for messages.

    Raises:
        LocalError: A link or a file has the name, or the file system refuses.
    """
    with local_errors(path), contextlib.suppress(FileExistsError):
        os.mkdir(part, dir_fd=fd)
    below = open_directory(fd, part, path)
    if below is None:
        raise LocalError("local: it was removed meanwhile", path=escape_unprintable(str(path)))
    return below
