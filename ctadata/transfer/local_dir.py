"""The local directory of a download: open it so that it cannot be left, create parts in it, remove stale ones.

Names that a server sends are opened one directory at a time with `O_NOFOLLOW`, relative to an open directory. So
neither `..` nor a link that is already on the disk leads out of the directory that the user named.

A part lies in the directory of its target, in one of three forms::

    (no name)                                              O_TMPFILE, open(2): removed when its process ends
    .ctadata-<host>-<boot>-<pid>-<start>-<random>.part     if the file system has no O_TMPFILE
    .ctadata-<hash of the target's name>-<the same>.part, .journal    a large file, which a later run may resume

A part belongs to the process that its name names, so two processes never write to one part. A later run takes up the
part of a run that has ended by renaming it to a name of its own: of two runs that try, one gets it. A run has ended if
its process of this boot has ended, or if it has written nothing for a day. No lock proves that, because locks may be
local to a machine; a lock only shows that a process of this machine has closed its part and lives on.
`remove_stale_parts` removes the parts of runs that have ended. A crash can leave a part, but never half a file under
its final name.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ctadata import system
from ctadata.local_names import check_local_name
from ctadata.paths import TEMPORARY_PREFIX
from ctadata.transfer import resume_journal, temp_names
from ctadata.transfer.openat import make_directory
from ctadata.transfer.partial_file import SUFFIX, PartialFile, hidden_name, local_error, local_errors

KEPT_FOR = 7 * 86400.0
"""Seconds for which a part with a journal waits for a run that resumes it."""


@dataclass(slots=True)
class LocalDir:
    """An open local directory that files are downloaded into.

    Attributes:
        path: Its path, for messages; the work is done through `fd`.
        fd: The open directory.
        nameless: Whether the file system can create a file without a name and name it later; None: not tried yet.
        resumable: Hidden names, without suffix, of the parts that the last `remove_stale_parts` left for a later run.
    """

    path: Path
    fd: system.Directory
    nameless: bool | None = None
    resumable: set[str] = field(default_factory=set)
    _stems: set[str] | None = None

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
            fd = system.open_directory(path)
        try:
            for part in parts:
                path = path / check_local_name(part)
                below = make_directory(fd, part, path)
                system.close_directory(fd)
                fd = below
        except BaseException:
            system.close_directory(fd)
            raise
        return cls(path, fd)

    def stat(self, name: str) -> os.stat_result | None:
        """Return the status of a name; None if it is free. A link counts as its target, unless it leads nowhere."""
        try:
            status = system.stat_name(self.fd, name)
            if stat.S_ISLNK(status.st_mode):
                with contextlib.suppress(FileNotFoundError):
                    return system.stat_name(self.fd, name, follow=True)
        except FileNotFoundError:
            return None
        except (OSError, UnicodeEncodeError) as error:
            raise local_error(error, self.path, name) from error
        return status

    def free_bytes(self) -> int | None:
        """Return the bytes that the user may still write to this file system; None if it does not say."""
        return system.free_bytes(self.fd)

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
        names = self._hidden_names()
        self.resumable.clear()
        for name in names:
            stem, _, suffix = name.rpartition(".")
            with contextlib.suppress(OSError):
                if f".{suffix}" == SUFFIX:
                    self._remove_stale_part(stem, has_journal=stem + resume_journal.SUFFIX in names, now=now)
                elif stem + SUFFIX not in names:
                    self._remove_lone_journal(stem, name, now)

    def _remove_lone_journal(self, stem: str, name: str, now: float) -> None:
        """Remove a journal whose part is gone. Raises OSError."""
        mtime = system.stat_name(self.fd, name).st_mtime
        is_complete = name.endswith(resume_journal.SUFFIX)
        if self._may_take(stem, name, mtime, now, has_journal=is_complete) and self.stat(stem + SUFFIX) is None:
            system.unlink(self.fd, name)

    def _hidden_names(self) -> set[str]:
        """Return the names of all parts and journals, and note those that a later run may resume."""
        suffixes = (SUFFIX, resume_journal.SUFFIX, resume_journal.NEW_SUFFIX)
        with os.scandir(self.fd) as entries:
            names = {e.name for e in entries if e.name.startswith(TEMPORARY_PREFIX) and e.name.endswith(suffixes)}
        stems = {name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX)}
        self._stems = {stem for stem in stems if stem + resume_journal.SUFFIX in names}
        return names

    def _may_take(self, stem: str, name: str, mtime: float, now: float, *, has_journal: bool) -> bool:
        """Return whether the run that made a part has ended, or is of this machine and has left the part to others."""
        writer = stem
        if "-" not in stem.removeprefix(TEMPORARY_PREFIX):  # a name of an earlier version; the journal names the writer
            with contextlib.suppress(OSError):
                writer = resume_journal.writer_of(self.fd, stem + resume_journal.SUFFIX)
        if temp_names.has_ended(writer):
            return True
        is_closed_at_most = temp_names.is_of_this_boot(writer) and has_journal
        if not (is_closed_at_most or temp_names.is_abandoned(writer, mtime, now)):
            return False
        fd = system.open_file(name, os.O_RDWR, directory=self.fd)
        try:
            return bool(_lock(fd, name, self.fd))
        finally:
            os.close(fd)

    def _remove_stale_part(self, stem: str, *, has_journal: bool, now: float, kept_for: float = KEPT_FOR) -> None:
        """Remove a part and its journal if its run has ended. If a later run may resume it, note it instead."""
        name = stem + SUFFIX
        status = system.stat_name(self.fd, name)
        if not stat.S_ISREG(status.st_mode) or not self._may_take(
            stem, name, status.st_mtime, now, has_journal=has_journal
        ):
            return
        if has_journal and status.st_nlink == 1 and now - status.st_mtime < kept_for:
            self.resumable.add(stem)
            return
        system.unlink(self.fd, name)
        if has_journal:
            system.unlink(self.fd, stem + resume_journal.SUFFIX)

    def has_resumable(self, target: str) -> bool:
        """Return whether the last `remove_stale_parts` has seen a part of the file `target` that can be resumed."""
        return bool(self.resumable and _parts_of(target, self.resumable))

    def remove_resumable(self, target: str) -> None:
        """Remove the parts of the file `target` that earlier runs have left for later ones."""
        for stem in self._stems_of(target):
            with contextlib.suppress(OSError):
                self._remove_stale_part(stem, has_journal=True, now=time.time(), kept_for=0.0)

    def _stems_of(self, target: str) -> list[str]:
        """Return the hidden names, without suffix, of the parts of `target` that were here at the first question."""
        if self._stems is None:
            with local_errors(self.path):
                self._hidden_names()
        return sorted(_parts_of(target, self._stems)) if self._stems else []

    def create_part(self) -> PartialFile:
        """Create an empty part that no other process can reach.

        Raises:
            LocalError: The file system refuses.
            StorageFull: The file system is full.
        """
        if self.nameless is None:
            self.nameless = self._can_create_nameless()
        try:
            if self.nameless:
                return PartialFile(
                    self.path, self.fd, "", system.open_nameless(".", os.O_RDWR, 0o666, directory=self.fd)
                )
            return self._create_hidden()
        except OSError as error:
            raise local_error(error, self.path) from error

    def _can_create_nameless(self) -> bool:
        """Try it: NFS has no such files, and without /proc they cannot be named."""
        try:
            fd, name = system.open_nameless(".", os.O_RDWR, 0o666, directory=self.fd), hidden_name()
        except (OSError, AttributeError):  # only Linux has O_TMPFILE
            return False
        try:
            system.name_file(fd, self.fd, name)
            system.unlink(self.fd, name)
        except OSError:
            return False
        finally:
            os.close(fd)
        return True

    def _create_hidden(self, name: str = "") -> PartialFile:
        name = name or hidden_name()
        fd = system.open_file(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666, directory=self.fd)
        with contextlib.suppress(OSError):  # a file system without locks
            system.lock(fd)
        return PartialFile(self.path, self.fd, name, fd)

    def open_resumable_part(self, target: str, version: dict[str, Any]) -> PartialFile:
        """Take up the part of the file `target` that a run has left, with its blocks, or create one with a journal.

        Two runs with one target both download it, and never mix their bytes.

        Args:
            target: The file's final name.
            version: The result of `resume_journal.version_of`.

        Raises:
            LocalError: The file system refuses.
            StorageFull: The file system is full.
        """
        own = _hidden_stem(target) + temp_names.new_name().removeprefix(TEMPORARY_PREFIX)
        with local_errors(self.path):
            for stem in self._stems_of(target):
                with contextlib.suppress(OSError):
                    if (part := self._take_up(stem, own, version)) is not None:
                        return part
            part = self._create_hidden(own + SUFFIX)
            self._begin_journal(part, own, version)
        return part

    def _take_up(self, stem: str, own: str, version: dict[str, Any]) -> PartialFile | None:
        """Rename a part to a name of this process, and return it; None if it may not be taken. Raises OSError.

        Its new journal is written before that. So a part has a journal under its name whenever the process ends.
        """
        name, old_journal, now = stem + SUFFIX, stem + resume_journal.SUFFIX, time.time()
        system.stat_name(self.fd, old_journal)  # without a journal, the part may have just been made
        status = system.stat_name(self.fd, name)
        is_whole = stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and status.st_uid == system.user_id()
        if not is_whole or not self._may_take(stem, name, status.st_mtime, now, has_journal=True):
            return None
        blocks = resume_journal.read_journal(self.fd, old_journal, status.st_size, version)
        journal = resume_journal.Journal.begin(self.fd, own + resume_journal.SUFFIX, version, blocks)
        try:
            with contextlib.suppress(OSError):
                system.lock(journal.fd)  # so that no other run takes it for what a dead one has left
            system.rename(self.fd, name, own + SUFFIX)
            fd = system.open_file(own + SUFFIX, os.O_RDWR, directory=self.fd)
        except BaseException:
            journal.close(keep=False)
            raise
        with contextlib.suppress(OSError):
            system.lock(fd)
        part = PartialFile(self.path, self.fd, own + SUFFIX, fd, blocks, journal)
        try:
            # bytes after the last block are in no journal, and another version may have had more bytes
            os.ftruncate(fd, blocks[-1].stop if blocks else 0)
            with contextlib.suppress(OSError):
                system.unlink(self.fd, old_journal)
        except BaseException:
            part.remove()
            raise
        if self._stems is not None:
            self._stems.add(own)
        return part

    def _begin_journal(self, part: PartialFile, own: str, version: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # without a journal, the part is removed at the end
            part.journal = resume_journal.Journal.begin(self.fd, own + resume_journal.SUFFIX, version, [])
            if self._stems is not None:
                self._stems.add(own)

    def __enter__(self) -> Self:
        """Return the directory."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close it."""
        system.close_directory(self.fd)


def _hidden_stem(target: str) -> str:
    """Return the beginning of the hidden names of the parts of a file; the name of a process follows."""
    return f"{TEMPORARY_PREFIX}{hashlib.sha256(target.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}-"


def _parts_of(target: str, stems: Iterable[str]) -> list[str]:
    """Return those of the hidden names, without suffix, that parts of the file `target` have."""
    beginning = _hidden_stem(target)
    return [stem for stem in stems if stem.startswith(beginning) or stem == beginning[:-1]]


def _lock(fd: int, name: str, directory: system.Directory) -> bool | None:
    """Lock the open file `fd`.

    A run that publishes its part still has the lock, but the file has another name then.

    Returns:
        True if no other process has the lock and the file still has this name; False if not; None if the locks of this
        file system mean nothing, because a second one was granted as well.
    """
    try:
        system.lock(fd)
        second = system.open_file(name, os.O_RDWR, directory=directory)
    except OSError:
        return False
    try:
        if not os.path.samestat(os.fstat(fd), os.fstat(second)):
            return False
        system.lock(second)
    except OSError:
        return True
    finally:
        os.close(second)
    return None
