"""A part: a file on its way, nameless or hidden, until it is published whole or left for a later run."""

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
from ctadata.paths import escape_unprintable
from ctadata.transfer import resume_journal, temp_names

FSYNC_FROM = 1 << 20
"""New files from this size on (bytes) are flushed to disk before they get their name; smaller ones are cheap to fetch.

A file that replaces another one is always flushed: after a power cut there is the old one or the new one.
"""

SUFFIX = ".part"

_FULL = (errno.ENOSPC, errno.EDQUOT)


class local_words:  # noqa: N801  (reads as a verb, as those of contextlib do)
    """Turn the operating system's errors on `path`, or on `name` in it, into ours, in its own words.

    StorageFull or LocalError. A class, because a generator takes longer than most of what it would surround.
    """

    __slots__ = ("_name", "_path")

    def __init__(self, path: Path | str, name: str = "") -> None:
        """Nothing happens yet."""
        self._path = path
        self._name = name

    def __enter__(self) -> None:
        """Nothing."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raise ours for the system's."""
        if isinstance(error, UnicodeEncodeError):  # the locale's encoding has no letters for it
            where = escape_unprintable(str(Path(self._path, self._name)))
            raise LocalError("no local file can bear this name", path=where) from error
        if isinstance(error, OSError):
            ours = StorageFull if error.errno in _FULL else LocalError
            where = escape_unprintable(str(Path(self._path, self._name)))
            raise ours(f"local: {error.strerror or error}", path=where) from error


@dataclass(slots=True)
class PartialFile:
    """A file on its way: complete and verified it is published, otherwise dropped.

    path, directory: the folder it lies in, in words and as an open descriptor.
    name:  its hidden name; empty where it has none.
    here:  the blocks that an earlier run says it has left in it.
    journal: its journal, where it has one.
    """

    path: Path
    directory: int
    name: str
    fd: int
    here: list[resume_journal.Block] = field(default_factory=list)
    journal: resume_journal.Journal | None = None

    def write(self, block: bytes | memoryview, offset: int) -> None:
        """Write the whole block at `offset`."""
        with local_words(self.path):
            view = memoryview(block)
            while view:
                written = os.pwrite(self.fd, view, offset)
                view, offset = view[written:], offset + written

    def publish(self, name: str, *, mtime: float | None, replace: os.stat_result | None) -> os.stat_result:
        """Give the file its final name, at once and whole; gives what stat(2) says of it then.

        mtime: seconds since 1970 to set, None for now.
        replace: what the plan saw under `name`, whose permissions are kept; None where the plan saw nothing, and
        then AlreadyExists is raised when something stands there by now.
        """
        with local_words(self.path, name):
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
        found = os.fstat(self.fd)
        os.close(self.fd)
        if self.journal:
            self.journal.close(keep=False)
        return found

    def _hide(self) -> None:
        """Give it a hidden name, where it has none: only what has a name can take another's place."""
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
            raise AlreadyExists("local: the name was taken meanwhile", path=escape_unprintable(name)) from None
        except OSError as error:
            if not self.name or error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
                raise
            # a file system without hard links: as near to it as it allows
            if _exists(name, self.directory):
                raise AlreadyExists("local: the name was taken meanwhile", path=escape_unprintable(name)) from None
            os.rename(self.name, name, src_dir_fd=self.directory, dst_dir_fd=self.directory)
        else:
            with contextlib.suppress(FileNotFoundError):  # who looks on may have taken the second name for a rest
                os.unlink(self.name, dir_fd=self.directory)

    def read_back(self, block: resume_journal.Block) -> bytes | None:
        """The bytes of a block; None if they are not those that were written."""
        with local_words(self.path):
            return block.read(self.fd)

    def notes(self, at: int) -> resume_journal.Notes | None:
        """What notes the blocks that a stream writes from `at` on; None if there is no journal."""
        return resume_journal.Notes(self.journal, at) if self.journal else None

    def void(self, version: dict[str, Any] | None) -> None:
        """Forget all bytes, in the journal too; None: no later run can go on with the version that follows."""
        with local_words(self.path):
            os.ftruncate(self.fd, 0)
            self.here = []
            if self.journal:
                name = self.journal.name
                self.journal.close(keep=version is not None)
                self.journal = resume_journal.Journal.begin(self.directory, name, version, []) if version else None

    def leave(self) -> None:
        """Let go of it; a later run goes on from it where it has a journal, else it is removed."""
        keep = self.journal is not None
        if self.name and not keep:
            with contextlib.suppress(OSError):
                os.unlink(self.name, dir_fd=self.directory)
        if self.journal:
            self.journal.close(keep=keep)
        with contextlib.suppress(OSError):
            os.close(self.fd)

    def drop(self) -> None:
        """Remove it."""
        if self.name:
            with contextlib.suppress(OSError):
                os.unlink(self.name, dir_fd=self.directory)
        if self.journal:
            self.journal.close(keep=False)
        with contextlib.suppress(OSError):
            os.close(self.fd)


def hidden_name() -> str:
    """A name for a part that nobody else has, and that tells who writes it."""
    return temp_names.new_name() + SUFFIX


def name_file(fd: int, directory: int, name: str) -> None:
    """Give an open file without a name its first one, in an open directory; OSError (linkat(2), of O_TMPFILE)."""
    os.link(f"/proc/self/fd/{fd}", name, dst_dir_fd=directory, follow_symlinks=True)


def _exists(name: str, directory: int) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
