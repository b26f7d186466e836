"""The local directory of a download: open it so that it cannot be left, create parts in it, remove stale ones.

Names that a server sends are opened one directory at a time with `O_NOFOLLOW`, relative to an open directory. So
neither `..` nor a link that is already on the disk leads out of the directory that the user named.

A part lies in the directory of its target, in one of three forms::

    (no name)                                              O_TMPFILE, open(2): removed when its process ends
    .ctadata-<host>-<boot>-<pid>-<start>-<random>.part     if the file system has no O_TMPFILE
    .ctadata-<hash of the target's name>.part, .journal    a large file, which a later run may resume

A part with a name is locked by its writer; other machines may not see that lock. `remove_stale_parts` removes a part
without a journal if its writer has ended for certain, or has written nothing for a day. A crash can leave a part, but
never half a file under its final name.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import math
import os
import stat
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ctadata.paths import TEMPORARY_PREFIX, check_local_name
from ctadata.transfer import resume_journal, temp_names
from ctadata.transfer.openat import DIRECTORY_FLAGS, make_directory
from ctadata.transfer.partial_file import SUFFIX, PartialFile, hidden_name, local_errors, name_file

KEPT_FOR = 7 * 86400.0
"""Seconds for which a part with a journal waits for a run that resumes it."""

_PART_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(slots=True)
class LocalDir:
    """An open local directory that files are downloaded into.

    Attributes:
        path: Its path, for messages; the work is done through `fd`.
        fd: Its descriptor.
        nameless: Whether the file system can create a file without a name and name it later; None: not tried yet.
        resumable: Hidden names, without suffix, of the parts that the last `remove_stale_parts` left for a later run.
    """

    path: Path
    fd: int
    nameless: bool | None = None
    resumable: set[str] = field(default_factory=set)

    @classmethod
    def open(cls, base: Path, parts: Sequence[str] = ()) -> LocalDir:
        """Open `base`, then each of `parts` below it, and make those that are missing. Links below `base` are refused.

        Raises:
            LocalError: No local file can have this name, a link or a file has it, or the permission is missing.
        """
        path = base
        with local_errors(path):
            with contextlib.suppress(FileExistsError):  # if it is no directory, the next line raises
                path.mkdir(parents=True)
            fd = os.open(path, DIRECTORY_FLAGS)
        try:
            for part in parts:
                path = path / check_local_name(part)
                below = make_directory(fd, part, path)
                os.close(fd)
                fd = below
        except BaseException:
            os.close(fd)
            raise
        return cls(path, fd)

    def stat(self, name: str) -> os.stat_result | None:
        """Return the status of a name; None if it is free. A link counts as its target, unless it leads nowhere."""
        with local_errors(self.path, name):
            try:
                status = os.stat(name, dir_fd=self.fd, follow_symlinks=False)
            except FileNotFoundError:
                return None
            if stat.S_ISLNK(status.st_mode):
                with contextlib.suppress(FileNotFoundError):
                    return os.stat(name, dir_fd=self.fd)
            return status

    def free_bytes(self) -> int | None:
        """Return the bytes that the user may still write to this file system; None if it does not say."""
        try:
            status = os.fstatvfs(self.fd)
        except OSError:
            return None
        return status.f_bavail * status.f_frsize if status.f_blocks else None

    @property
    def is_empty(self) -> bool:
        """Whether the directory has no entries."""
        with local_errors(self.path), os.scandir(self.fd) as entries:
            return next(entries, None) is None

    def remove_stale_parts(self, now: float | None = None) -> None:
        """Remove what dead runs have left: parts without a journal, and parts whose journal no run has used for a week.

        Args:
            now: Seconds since 1970; None: the current time.
        """
        now = time.time() if now is None else now
        with os.scandir(self.fd) as entries:
            names = {
                e.name
                for e in entries
                if e.name.startswith(TEMPORARY_PREFIX) and e.name.endswith((SUFFIX, resume_journal.SUFFIX))
            }
        for name in names:
            stem = name.rpartition(".")[0]
            with contextlib.suppress(OSError):
                if name.endswith(SUFFIX):
                    self._remove_stale_part(stem, has_journal=stem + resume_journal.SUFFIX in names, now=now)
                elif stem + SUFFIX not in names and not self._may_be_written_elsewhere(stem, now):
                    os.unlink(name, dir_fd=self.fd)

    def _may_be_written_elsewhere(self, stem: str, now: float) -> bool:
        """Return whether another machine, whose lock is not seen here, may be writing the part of this journal."""
        name = stem + resume_journal.SUFFIX
        mtime = os.stat(name, dir_fd=self.fd, follow_symlinks=False).st_mtime
        return temp_names.may_be_written_elsewhere(resume_journal.writer_of(self.fd, name), mtime, now)

    def _remove_stale_part(self, stem: str, *, has_journal: bool, now: float) -> None:
        """Remove a part and its journal, unless a process writes it. If a later run may resume it, note it instead."""
        fd = os.open(stem + SUFFIX, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self.fd)
        try:
            if not _lock(fd, stem + SUFFIX, self.fd):
                return
            status = os.fstat(fd)
            if has_journal and status.st_nlink == 1 and now - status.st_mtime < KEPT_FOR:
                self.resumable.add(stem)
                return
            if not (has_journal or temp_names.is_abandoned(stem, status.st_mtime, now)):
                return
            os.unlink(stem + SUFFIX, dir_fd=self.fd)
            if has_journal:
                os.unlink(stem + resume_journal.SUFFIX, dir_fd=self.fd)
        finally:
            os.close(fd)

    def has_resumable(self, target: str) -> bool:
        """Return whether the last `remove_stale_parts` has seen a part of the file `target` that can be resumed."""
        return bool(self.resumable) and _hidden_stem(target) in self.resumable

    def remove_resumable(self, target: str) -> None:
        """Remove the part of the file `target` that an earlier run has left for later ones, if there is one."""
        stem = _hidden_stem(target)
        with contextlib.suppress(OSError):
            if not self._may_be_written_elsewhere(stem, time.time()):
                self._remove_stale_part(stem, has_journal=True, now=math.inf)

    def create_part(self) -> PartialFile:
        """Create an empty part that no other process can reach.

        Raises:
            LocalError: The file system refuses.
            StorageFull: The file system is full.
        """
        if self.nameless is None:
            self.nameless = self._can_create_nameless()
        with local_errors(self.path):
            if self.nameless:
                return PartialFile(self.path, self.fd, "", self._create_nameless())
            return self._create_hidden()

    def _can_create_nameless(self) -> bool:
        """Try it: NFS has no such files, and without /proc they cannot be named."""
        try:
            fd, name = self._create_nameless(), hidden_name()
        except OSError:
            return False
        try:
            name_file(fd, self.fd, name)
            os.unlink(name, dir_fd=self.fd)
        except OSError:
            return False
        finally:
            os.close(fd)
        return True

    def _create_nameless(self) -> int:
        return os.open(".", os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o666, dir_fd=self.fd)

    def _create_hidden(self) -> PartialFile:
        while True:
            name = hidden_name()
            fd = os.open(name, _PART_FLAGS | os.O_EXCL, 0o666, dir_fd=self.fd)
            with contextlib.suppress(OSError):  # a file system without locks: its parts are never removed as stale
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(fd).st_nlink:
                return PartialFile(self.path, self.fd, name, fd)
            os.close(fd)  # another run has removed it as stale in the moment before the lock

    def open_resumable_part(self, target: str, version: dict[str, Any]) -> PartialFile:
        """Open the part of the file `target`, with its journal and the blocks of an earlier run, or create it.

        If another run has it, or the file system's locks cannot be trusted, create an own part without a journal
        instead: two runs with one target may both download it, but never mix their bytes.

        Args:
            target: The file's final name.
            version: The result of `resume_journal.version_of`.

        Raises:
            LocalError: The file system refuses.
            StorageFull: The file system is full.
        """
        stem = _hidden_stem(target)
        with local_errors(self.path):
            fd = self._open_and_lock(stem)
            if fd is None:
                return self.create_part()
            try:
                if (part := self._with_journal(stem, fd, version)) is not None:
                    return part
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)
        return self.create_part()

    def _with_journal(self, stem: str, fd: int, version: dict[str, Any]) -> PartialFile | None:
        """Return the open part with its journal; None if the part is to be left alone, or no journal can be written."""
        name = stem + resume_journal.SUFFIX
        blocks = resume_journal.read_journal(self.fd, name, os.fstat(fd).st_size, version)
        if blocks is None:
            return None
        # bytes after the last block are in no journal, and another version may have had more bytes
        os.ftruncate(fd, blocks[-1].stop if blocks else 0)
        try:
            journal = resume_journal.Journal.begin(self.fd, name, version, blocks)
        except OSError:  # for example a directory has the journal's name
            os.unlink(stem + SUFFIX, dir_fd=self.fd)
            return None
        return PartialFile(self.path, self.fd, stem + SUFFIX, fd, blocks, journal)

    def _open_and_lock(self, stem: str) -> int | None:
        """Open and lock the part, or create it; return None if another process may use it too."""
        name, is_new = stem + SUFFIX, True
        try:
            try:
                fd = os.open(name, _PART_FLAGS | os.O_EXCL, 0o666, dir_fd=self.fd)
            except FileExistsError:
                fd, is_new = os.open(name, _PART_FLAGS, 0o666, dir_fd=self.fd), False
        except OSError:  # if the directory is at fault, `create_part` meets the same error and raises it
            return None
        status = os.fstat(fd)
        is_ours = status.st_nlink == 1 and stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
        # an empty part without a journal may be new: a run of another machine, whose lock is not seen here, has made it
        is_ours = is_ours and (is_new or bool(status.st_size) or self._has_name(stem + resume_journal.SUFFIX))
        is_locked = _lock(fd, name, self.fd) if is_ours else False
        if is_locked:
            return fd
        os.close(fd)
        if is_locked is None and not status.st_size:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=self.fd)
        return None  # another run has it, another user owns it, or it has a second link

    def _has_name(self, name: str) -> bool:
        try:
            os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def __enter__(self) -> Self:
        """Return the directory."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.fd)


def _hidden_stem(target: str) -> str:
    """Return the hidden name, without suffix, of the part that several runs may use for a file."""
    return TEMPORARY_PREFIX + hashlib.sha256(target.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _lock(fd: int, name: str, directory: int) -> bool | None:
    """Lock the open file `fd`.

    A run that publishes its part still has the lock, but the file has another name then.

    Returns:
        True if no other process has the lock and the file still has this name; False if not; None if the locks of this
        file system mean nothing, because a second one was granted as well.
    """
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        second = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    except OSError:
        return False
    try:
        if not os.path.samestat(os.fstat(fd), os.fstat(second)):
            return False
        fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(second)
    return None
