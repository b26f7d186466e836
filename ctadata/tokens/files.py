"""Files with tokens: private from the first byte, replaced as a whole, and read only if nobody else can write them."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path

from ctadata import system
from ctadata.errors import CtadataError, LocalError, StorageFull
from ctadata.local_paths import exists
from ctadata.paths import NO_HOME

MAX_FILE_SIZE = 1 << 20
"""The largest file that is read, in bytes. Tokens of 16 KiB exist."""

TEMPORARY_PREFIX = ".new-"
"""The beginning of the name of a file that is being written."""

STALE_AFTER = 3600.0
"""Seconds after which a temporary file counts as left by a killed writer."""


def make_private_directory(path: Path) -> None:
    """Create a directory that only its owner can enter.

    Raises:
        LocalError: The path is no directory, belongs to another user, or others can enter it; or it lies in the
            home of a user without one, which root could create.
    """
    if path.is_relative_to(NO_HOME):
        raise LocalError("nothing can be stored without a home directory", hint="set HOME", path=str(path))
    try:
        for missing in [folder for folder in (path, *path.parents) if not exists(folder)][::-1]:
            with contextlib.suppress(FileExistsError):
                missing.mkdir(mode=0o700)  # one by one: mkdir(parents=True) uses the umask for the parents
        info = path.lstat()
    except OSError as error:
        raise local_error(error, path) from None
    if stat.S_ISLNK(info.st_mode) or not stat.S_ISDIR(info.st_mode):
        raise LocalError("this must be a directory, because tokens are stored in it", path=str(path))
    _check_owner(info, path)
    bits = system.permission_bits(info)
    if bits & 0o077:
        raise LocalError(
            f"this directory holds tokens and others can enter it (mode {bits:04o})",
            hint=f"chmod 700 {path}",
            path=str(path),
        )


def remove_stale_temporaries(folder: Path) -> None:
    """Delete the temporary files that killed writers left."""
    for left in folder.glob(TEMPORARY_PREFIX + "*"):
        with contextlib.suppress(OSError):
            if time.time() - left.lstat().st_mtime > STALE_AFTER:
                left.unlink()


def write_private(path: Path, text: str) -> None:
    """Write a text into a file of mode 0600, as a whole or not at all.

    After the return the content survives a crash. A symlink of that name is replaced, not followed.

    Raises:
        StorageFull: The disk has no room. The old content stays.
        LocalError: The file cannot be written. The old content stays.
    """
    with reserve_file(path, 0) as write:
        write(text)


@contextlib.contextmanager
def reserve_file(path: Path, size: int) -> Iterator[Callable[[str], None]]:
    """Reserve disk space for a file, and yield a function that writes it like `write_private`.

    Args:
        path: The file. Its content need not be known yet.
        size: The bytes to reserve. A text that fits is written even if the disk is full by then.

    Raises:
        StorageFull: The disk has no room.
        LocalError: The file cannot be written.
    """
    temporary: Path | None = None
    with _local_errors(path):
        try:
            Path("/proc/self/fd").stat()  # _link_temporary needs it
            fd = system.open_nameless(path.parent, os.O_WRONLY, 0o600)  # leaves no file after a kill
        except (OSError, AttributeError):  # NFS has no O_TMPFILE, and only Linux has it at all
            fd, temporary = _create_temporary(path.parent)
    with os.fdopen(fd, "wb", buffering=0) as file:

        def write(text: str) -> None:
            nonlocal temporary
            with _local_errors(path):
                _write_all(file, text.encode())
                if temporary is None:
                    try:
                        temporary = _link_temporary(file, path.parent)
                    except OSError:  # a file system without hard links
                        other, temporary = _create_temporary(path.parent)
                        with os.fdopen(other, "wb", buffering=0) as copy:
                            _write_all(copy, text.encode())
                file.close()
                system.replace_path(temporary, path)
                system.sync_directory(path.parent)

        try:
            if size:
                with _local_errors(path):
                    _write_all(file, bytes(size))
            yield write
        finally:
            if temporary is not None:
                with contextlib.suppress(OSError):
                    temporary.unlink(missing_ok=True)


def _create_temporary(folder: Path) -> tuple[int, Path]:
    """Create a file that has a name from the beginning (O_EXCL, mode 0600)."""
    import tempfile

    fd, name = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, dir=folder)
    return fd, Path(name)


def temporary_name() -> str:
    """Return a name that no other process chooses, for a file that is being written."""
    import secrets  # imported late: reading a token does not need it, and it loads a tenth of what a command loads

    return f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"


def _link_temporary(file: FileIO, folder: Path) -> Path:
    """Give an open file without a name its first name (open(2), O_TMPFILE)."""
    name = temporary_name()
    directory = system.open_directory(folder)
    try:
        system.name_file(file.fileno(), directory, name)
    finally:
        system.close_directory(directory)
    return folder / name


def _write_all(file: FileIO, content: bytes) -> None:
    """Make this the whole content of the file, and flush it to the disk."""
    file.seek(0)
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]
    file.truncate()
    os.fsync(file.fileno())


def read_private(path: Path) -> str | None:
    """Return the text of one of our own files; None if it does not exist.

    Raises:
        LocalError: The file is a symlink, belongs to another user, or others can read or write it.
    """
    return _read(path, forbidden=0o077, owners=(system.user_id(),), follow=False)


def read_discovered(path: Path, *, follow: bool = False) -> str | None:
    """Return the text of a token file that another program wrote; None if it does not exist.

    Args:
        path: The file.
        follow: Accept a symlink. This is right for a path that the user named (Kubernetes mounts secrets as symlinks),
            and wrong for a path of a convention, since anybody can put a symlink into /tmp.

    Raises:
        LocalError: The file belongs to another user except root, or others can write it.
    """
    return _read(path, forbidden=0o022, owners=(system.user_id(), 0), follow=follow)


@contextlib.contextmanager
def _local_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise local_error(error, path) from None


def local_error(error: OSError, path: Path) -> CtadataError:
    """Return the error of this package for an error of the file system."""
    kind = StorageFull if error.errno in (errno.ENOSPC, errno.EDQUOT) else LocalError
    return kind((error.strerror or "the file system refused").lower(), path=str(path))


def _read(path: Path, *, forbidden: int, owners: tuple[int, ...], follow: bool) -> str | None:
    for last in (False, True):
        try:
            return _read_once(path, forbidden, owners, follow=follow)
        except OSError as error:
            if last or error.errno != errno.ESTALE:  # NFS: another machine has just replaced the file
                raise local_error(error, path) from None
    return None


def _read_once(path: Path, forbidden: int, owners: tuple[int, ...], *, follow: bool) -> str | None:
    fd = _open_regular(path, follow=follow)
    if fd is None:
        return None
    try:
        _check_file(os.fstat(fd), path, forbidden, owners)
        content = os.read(fd, MAX_FILE_SIZE + 1)
    finally:
        os.close(fd)
    if len(content) > MAX_FILE_SIZE:
        raise LocalError("the file is too large for a token file", path=str(path))
    return content.decode("utf-8", errors="replace")


def _open_regular(path: Path, *, follow: bool) -> int | None:
    try:
        return system.open_file(path, os.O_RDONLY, follow=follow)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise LocalError("a token file must not be a symlink", path=str(path)) from None
        raise


def _check_file(info: os.stat_result, path: Path, forbidden: int, owners: tuple[int, ...]) -> None:
    if not stat.S_ISREG(info.st_mode):
        raise LocalError("a token file must be a regular file", path=str(path))
    _check_owner(info, path, owners)
    bits = system.permission_bits(info)
    if bits & forbidden:
        verb = "write" if bits & 0o022 else "read"
        raise LocalError(
            f"others can {verb} this token file (mode {bits:04o})",
            hint=f"chmod 600 {path}",
            path=str(path),
        )


def _check_owner(info: os.stat_result, path: Path, owners: tuple[int, ...] | None = None) -> None:
    if info.st_uid not in (owners or (system.user_id(),)):
        raise LocalError(f"this belongs to another user (uid {info.st_uid})", path=str(path))
