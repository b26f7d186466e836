"""Where a download lands: a folder that cannot be left, a hidden part in it, and the explicit `publish`.

Names that a server sends are followed one directory at a time with `O_NOFOLLOW`, relative to an open directory,
so that neither `..` nor a link that lies on the disk already leads out of the folder the user named.

A part is `.ctadata-<random>.part` beside its target. Its writer holds a lock on it as long as it lives; a part
whose lock is free was left by a dead run and is removed (`sweep`). A crash can leave a part, never a half file
under a final name.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from ctadata.errors import AlreadyExists, LocalError, StorageFull
from ctadata.paths import MARK, local_name, printable

SUFFIX = ".part"
FSYNC_FROM = 1 << 20
"""Files from this size on (bytes) are flushed to disk before they get their name; smaller ones are cheap to fetch."""

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PART_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@contextlib.contextmanager
def local_words(path: Path | str) -> Iterator[None]:
    """Turn the operating system's errors on `path` into ours: StorageFull or LocalError, in its own words."""
    try:
        yield
    except OSError as error:
        kind = StorageFull if error.errno in _FULL else LocalError
        raise kind(f"local: {error.strerror or error}", path=printable(str(path))) from error


@dataclass(slots=True)
class Folder:
    """An open local directory that files are put into.

    path: for words only; the work is done through the open descriptor `fd`.
    """

    path: Path
    fd: int

    @classmethod
    def open(cls, base: Path, parts: Sequence[str] = ()) -> Folder:
        """Open (and make where needed) `base`, then each of `parts` below it; links are refused below `base`.

        Raises LocalError: a name that no local file can bear, a link or a file in the way, no permission.
        """
        path = base
        with local_words(path):
            path.mkdir(parents=True, exist_ok=True)
            fd = os.open(path, _FOLDER_FLAGS & ~os.O_NOFOLLOW)
        try:
            for part in parts:
                path = path / local_name(part)
                below = _step(fd, part, path)
                os.close(fd)
                fd = below
        except BaseException:
            os.close(fd)
            raise
        return cls(path, fd)

    def look(self, name: str) -> os.stat_result | None:
        """What stands under `name` (a link's target counts); None where nothing does."""
        try:
            return os.stat(name, dir_fd=self.fd)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise LocalError(f"local: {error.strerror}", path=printable(str(self.path / name))) from error

    def sweep(self) -> None:
        """Remove the parts of runs that are dead."""
        with os.scandir(self.fd) as entries:
            names = [e.name for e in entries if e.name.startswith(MARK) and e.name.endswith(SUFFIX)]
        for name in names:
            with contextlib.suppress(OSError):
                fd = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.fd)
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.unlink(name, dir_fd=self.fd)
                finally:
                    os.close(fd)

    def part(self) -> Part:
        """A new part, locked and empty."""
        with local_words(self.path):
            while True:
                name = f"{MARK}{secrets.token_hex(8)}{SUFFIX}"
                fd = os.open(name, _PART_FLAGS, 0o666, dir_fd=self.fd)
                with contextlib.suppress(OSError):  # a file system without locks: its parts are never swept
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(fd).st_nlink:
                    return Part(self, name, fd)
                os.close(fd)  # swept by another run in the moment before our lock

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        os.close(self.fd)


def _step(fd: int, part: str, path: Path) -> int:
    """Open the directory `part` of the open directory `fd`, made where it is missing, never through a link."""
    with local_words(path):
        with contextlib.suppress(FileExistsError):
            os.mkdir(part, dir_fd=fd)
        try:
            return os.open(part, _FOLDER_FLAGS, dir_fd=fd)
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.ENOTDIR):
                raise
            found = os.stat(part, dir_fd=fd, follow_symlinks=False)
    what = "a link, and files are not written through links" if stat.S_ISLNK(found.st_mode) else "not a directory"
    raise LocalError(f"local: it is {what}", path=printable(str(path)))


@dataclass(slots=True)
class Part:
    """A file on its way: complete and verified it is published, otherwise dropped."""

    folder: Folder
    name: str
    fd: int

    def write(self, block: bytes, offset: int) -> None:
        """Write the whole block at `offset`."""
        with local_words(self.folder.path):
            view = memoryview(block)
            while view:
                written = os.pwrite(self.fd, view, offset)
                view, offset = view[written:], offset + written

    def truncate(self) -> None:
        """Forget all bytes."""
        with local_words(self.folder.path):
            os.ftruncate(self.fd, 0)

    def publish(self, name: str, *, mtime: float | None, replace: os.stat_result | None) -> None:
        """Give the file its final name, at once and whole.

        mtime: seconds since 1970 to set, None for now.
        replace: what the plan saw under `name`, whose permissions are kept; None where the plan saw nothing, and
        then AlreadyExists is raised when something stands there by now.
        """
        with local_words(self.folder.path / name):
            if replace is not None and stat.S_ISREG(replace.st_mode):
                os.fchmod(self.fd, stat.S_IMODE(replace.st_mode) & 0o777)
            if mtime is not None:
                os.utime(self.fd, (mtime, mtime))
            if os.fstat(self.fd).st_size >= FSYNC_FROM:
                os.fsync(self.fd)
            if replace is None:
                self._link(name)
            else:
                os.rename(self.name, name, src_dir_fd=self.folder.fd, dst_dir_fd=self.folder.fd)
        os.close(self.fd)

    def _link(self, name: str) -> None:
        try:
            os.link(self.name, name, src_dir_fd=self.folder.fd, dst_dir_fd=self.folder.fd, follow_symlinks=False)
        except FileExistsError:
            raise AlreadyExists("local: the name was taken meanwhile", path=printable(name)) from None
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
                raise
            # a file system without hard links: as near to it as it allows
            if self.folder.look(name) is not None:
                raise AlreadyExists("local: the name was taken meanwhile", path=printable(name)) from None
            os.rename(self.name, name, src_dir_fd=self.folder.fd, dst_dir_fd=self.folder.fd)
        else:
            os.unlink(self.name, dir_fd=self.folder.fd)

    def drop(self) -> None:
        """Remove it."""
        with contextlib.suppress(OSError):
            os.unlink(self.name, dir_fd=self.folder.fd)
        with contextlib.suppress(OSError):
            os.close(self.fd)
