"""Where a download lands: a folder that cannot be left, a hidden part in it, and the explicit `publish`.

Names that a server sends are followed one directory at a time with `O_NOFOLLOW`, relative to an open directory,
so that neither `..` nor a link that lies on the disk already leads out of the folder the user named.

A part has no name at all before it is published, where the file system can do that (`O_TMPFILE`, open(2)): nobody
meets it, and it goes with its process. Else it lies beside its target under a name of `ctadata.transfer.temp_names`
that ends in `.part` and tells which process writes it. That of a large file is `.ctadata-<hash of the name>.part`,
with a journal beside it from which a later run goes on. The writer holds a lock on a part with a name as long as it
lives, which other machines may not see. `sweep` removes a part without a journal if its writer is known to have ended,
or has not written for a day. A crash can leave a part, never a half file under a final name.
"""

from __future__ import annotations

import contextlib
import errno
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

from ctadata.errors import LocalError
from ctadata.paths import TEMPORARY_PREFIX, check_local_name, escape_unprintable
from ctadata.transfer import resume_journal, temp_names
from ctadata.transfer.partial_file import SUFFIX, PartialFile, hidden_name, local_words, name_file

KEPT_FOR = 7 * 86400.0
"""Seconds that a part with a journal waits for a run that takes it up."""

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_PART_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(slots=True)
class LocalDir:
    """An open local directory that files are put into.

    path: for words only; the work is done through the open descriptor `fd`.
    nameless: whether a file can be made there without a name and be given one later; None: not yet found out.
    begun: hidden names, without their ends, of the parts that wait for a run, as of the last `sweep`.
    """

    path: Path
    fd: int
    nameless: bool | None = None
    begun: set[str] = field(default_factory=set)

    @classmethod
    def open(cls, base: Path, parts: Sequence[str] = ()) -> LocalDir:
        """Open (and make where needed) `base`, then each of `parts` below it; links are refused below `base`.

        Raises LocalError: a name that no local file can bear, a link or a file in the way, no permission.
        """
        path = base
        with local_words(path):
            with contextlib.suppress(FileExistsError):  # what is there and no directory, the next line says
                path.mkdir(parents=True)
            fd = os.open(path, _FOLDER_FLAGS)
        try:
            for part in parts:
                path = path / check_local_name(part)
                below = _step(fd, part, path)
                os.close(fd)
                fd = below
        except BaseException:
            os.close(fd)
            raise
        return cls(path, fd)

    def look(self, name: str) -> os.stat_result | None:
        """What stands under `name` (a link's target counts, unless it leads nowhere); None where nothing does."""
        with local_words(self.path, name):
            try:
                found = os.stat(name, dir_fd=self.fd, follow_symlinks=False)
            except FileNotFoundError:
                return None
            if stat.S_ISLNK(found.st_mode):
                with contextlib.suppress(FileNotFoundError):
                    return os.stat(name, dir_fd=self.fd)
            return found

    def room(self) -> int | None:
        """Bytes that the user may still write to this file system, as it says; None if it does not say."""
        try:
            found = os.fstatvfs(self.fd)
        except OSError:
            return None
        return found.f_bavail * found.f_frsize if found.f_blocks else None

    @property
    def is_empty(self) -> bool:
        """Whether no name stands in it."""
        with local_words(self.path), os.scandir(self.fd) as entries:
            return next(entries, None) is None

    def sweep(self, now: float | None = None) -> None:
        """Remove what dead runs have left: parts without a journal, or with one that nobody took up for a week."""
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
                    self._sweep(stem, has_journal=stem + resume_journal.SUFFIX in names, now=now)
                elif stem + SUFFIX not in names and not self._is_written_elsewhere(stem, now):
                    os.unlink(name, dir_fd=self.fd)

    def _is_written_elsewhere(self, stem: str, now: float) -> bool:
        """Whether a run of another machine, whose lock may not be seen here, may be at the part of this journal."""
        name = stem + resume_journal.SUFFIX
        mtime = os.stat(name, dir_fd=self.fd, follow_symlinks=False).st_mtime
        return temp_names.may_be_written_elsewhere(resume_journal.writer_of(self.fd, name), mtime, now)

    def _sweep(self, stem: str, *, has_journal: bool, now: float) -> None:
        fd = os.open(stem + SUFFIX, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self.fd)
        try:
            if not _lock(fd, stem + SUFFIX, self.fd):
                return
            found = os.fstat(fd)
            if has_journal and found.st_nlink == 1 and now - found.st_mtime < KEPT_FOR:
                self.begun.add(stem)
                return
            if not (has_journal or temp_names.is_abandoned(stem, found.st_mtime, now)):
                return
            os.unlink(stem + SUFFIX, dir_fd=self.fd)
            if has_journal:
                os.unlink(stem + resume_journal.SUFFIX, dir_fd=self.fd)
        finally:
            os.close(fd)

    def has_begun(self, target: str) -> bool:
        """Whether the last `sweep` has seen what an earlier run has begun of the file `target`."""
        return bool(self.begun) and _stem(target) in self.begun

    def abandon(self, target: str) -> None:
        """Remove what an earlier run has begun of the file `target`, if anything: nobody will go on with it."""
        stem = _stem(target)
        with contextlib.suppress(OSError):
            if not self._is_written_elsewhere(stem, time.time()):
                self._sweep(stem, has_journal=True, now=math.inf)

    def part(self) -> PartialFile:
        """A new part, empty, that nobody else can reach."""
        if self.nameless is None:
            self.nameless = self._has_nameless()
        with local_words(self.path):
            return PartialFile(self.path, self.fd, "", self._nameless()) if self.nameless else self._hidden()

    def _has_nameless(self) -> bool:
        """Try it: NFS has no such files, and without /proc they cannot be named."""
        try:
            fd, name = self._nameless(), hidden_name()
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

    def _nameless(self) -> int:
        return os.open(".", os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o666, dir_fd=self.fd)

    def _hidden(self) -> PartialFile:
        while True:
            name = hidden_name()
            fd = os.open(name, _PART_FLAGS | os.O_EXCL, 0o666, dir_fd=self.fd)
            with contextlib.suppress(OSError):  # a file system without locks: its parts are never swept
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(fd).st_nlink:
                return PartialFile(self.path, self.fd, name, fd)
            os.close(fd)  # swept by another run in the moment before our lock

    def resumable_part(self, target: str, version: dict[str, Any]) -> PartialFile:
        """The part of the file `target` that an earlier run may have begun, with its journal.

        Where another run is at it, or locks cannot be had, a part of one's own without a journal: two runs on one
        target may fetch twice, and never mix.
        """
        stem = _stem(target)
        with local_words(self.path):
            fd = self._claim(stem)
            if fd is None:
                return self.part()
            try:
                if (part := self._resumed(stem, fd, version)) is not None:
                    return part
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)
        return self.part()

    def _resumed(self, stem: str, fd: int, version: dict[str, Any]) -> PartialFile | None:
        """The part that is open and ours, with its journal; None if it is to be left, or no journal can be written."""
        name = stem + resume_journal.SUFFIX
        here = resume_journal.recall(self.fd, name, os.fstat(fd).st_size, version)
        if here is None:
            return None
        # what follows the last block is nobody's, and of another version there may be more bytes than of this one
        os.ftruncate(fd, here[-1].stop if here else 0)
        try:
            journal = resume_journal.Journal.begin(self.fd, name, version, here)
        except OSError:  # perhaps something that is no file has its name
            os.unlink(stem + SUFFIX, dir_fd=self.fd)
            return None
        return PartialFile(self.path, self.fd, stem + SUFFIX, fd, here, journal)

    def _claim(self, stem: str) -> int | None:
        """Open and lock a part that may be there; None where it is not ours alone."""
        name, is_new = stem + SUFFIX, True
        try:
            try:
                fd = os.open(name, _PART_FLAGS | os.O_EXCL, 0o666, dir_fd=self.fd)
            except FileExistsError:
                fd, is_new = os.open(name, _PART_FLAGS, 0o666, dir_fd=self.fd), False
        except OSError:  # what is wrong with the folder, a part of one's own meets too
            return None
        found = os.fstat(fd)
        ours = found.st_nlink == 1 and stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
        # a run of another machine, whose lock may not be seen here, has made it and is about to write its journal
        ours = ours and (is_new or bool(found.st_size) or self._has(stem + resume_journal.SUFFIX))
        held = _lock(fd, name, self.fd) if ours else False
        if held:
            return fd
        os.close(fd)
        if held is None and not found.st_size:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=self.fd)
        return None  # another run is at it, or it is somebody else's, or linked to elsewhere

    def _has(self, name: str) -> bool:
        try:
            os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Let go of it."""
        os.close(self.fd)


def _stem(target: str) -> str:
    """The hidden name, without its end, of the part of a file that several runs may fetch."""
    return TEMPORARY_PREFIX + hashlib.sha256(target.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _lock(fd: int, name: str, directory: int) -> bool | None:
    """Lock the open file; whether nobody else has it locked, and it still has this name; None where locks lie.

    A run that publishes its part lets go of it under the final name. Where locks lie, a second one is to be had too.
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


def _step(fd: int, part: str, path: Path) -> int:
    """Open the directory `part` of the open directory `fd`, made where it is missing, never through a link."""
    with local_words(path), contextlib.suppress(FileExistsError):
        os.mkdir(part, dir_fd=fd)
    below = open_directory(fd, part, path)
    if below is None:
        raise LocalError("local: it was removed meanwhile", path=escape_unprintable(str(path)))
    return below


def open_directory(fd: int | None, name: str, path: Path) -> int | None:
    """Open the directory `name`, below the open directory `fd` never through a link; None where nothing is there.

    path: for words.  Raises LocalError: a link or a file in the way, no permission.
    """
    with local_words(path):
        try:
            return os.open(name, _FOLDER_FLAGS if fd is None else _FOLDER_FLAGS | os.O_NOFOLLOW, dir_fd=fd)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.ENOTDIR):
                raise
            is_link = stat.S_ISLNK(os.stat(name, dir_fd=fd, follow_symlinks=fd is None).st_mode)
    what = "a link, and files are not written through links" if is_link else "not a directory"
    raise LocalError(f"local: it is {what}", path=escape_unprintable(str(path)))
