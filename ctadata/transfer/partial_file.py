"""A part: the hidden file that a download fills. It is published whole, kept for a later run, or removed."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from ctadata.errors import AlreadyExists, LocalError, StorageFull
from ctadata.printable import escape_unprintable
from ctadata.transfer import resume_journal, temp_names

FSYNC_FROM = 1 << 20
"""Bytes from which a new file is flushed to disk before it gets its name; a smaller one is cheap to download again.

A file that replaces another one is always flushed: after a power cut there is the old file or the new one.
"""

SUFFIX = ".part"

_FULL = (errno.ENOSPC, errno.EDQUOT)


class local_errors:  # noqa: N801  (a context manager, named as those of contextlib)
    """Raise the operating system's errors on a local path as StorageFull or LocalError, in the system's words.

    It is a context manager. It is a class because a generator takes longer than most of the calls that it surrounds.
    """

    __slots__ = ("_name", "_path")

    def __init__(self, path: Path | str, name: str = "") -> None:
        """Prepare for errors on `path`, or on `name` in it."""
        self._path = path
        self._name = name

    def __enter__(self) -> None:
        """Enter the block."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raise StorageFull or LocalError for an OSError, and for a name that the locale's encoding cannot express."""
        if isinstance(error, OSError | UnicodeEncodeError):
            raise local_error(error, self._path, self._name) from error


def local_error(error: OSError | UnicodeEncodeError, path: Path | str, name: str = "") -> LocalError | StorageFull:
    """Return the StorageFull or LocalError for an error on `path`, or on `name` in it."""
    place = escape_unprintable(str(Path(path, name)))
    if isinstance(error, UnicodeEncodeError):  # the locale's encoding has no letters for it
        return LocalError("no local file can have this name", path=place)
    kind = StorageFull if error.errno in _FULL else LocalError
    return kind(f"local: {error.strerror or error}", path=place)


@dataclass(slots=True)
class PartialFile:
    """An open part.

    Attributes:
        path: The directory that holds it, for messages.
        directory: The descriptor of that directory.
        name: Its hidden name; empty if it has none (`O_TMPFILE`).
        fd: Its own descriptor.
        blocks: The blocks that an earlier run has written, as the journal names them.
        journal: Its journal; None if it has none.
    """

    path: Path
    directory: int
    name: str
    fd: int
    blocks: list[resume_journal.Block] = field(default_factory=list)
    journal: resume_journal.Journal | None = None

    def write(self, block: bytes | memoryview, offset: int) -> None:
        """Write the whole block at `offset`."""
        view = memoryview(block)
        try:
            while view:
                written = os.pwrite(self.fd, view, offset)
                view, offset = view[written:], offset + written
        except OSError as error:
            raise local_error(error, self.path) from error

    def publish(self, name: str, *, mtime: float | None, replace: os.stat_result | None) -> os.stat_result:
        """Give the part its final name, at once and whole, and close it.

        Args:
            name: The final name.
            mtime: The mtime to set, in seconds since 1970; None: now.
            replace: stat(2) of the file that the plan saw under `name`, whose permissions are kept; None: the name was
                free.

        Returns:
            stat(2) of the published file.

        Raises:
            AlreadyExists: The name was free, and is taken by now.
            LocalError: The file system refuses.
            StorageFull: The file system is full.
        """
        try:
            if replace is not None and stat.S_ISREG(replace.st_mode):
                os.fchmod(self.fd, stat.S_IMODE(replace.st_mode) & 0o777)
            if mtime is not None:
                os.utime(self.fd, (mtime, mtime))
            if replace is not None or os.fstat(self.fd).st_size >= FSYNC_FROM:
                os.fsync(self.fd)
            if replace is None:
                self._link(name)
            else:
                self._hide()
                os.rename(self.name, name, src_dir_fd=self.directory, dst_dir_fd=self.directory)
        except (OSError, UnicodeEncodeError) as error:
            raise local_error(error, self.path, name) from error
        status = os.fstat(self.fd)
        os.close(self.fd)
        if self.journal:
            self.journal.close(keep=False)
        return status

    def _hide(self) -> None:
        """Give a file without a name a hidden one: only a file with a name can replace another one."""
        if not self.name:
            name = hidden_name()
            with contextlib.suppress(OSError):
                fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            name_file(self.fd, self.directory, name)
            self.name = name

    def _link(self, name: str) -> None:
        try:
            if not self.name:
                name_file(self.fd, self.directory, name)
                return
            os.link(self.name, name, src_dir_fd=self.directory, dst_dir_fd=self.directory, follow_symlinks=False)
        except FileExistsError:
            raise AlreadyExists(
                "local: another process has just taken this name", path=escape_unprintable(name)
            ) from None
        except OSError as error:
            if not self.name or error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
                raise
            # a file system without hard links: there is a moment between the look and the rename
            if _exists(name, self.directory):
                raise AlreadyExists(
                    "local: another process has just taken this name", path=escape_unprintable(name)
                ) from None
            os.rename(self.name, name, src_dir_fd=self.directory, dst_dir_fd=self.directory)
        else:
            with contextlib.suppress(FileNotFoundError):  # another run may have removed the second name as a stale part
                os.unlink(self.name, dir_fd=self.directory)

    def read_block(self, block: resume_journal.Block) -> bytes | None:
        """Return the bytes of a block; None if they are not what was written."""
        with local_errors(self.path):
            return block.read(self.fd)

    def block_writer(self, at: int) -> resume_journal.BlockWriter | None:
        """Return the writer for the blocks that a stream writes from the offset `at` on; None without a journal."""
        return resume_journal.BlockWriter(self.journal, at) if self.journal else None

    def restart(self, version: dict[str, Any] | None) -> None:
        """Remove all bytes, and start the journal again.

        Args:
            version: The version that follows (`resume_journal.version_of`); None: no later run can resume it.
        """
        with local_errors(self.path):
            os.ftruncate(self.fd, 0)
            self.blocks = []
            if self.journal:
                name = self.journal.name
                self.journal.close(keep=version is not None)
                self.journal = resume_journal.Journal.begin(self.directory, name, version, []) if version else None

    def close(self) -> None:
        """Close the part. It stays for a later run if it has a journal; else it is removed."""
        keep = self.journal is not None
        if self.name and not keep:
            with contextlib.suppress(OSError):
                os.unlink(self.name, dir_fd=self.directory)
        if self.journal:
            self.journal.close(keep=keep)
        with contextlib.suppress(OSError):
            os.close(self.fd)

    def remove(self) -> None:
        """Close the part and remove it, with its journal."""
        if self.name:
            with contextlib.suppress(OSError):
                os.unlink(self.name, dir_fd=self.directory)
        if self.journal:
            self.journal.close(keep=False)
        with contextlib.suppress(OSError):
            os.close(self.fd)


def hidden_name() -> str:
    """Return a new name for a part. It is unique, and names the process that writes it."""
    return temp_names.new_name() + SUFFIX


def name_file(fd: int, directory: int, name: str) -> None:
    """Give an open file without a name its first name in an open directory (linkat(2), open(2) on O_TMPFILE).

    Raises:
        OSError: The file system cannot do that, or the name is taken.
    """
    os.link(f"/proc/self/fd/{fd}", name, dst_dir_fd=directory, follow_symlinks=True)


def _exists(name: str, directory: int) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
