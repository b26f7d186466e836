"""Open directories by name, relative to an open directory, and never through a link (openat(2), `O_NOFOLLOW`)."""

from __future__ import annotations

import contextlib
import errno
import stat
from pathlib import Path

from ctadata import system
from ctadata.errors import LocalError
from ctadata.printable import escape_unprintable
from ctadata.transfer.partial_file import local_errors


def open_directory(fd: system.Directory | None, name: str, path: Path) -> system.Directory | None:
    """Open a directory.

    Args:
        fd: The open directory that holds it, so that no link is followed; None: `name` is a path.
        name: Its name.
        path: Its path, for messages.

    Returns:
        The open directory; None if it is missing.

    Raises:
        LocalError: A link or a file has the name, or the permission is missing.
    """
    with local_errors(path):
        try:
            return system.open_directory(name, fd)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.ENOTDIR):
                raise
            is_link = stat.S_ISLNK(system.stat_name(fd, name, follow=fd is None).st_mode)
    what = "a link, and files are not written through links" if is_link else "not a directory"
    raise LocalError(f"local: it is {what}", path=escape_unprintable(str(path)))


def make_directory(fd: system.Directory, part: str, path: Path) -> system.Directory:
    """Open the directory `part` of the open directory `fd`, never through a link; make it if it is missing.

    Args:
        fd: The open directory.
        part: The name.
        path: Its path, for messages.

    Raises:
        LocalError: A link or a file has the name, or the file system refuses.
    """
    with local_errors(path), contextlib.suppress(FileExistsError):
        system.make_directory(fd, part)
    below = open_directory(fd, part, path)
    if below is None:
        raise LocalError("local: it was removed meanwhile", path=escape_unprintable(str(path)))
    return below
