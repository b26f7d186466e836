"""Token files on disk: private from the first byte, replaced whole, read only where nobody else can have meddled."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path

from ctadata.errors import CtadataError, LocalError, StorageFull

MAX_FILE_SIZE = 1 << 20
"""Bytes that a file of ours may have; tokens of 16 KiB exist."""

TEMPORARY_PREFIX = ".new-"
"""How the name of a file begins while it is written."""

STALE_AFTER = 3600.0
"""Seconds after which an unfinished file is that of a writer which was killed."""


def make_private_directory(path: Path) -> None:
    """Make a directory that only we can enter; LocalError where one is there that others can, or that is not ours."""
    try:
        for missing in [folder for folder in (path, *path.parents) if not folder.exists()][::-1]:
            with contextlib.suppress(FileExistsError):
                missing.mkdir(mode=0o700)  # each of them, since mkdir(parents=True) would heed the umask alone
        found = path.lstat()
    except OSError as error:
        raise local_error(error, path) from None
    if stat.S_ISLNK(found.st_mode) or not stat.S_ISDIR(found.st_mode):
        raise LocalError("this is not a directory, but our tokens should lie in it", path=str(path))
    _refuse_foreign(found, path)
    if found.st_mode & 0o077:
        raise LocalError(
            f"this directory holds tokens and others can enter it (mode {found.st_mode & 0o777:04o})",
            hint=f"chmod 700 {path}",
            path=str(path),
        )


def remove_stale_temporaries(folder: Path) -> None:
    """Remove what writers that were killed have left unfinished."""
    for left in folder.glob(TEMPORARY_PREFIX + "*"):
        with contextlib.suppress(OSError):
            if time.time() - left.lstat().st_mtime > STALE_AFTER:
                left.unlink()


def write_private(path: Path, text: str) -> None:
    """Put `text` into a file of mode 0600, whole or not at all, safe from a crash once this returns.

    A symlink of that name is replaced, not followed. StorageFull, LocalError; the old content then stays.
    """
    with reserve_file(path, 0) as write:
        write(text)


@contextlib.contextmanager
def reserve_file(path: Path, size: int) -> Iterator[Callable[[str], None]]:
    """Room on the disk for a file before anybody knows what will be in it; gives what writes it, as `write_private`.

    StorageFull, LocalError: then and there; what fits into the room is written also where the disk is full by then.
    """
    temporary: Path | None = None
    with _local_errors(path):
        try:
            Path("/proc/self/fd").stat()  # which names it later
            fd = os.open(path.parent, os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC, 0o600)  # a kill leaves nothing
        except (OSError, AttributeError):  # NFS has no files without a name, and other systems than Linux have none
            fd, temporary = _named(path.parent)
    with os.fdopen(fd, "wb", buffering=0) as file:

        def write(text: str) -> None:
            nonlocal temporary
            with _local_errors(path):
                _fill(file, text.encode())
                if temporary is None:
                    try:
                        temporary = _link(file, path.parent)
                    except OSError:  # a file system without links
                        other, temporary = _named(path.parent)
                        with os.fdopen(other, "wb", buffering=0) as copy:
                            _fill(copy, text.encode())
                temporary.replace(path)
                _sync_directory(path.parent)

        try:
            if size:
                with _local_errors(path):
                    _fill(file, bytes(size))
            yield write
        finally:
            if temporary is not None:
                with contextlib.suppress(OSError):
                    temporary.unlink(missing_ok=True)


def _named(folder: Path) -> tuple[int, Path]:
    """A new file that has a name from the beginning (O_EXCL, 0600)."""
    fd, name = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, dir=folder)
    return fd, Path(name)


def _link(file: FileIO, folder: Path) -> Path:
    """Give an open file without a name its first one (open(2), O_TMPFILE)."""
    name = f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
    directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.link(f"/proc/self/fd/{file.fileno()}", name, dst_dir_fd=directory, follow_symlinks=True)
    finally:
        os.close(directory)
    return folder / name


def _fill(file: FileIO, content: bytes) -> None:
    """Make this the whole content, on the disk itself."""
    file.seek(0)
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]
    file.truncate()
    os.fsync(file.fileno())


def read_private(path: Path) -> str | None:
    """The text of a file of ours; None where there is none.

    LocalError where it is a symlink, not ours, or others can read or write it.
    """
    return _read(path, forbidden=0o077, owners=(os.geteuid(),), follow=False)


def read_discovered(path: Path, *, follow: bool = False) -> str | None:
    """The text of a token file that some other program wrote; None where there is none.

    follow: whether it may be a symlink: where the user named it (Kubernetes mounts secrets as links), not where a
    convention did, since anybody can put a link into /tmp.
    LocalError where it belongs to another user than us or root, or others can write it.
    """
    return _read(path, forbidden=0o022, owners=(os.geteuid(), 0), follow=follow)


@contextlib.contextmanager
def _local_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise local_error(error, path) from None


def local_error(error: OSError, path: Path) -> CtadataError:
    """What the file system said, as one of our errors."""
    kind = StorageFull if error.errno in (errno.ENOSPC, errno.EDQUOT) else LocalError
    return kind((error.strerror or "the file system refused").lower(), path=str(path))


def _read(path: Path, *, forbidden: int, owners: tuple[int, ...], follow: bool) -> str | None:
    for last in (False, True):
        try:
            return _read_once(path, forbidden, owners, follow=follow)
        except OSError as error:
            if last or error.errno != errno.ESTALE:  # NFS: another machine has just replaced it
                raise local_error(error, path) from None
    return None


def _read_once(path: Path, forbidden: int, owners: tuple[int, ...], *, follow: bool) -> str | None:
    fd = _open_regular(path, follow=follow)
    if fd is None:
        return None
    try:
        _refuse_meddled(os.fstat(fd), path, forbidden, owners)
        content = os.read(fd, MAX_FILE_SIZE + 1)
    finally:
        os.close(fd)
    if len(content) > MAX_FILE_SIZE:
        raise LocalError("this is too large to be a token file", path=str(path))
    return content.decode("utf-8", errors="replace")


def _open_regular(path: Path, *, follow: bool) -> int | None:
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
    try:
        return os.open(path, flags)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise LocalError("a token file must not be a symlink", path=str(path)) from None
        raise


def _refuse_meddled(found: os.stat_result, path: Path, forbidden: int, owners: tuple[int, ...]) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise LocalError("a token file must be a regular file", path=str(path))
    _refuse_foreign(found, path, owners)
    if found.st_mode & forbidden:
        verb = "write" if found.st_mode & 0o022 else "read"
        raise LocalError(
            f"others can {verb} this token file (mode {found.st_mode & 0o777:04o})",
            hint=f"chmod 600 {path}",
            path=str(path),
        )


def _refuse_foreign(found: os.stat_result, path: Path, owners: tuple[int, ...] | None = None) -> None:
    if found.st_uid not in (owners or (os.geteuid(),)):
        raise LocalError(f"this belongs to another user (uid {found.st_uid})", path=str(path))


def _sync_directory(path: Path) -> None:
    """Make a rename last through a power cut; some file systems cannot, which is no reason to fail."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):
            os.fsync(fd)
    finally:
        os.close(fd)
