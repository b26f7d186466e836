"""Files and directories on Windows. See `ctadata.system.posix_files` for what is not said here.

These functions have run in a simulation only (`tests/guard/windows`).

Windows has no descriptors of directories, so names in a directory are joined to its path. A link that another process
puts there between a look and the next call is followed. Python reads no access lists (ACLs): permissions are those that
the directory hands on. An open file can be neither renamed nor deleted.
"""

from __future__ import annotations

import contextlib
import errno
import msvcrt
import os
import shutil
import stat
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

assert sys.platform == "win32"  # mypy reads this

Directory = str
"""A directory: its path."""

KEEPS_OPEN_FILES = True

_JUNCTION = 0xA0000003
"""IO_REPARSE_TAG_MOUNT_POINT: a directory that leads elsewhere, as a link does ([MS-FSCC] 2.1.2.1)."""

_LOCKED_BYTE = 0x7FFFFFFF
"""The byte that `lock` locks. Nobody can read or write a locked byte, so it lies after the end of the file."""

_REPLACE_TRIES, _REPLACE_PAUSE = 50, 0.02

_positions = threading.Lock()
"""Held while the position of a file is moved."""


def _join(directory: Directory | None, name: str | Path) -> str:
    return str(name) if directory is None else os.path.join(directory, name)  # noqa: PTH118


def _is_link(status: os.stat_result) -> bool:
    return stat.S_ISLNK(status.st_mode) or getattr(status, "st_reparse_tag", 0) == _JUNCTION


def _refuse_link(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        if _is_link(os.lstat(path)):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)


def open_file(
    name: str | Path, flags: int, mode: int = 0o600, *, directory: Directory | None = None, follow: bool = False
) -> int:
    """Open a file, without a change of its line ends."""
    path = _join(directory, name)
    if not follow:
        _refuse_link(path)
    return os.open(path, flags | os.O_BINARY, mode)


def open_nameless(
    folder: str | Path,
    flags: int,  # noqa: ARG001
    mode: int,  # noqa: ARG001
    *,
    directory: Directory | None = None,
) -> int:
    """Raise OSError: each file has a name."""
    raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP), _join(directory, folder))


def name_file(fd: int, directory: Directory, name: str) -> None:  # noqa: ARG001
    """Raise OSError: each file has a name."""
    raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP), _join(directory, name))


def open_directory(name: str | Path, directory: Directory | None = None) -> Directory:
    """Return the absolute path of a directory, after a look."""
    path = os.path.abspath(_join(directory, name))  # noqa: PTH100
    if directory is not None:
        _refuse_link(path)
    if not stat.S_ISDIR(os.stat(path).st_mode):  # noqa: PTH116
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
    return path


def close_directory(directory: Directory) -> None:
    """Do nothing."""


def make_directory(directory: Directory, name: str) -> None:
    """Make a directory in a directory."""
    os.mkdir(_join(directory, name))  # noqa: PTH102


def stat_name(directory: Directory | None, name: str, *, follow: bool = False) -> os.stat_result:
    """Return the status of a name in a directory."""
    return os.stat(_join(directory, name), follow_symlinks=follow)  # noqa: PTH116


def rename(directory: Directory, old: str, new: str) -> None:
    """Rename a file in a directory, and replace one that has the new name."""
    replace_path(Path(directory, old), Path(directory, new))


def rename_new(directory: Directory | None, old: str | Path, new: str | Path) -> None:
    """Rename a file to a name that must be free; Windows renames to no other."""
    os.rename(_join(directory, old), _join(directory, new))  # noqa: PTH104


def replace_path(old: Path, new: Path) -> None:
    """Rename a file, and replace one that has the new name; wait a second while another process reads that one."""
    for _ in range(_REPLACE_TRIES):
        with contextlib.suppress(PermissionError):
            old.replace(new)
            return
        time.sleep(_REPLACE_PAUSE)
    old.replace(new)


def unlink(directory: Directory, name: str) -> None:
    """Delete a file or a link in a directory."""
    os.unlink(_join(directory, name))  # noqa: PTH108


def close_and_unlink(fd: int, directory: Directory, name: str) -> None:
    """Close an open file, and delete it."""
    os.close(fd)
    unlink(directory, name)


def remove_directory(directory: Directory, name: str) -> None:
    """Delete an empty directory in a directory."""
    os.rmdir(_join(directory, name))  # noqa: PTH106


def sync_directory(path: Path) -> None:
    """Do nothing: Windows flushes no directories."""


def free_bytes(directory: Directory) -> int | None:
    """Return the bytes that the user may still write to this file system; None if it does not say."""
    try:
        return shutil.disk_usage(directory).free
    except OSError:
        return None


@contextlib.contextmanager
def _position(fd: int, offset: int) -> Iterator[None]:
    """Move the position of an open file, alone of all threads, and move it back at the end."""
    with _positions:
        before = os.lseek(fd, 0, os.SEEK_CUR)
        os.lseek(fd, offset, os.SEEK_SET)
        try:
            yield
        finally:
            os.lseek(fd, before, os.SEEK_SET)


def pread(fd: int, size: int, offset: int) -> bytes:
    """Read at most `size` bytes at `offset`; one thread at a time does so."""
    with _position(fd, offset):
        return os.read(fd, size)


def pwrite(fd: int, block: bytes | memoryview, offset: int) -> int:
    """Write at `offset`, and return the number of written bytes; one thread at a time does so."""
    with _position(fd, offset):
        return os.write(fd, block)


def lock(fd: int) -> None:
    """Take the lock of an open file: lock one byte after its end. The system releases it when the file is closed."""
    with _position(fd, _LOCKED_BYTE):
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(errno.EAGAIN, "it is locked") from error


def set_mode(fd: int, mode: int) -> None:
    """Do nothing: a new file has the access list of its directory."""


def set_mtime(fd: int, mtime: float) -> None:
    """Do nothing: the close of a written file sets the current time. `set_mtime_of` follows."""


def set_mtime_of(directory: Directory, name: str, mtime: float) -> None:
    """Set the mtime of a closed file in a directory."""
    os.utime(_join(directory, name), (mtime, mtime))


def permission_bits(status: os.stat_result) -> int:
    """Return the bits of a private file: the mode that Python makes up tells nothing."""
    return 0o700 if stat.S_ISDIR(status.st_mode) else 0o600


def user_id() -> int:
    """Return 0, which is the `st_uid` of each file here."""
    return 0
