"""Records of verified transfers: what a local file and its counterpart were when their bytes last were the same.

A record proves nothing by itself. It holds while size, mtime, ctime and inode of the local file, and size, mtime and
tag of the remote one, are those of then; a record that is lost or foreign costs that a file is read or sent again.

One file in the cache directory keeps the records of a pair of folders, a remote and a local one. It is read once, and
written whole beside its place and renamed, so that any number of processes may use it, on NFS as well: no file is
locked, and of two processes that write at once the second takes over what the first has written.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import stat
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ctadata.checksums import etag_digest
from ctadata.entries import NO_CHECKSUMS, Entry
from ctadata.paths import RemotePath
from ctadata.versions import tags_differ, tags_match

SUFFIX = ".records"
SCHEMA = 1

MOST = 100_000
"""Records of one pair of folders; further files go without."""

ROOM = 128 << 20
"""Bytes of all records; beyond, those that were not used for longest go."""

UNWRITTEN = 2000
"""Records that wait in memory at most, before they are written although the run goes on."""

OPEN = 32
"""Pairs of folders whose records are in memory."""

PRUNED_AFTER, PRUNED_BYTES = 3600.0, 16 << 20
"""Seconds and written bytes after which the room is looked at again."""

TICK, COARSE = 0.05, 2.5
"""Seconds within which two changes of a file may bear one time: where times have fractions, and where not."""

Version = tuple[Any, ...]
"""What tells one version of a file from others: of a local file size, mtime, ctime and inode; of a remote one size,
mtime and tag."""


def cache_directory() -> Path | None:
    """Return the user's cache directory of this program; None if the user has no home."""
    import platformdirs

    try:
        return platformdirs.user_cache_path("ctadata", appauthor=False)
    except (RuntimeError, KeyError, OSError):
        return None


def directory() -> Path | None:
    """Return the directory of all records; None if the user has no home."""
    cache = cache_directory()
    return cache and cache / "records"


def local_version(found: os.stat_result) -> Version:
    """The version of a local file."""
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def remote_version(entry: Entry) -> Version:
    """The version of a remote file, as a listing tells it."""
    return entry.size, entry.mtime, entry.etag or None


def may_change_unseen(found: os.stat_result, *, now: float, changed: float | None = None) -> bool:
    """Whether the file may be written again, from `now` on, and bear the times of `found`.

    changed: when it was changed last, in seconds since 1970; None: its ctime.
    """
    coarse = found.st_ctime_ns % 1_000_000_000 == 0
    return now - (found.st_ctime if changed is None else changed) < (COARSE if coarse else TICK)


def digests_of(entry: Entry) -> dict[str, str]:
    """The digests of a remote file that its listing tells; a tag that looks like an MD5 counts as one."""
    return {**etag_digest(entry.etag), **entry.checksums}


@dataclass(slots=True)  # a frozen one takes three times as long to make, and there is one for each file
class Record:
    """What the two files were when their bytes last were the same.

    here:    the version at the source of an upload or the target of a download; None where it may have changed unseen.
    there:   the version on the storage; a part of it that was not known then is None.
    digests: of the bytes.
    """

    here: Version | None
    there: Version
    digests: Mapping[str, str] = field(default_factory=lambda: NO_CHECKSUMS)

    def holds(self, here: Version, entry: Entry) -> bool:
        """Whether both files are those of then."""
        return here == self.here and self.is_there(entry)

    def is_there(self, entry: Entry) -> bool:
        """Whether the remote file is that of then: all that is known of both agrees, beside the size.

        A weak tag that is the same proves nothing; one that differs means another version.
        """
        size, mtime, etag = self.there
        if size != entry.size:
            return False
        has_time = mtime is not None and entry.mtime is not None
        if (has_time and mtime != entry.mtime) or tags_differ(etag, entry.etag):
            return False
        is_known = has_time or tags_match(etag, entry.etag)
        for name, now in entry.checksums.items():
            then = self.digests.get(name)
            if then is not None and then != now:
                return False
            is_known = is_known or then is not None
        return is_known


class FolderRecords:
    """The records of one pair of folders, by the names on the storage."""

    def __init__(self, path: Path | None, said: Mapping[str, str]) -> None:
        """Of the file `path`; `said` are its two sides in words, for those who list the cache."""
        self._path = path
        self._said = said
        self._lock = threading.Lock()
        self._known, self._stamp = _read(path, said)
        self._noted: dict[str, list[Any]] = {}

    def get(self, name: str) -> Record | None:
        """The record of a file; None where there is none that makes sense."""
        row = (self._noted.get(name) if self._noted else None) or self._known.get(name)
        return _record(row) if row is not None else None

    def note(self, name: str, record: Record) -> bool:
        """Keep a record; whether so many wait that they are to be written."""
        if self._path is None:
            return False
        with self._lock:
            self._noted[name] = [record.here, record.there, dict(record.digests)]
            return len(self._noted) >= max(UNWRITTEN, len(self._known) // 2)

    def write(self) -> int:
        """Write what was noted, beside what others have written meanwhile; gives the bytes. Never fails."""
        with self._lock:
            if not self._noted or self._path is None:
                return 0
            if _stamp(self._path) != self._stamp:
                self._known, self._stamp = _read(self._path, self._said)
            known = {**self._known, **self._noted}
            if len(known) > MOST:
                known = {**self._noted, **self._known}
                known = {name: self._noted.get(name, known[name]) for name in list(known)[:MOST]}
            text = json.dumps({"schema": SCHEMA, **self._said, "files": known}, separators=(",", ":"))
            try:
                _replace(self._path, text.encode("utf-8", "surrogatepass"))
            except OSError:
                return 0  # a record that cannot be written costs a later run its reading, this one nothing
            self._known, self._noted, self._stamp = known, {}, _stamp(self._path)
            return len(text)


class Records:
    """The records that one run uses; any thread."""

    def __init__(self, origin: str, folder: Path | None = None) -> None:
        """Of the storage `origin`, in a folder of the cache; None: nothing is kept."""
        self._origin = origin
        self._folder = folder
        self._lock = threading.Lock()
        self._open: OrderedDict[tuple[str, str], FolderRecords] = OrderedDict()
        self._written = 0

    def of(self, remote: RemotePath, counterpart: Path | str) -> FolderRecords:
        """The records of a remote folder and its counterpart: a local folder, or another storage's, as an address."""
        key = str(remote), str(counterpart)
        with self._lock:
            found = self._open.get(key)
            if found is None:
                found = self._open[key] = self._read(*key, local=isinstance(counterpart, Path))
                surplus = [self._open.popitem(last=False)[1] for _ in range(len(self._open) - OPEN)]
            else:
                self._open.move_to_end(key)
                surplus = []
        for each in surplus:
            self._count(each.write())
        return found

    def _read(self, remote: str, counterpart: str, *, local: bool) -> FolderRecords:
        other = os.path.realpath(counterpart) if local else counterpart
        said = {"remote": f"{self._origin}{remote}", "other": other}
        key = hashlib.sha256(json.dumps(list(said.values())).encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return FolderRecords(self._folder and self._folder / f"{key}{SUFFIX}", said)

    def note(self, folder: FolderRecords, name: str, record: Record) -> None:
        """Keep a record of a file in that folder."""
        if folder.note(name, record):
            self._count(folder.write())

    def write(self) -> None:
        """Write all that was noted, and keep to the room."""
        with self._lock:
            folders = list(self._open.values())
        for folder in folders:
            self._count(folder.write())
        if self._written:
            self._prune()

    def _count(self, written: int) -> None:
        self._written += written
        if self._written >= PRUNED_BYTES:
            self._prune(at_once=True)
            self._written = 1

    def _prune(self, *, at_once: bool = False) -> None:
        """Remove what was not used for longest where there is more than the room; looked at once an hour."""
        if self._folder is None:
            return
        marker = self._folder / "pruned"
        with contextlib.suppress(OSError):
            if not at_once and _age(marker) < PRUNED_AFTER:
                return
            marker.touch(mode=0o600)
            os.utime(marker)
            prune(self._folder)


def _age(path: Path) -> float:
    try:
        return abs(time.time() - path.stat().st_mtime)
    except OSError:
        return float("inf")


def files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """The files of the cache, those that writers that died have left included."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if SUFFIX in entry.name and entry.is_file(follow_symlinks=False):
                    yield Path(entry.path), entry.stat(follow_symlinks=False)


def prune(folder: Path, room: int | None = None) -> None:
    """Remove the records that were not used for longest, until the others have room."""
    left = ROOM if room is None else room
    for path, found in sorted(files(folder), key=lambda file: -file[1].st_mtime):
        left -= max(found.st_size, 4096)
        if left < 0 or (path.suffix != SUFFIX and _age(path) > PRUNED_AFTER):
            with contextlib.suppress(OSError):
                path.unlink()


def clear(folder: Path) -> tuple[int, int]:
    """Remove all records; gives how many files, and their bytes. OSError."""
    count = size = 0
    for path, found in files(folder):
        path.unlink(missing_ok=True)
        count, size = count + 1, size + found.st_size
    with contextlib.suppress(OSError):
        (folder / "pruned").unlink()
    return count, size


def describe(path: Path) -> tuple[str, str, int] | None:
    """The two sides of a file of the cache, and its number of records; None where it makes no sense."""
    said, _ = _load(path)
    try:
        return str(said["remote"]), str(said["other"]), len(said["files"])
    except (KeyError, TypeError):
        return None


def _read(path: Path | None, own: Mapping[str, str]) -> tuple[dict[str, list[Any]], Version | None]:
    """The records of a file that is about these two sides; it may have been put in the place of another one."""
    said, stamp = _load(path)
    is_own = said.get("schema") == SCHEMA and all(said.get(side) == name for side, name in own.items())
    known = said.get("files") if is_own else None
    return (known if isinstance(known, dict) else {}), stamp


def _load(path: Path | None) -> tuple[dict[str, Any], Version | None]:
    """What a file of the cache says, and its version; nothing of one that others can write."""
    if path is None:
        return {}, None
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return {}, None
    with open(fd, "rb") as file:  # noqa: PTH123  (a descriptor)
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            return {}, None
        if found.st_size > ROOM:
            return {}, None
        if time.time() - found.st_mtime > 86400:  # used today: `prune` removes others first
            with contextlib.suppress(OSError):
                os.utime(fd)
                found = os.fstat(fd)
        try:
            said = json.loads(file.read())
        except (OSError, ValueError, RecursionError):
            return {}, None
    return (said if isinstance(said, dict) else {}), local_version(found)


def _stamp(path: Path) -> Version | None:
    try:
        return local_version(path.stat())
    except OSError:
        return None


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}-{secrets.token_hex(6)}")
    try:
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:  # noqa: PTH123
            file.write(content)
        fresh.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise


def _record(row: Any) -> Record | None:
    try:
        here, there, digests = row
        if len(there) != 3 or not isinstance(there[2], str | None) or not isinstance(digests, dict):
            return None
        return Record(here and tuple(here), there, digests)
    except (TypeError, ValueError):
        return None
