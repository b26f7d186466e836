"""Files and directories on POSIX systems: Linux and macOS."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import sys
from pathlib import Path

assert sys.platform != "win32"  # mypy reads this

Directory = int
"""An open directory: its descriptor."""

KEEPS_OPEN_FILES = False
"""Whether an open file can be neither renamed nor deleted."""

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


def open_file(
    name: str | Path, flags: int, mode: int = 0o600, *, directory: Directory | None = None, follow: bool = False
) -> int:
    """Open a file. No child inherits it, and the open of a pipe does not wait.

    Args:
        name: Its name in `directory`, or its path.
        flags: The flags of open(2).
        mode: The permissions of a new file.
        directory: The open directory; None: `name` is a path.
        follow: Follow a link; otherwise a link raises OSError (ELOOP).

    Raises:
        OSError: The system refuses.
    """
    flags |= os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
    return os.open(name, flags, mode, dir_fd=directory)


def open_nameless(folder: str | Path, flags: int, mode: int, *, directory: Directory | None = None) -> int:
    """Create a file without a name (`O_TMPFILE`).

    Raises:
        OSError: The file system has no such files.
        AttributeError: The system has none; only Linux has.
    """
    return os.open(folder, flags | os.O_TMPFILE | os.O_CLOEXEC, mode, dir_fd=directory)


def name_file(fd: int, directory: Directory, name: str) -> None:
    """Give an open file without a name its first name in an open directory (linkat(2), open(2) on O_TMPFILE).

    Raises:
        OSError: The file system cannot do that, or the name is taken.
    """
    os.link(f"/proc/self/fd/{fd}", name, dst_dir_fd=directory, follow_symlinks=True)


def open_directory(name: str | Path, directory: Directory | None = None) -> Directory:
    """Open a directory: by its path, or by its name in an open directory, and then never through a link.

    Raises:
        OSError: It is missing, it is a file or a link (ENOTDIR, ELOOP), or the permission is missing.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    return os.open(name, flags if directory is None else flags | os.O_NOFOLLOW, dir_fd=directory)


def close_directory(directory: Directory) -> None:
    """Close it."""
    os.close(directory)


def make_directory(directory: Directory, name: str) -> None:
    """Make a directory in an open directory. Raises OSError."""
    os.mkdir(name, dir_fd=directory)


def stat_name(directory: Directory | None, name: str, *, follow: bool = False) -> os.stat_result:
    """Return stat(2) of a name in an open directory; without one, of a path. Raises OSError."""
    return os.stat(name, dir_fd=directory, follow_symlinks=follow)


def rename(directory: Directory, old: str, new: str) -> None:
    """Rename a file in an open directory, and replace one that has the new name. Raises OSError."""
    os.rename(old, new, src_dir_fd=directory, dst_dir_fd=directory)


def rename_new(directory: Directory | None, old: str | Path, new: str | Path) -> None:
    """Rename a file to a name that must be free.

    Args:
        directory: The open directory of both names; None: they are paths.
        old: Its name.
        new: Its new name.

    Raises:
        FileExistsError: The new name is taken.
        OSError: The system refuses.
    """
    try:
        os.link(old, new, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # a file system without hard links: there is a moment between the look and the rename
        with contextlib.suppress(FileNotFoundError):
            os.stat(new, dir_fd=directory, follow_symlinks=False)
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(new)) from None
        os.rename(old, new, src_dir_fd=directory, dst_dir_fd=directory)
    else:
        with contextlib.suppress(FileNotFoundError):  # another run may have removed the second name as a stale part
            os.unlink(old, dir_fd=directory)


def replace_path(old: Path, new: Path) -> None:
    """Rename a file, and replace one that has the new name. Raises OSError."""
    old.replace(new)


def unlink(directory: Directory, name: str) -> None:
    """Delete a file or a link in an open directory. Raises OSError."""
    os.unlink(name, dir_fd=directory)


def close_and_unlink(fd: int, directory: Directory, name: str) -> None:
    """Delete an open file, and close it, so that its lock is held until it has no name. Raises OSError."""
    try:
        os.unlink(name, dir_fd=directory)
    finally:
        os.close(fd)


def remove_directory(directory: Directory, name: str) -> None:
    """Delete an empty directory in an open directory. Raises OSError."""
    os.rmdir(name, dir_fd=directory)


def sync_directory(path: Path) -> None:
    """Make a rename survive a power cut. Some file systems cannot do that, which is no reason to fail."""
    fd = open_directory(path)
    try:
        with contextlib.suppress(OSError):
            os.fsync(fd)
    finally:
        os.close(fd)


def free_bytes(directory: Directory) -> int | None:
    """Return the bytes that the user may still write to this file system; None if it does not say."""
    try:
        status = os.fstatvfs(directory)
    except OSError:
        return None
    return status.f_bavail * status.f_frsize if status.f_blocks else None


def pread(fd: int, size: int, offset: int) -> bytes:
    """Read at most `size` bytes at `offset`. Several threads may do so at once. Raises OSError."""
    return os.pread(fd, size, offset)


def pwrite(fd: int, block: bytes | memoryview, offset: int) -> int:
    """Write at `offset`, and return the number of written bytes. Several threads may do so at once. Raises OSError."""
    return os.pwrite(fd, block, offset)


def lock(fd: int) -> None:
    """Take the lock of an open file (flock(2)). The system releases it when the file is closed.

    Raises:
        BlockingIOError: Another open file has the lock.
        OSError: The file system has no locks.
    """
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def set_mode(fd: int, mode: int) -> None:
    """Set the permissions of an open file. Raises OSError."""
    os.fchmod(fd, mode)


def set_mtime(fd: int, mtime: float) -> None:
    """Set the mtime of an open file, in seconds since 1970. Raises OSError."""
    os.utime(fd, (mtime, mtime))


def set_mtime_of(directory: Directory, name: str, mtime: float) -> None:
    """Set the mtime of a file in an open directory, in seconds since 1970. Raises OSError."""
    os.utime(name, (mtime, mtime), dir_fd=directory)


def permission_bits(status: os.stat_result) -> int:
    """Return who may read and write a file, as the nine bits of its mode."""
    return stat.S_IMODE(status.st_mode) & 0o777


def user_id() -> int:
    """Return the `st_uid` of the files of this user."""
    return os.geteuid()
