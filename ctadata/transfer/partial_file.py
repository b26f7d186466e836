"""A part: the hidden file that a download fills. It is published whole, kept for a later run, or removed."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from ctadata import system
from ctadata.errors import AlreadyExists, LocalError, StorageFull
from ctadata.printable import escape_unprintable
from ctadata.resources import is_file_shortage, too_many_files_error
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
    if is_file_shortage(error):
        return too_many_files_error(place)
    kind = StorageFull if error.errno in _FULL else LocalError
    return kind(f"local: {error.strerror or error}", path=place)


@dataclass(slots=True)
class PartialFile:
    """An open part.

    Attributes:
        path: The directory that holds it, for messages.
        directory: That directory, open.
        name: Its hidden name; empty if it has none (`O_TMPFILE`).
        fd: Its own descriptor.
        blocks: The blocks that an earlier run has written, as the journal names them.
        journal: Its journal; None if it has none.
    """

    path: Path
    directory: system.Directory
    name: str
    fd: int
    blocks: list[resume_journal.Block] = field(default_factory=list)
    journal: resume_journal.Journal | None = None

    @property
    def size(self) -> int:
        """The bytes of the file, as the system has them; lseek(2) takes a third of the time of stat(2)."""
        return os.lseek(self.fd, 0, os.SEEK_END)

    def write(self, block: bytes | memoryview, offset: int) -> None:
        """Write the whole block at `offset`."""
        view = memoryview(block)
        try:
            while view:
                written = system.pwrite(self.fd, view, offset)
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
                system.set_mode(self.fd, stat.S_IMODE(replace.st_mode) & 0o777)
            if mtime is not None:
                system.set_mtime(self.fd, mtime)
            if replace is not None or self.size >= FSYNC_FROM:
                os.fsync(self.fd)
            if system.KEEPS_OPEN_FILES:
                status = self._name_closed(name, mtime, is_new=replace is None)
            else:
                self._name_new(name) if replace is None else self._replace(name)
                status = os.fstat(self.fd)
                os.close(self.fd)
        except (OSError, UnicodeEncodeError) as error:
            raise local_error(error, self.path, name) from error
        if self.journal:
            self.journal.close(keep=False)
        return status

    def _name_closed(self, name: str, mtime: float | None, *, is_new: bool) -> os.stat_result:
        """Close the part, give it its final name, and return its stat(2). If that fails, open the part again."""
        os.close(self.fd)
        self.fd = -1
        try:
            if mtime is not None:
                system.set_mtime_of(self.directory, self.name, mtime)
            self._name_new(name) if is_new else self._replace(name)
            return system.stat_name(self.directory, name)
        except BaseException:
            self.fd = system.open_file(self.name, os.O_RDWR, directory=self.directory)
            raise

    def _replace(self, name: str) -> None:
        self._hide()
        system.rename(self.directory, self.name, name)

    def _hide(self) -> None:
        """Give a file without a name a hidden one: only a file with a name can replace another one."""
        if not self.name:
            name = hidden_name()
            with contextlib.suppress(OSError):
                system.lock(self.fd)
            system.name_file(self.fd, self.directory, name)
            self.name = name

    def _name_new(self, name: str) -> None:
        try:
            if self.name:
                system.rename_new(self.directory, self.name, name)
            else:
                system.name_file(self.fd, self.directory, name)
        except FileExistsError:
            raise AlreadyExists(
                "local: another process has just taken this name", path=escape_unprintable(name)
            ) from None

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
        self._close(keep=self.journal is not None)

    def remove(self) -> None:
        """Close the part and remove it, with its journal."""
        self._close(keep=False)

    def _close(self, *, keep: bool) -> None:
        with contextlib.suppress(OSError):
            if self.name and not keep:
                system.close_and_unlink(self.fd, self.directory, self.name)
            else:
                os.close(self.fd)
        if self.journal:
            self.journal.close(keep=keep)


def hidden_name() -> str:
    """Return a new name for a part. It is unique, and names the process that writes it."""
    return temp_names.new_name() + SUFFIX
