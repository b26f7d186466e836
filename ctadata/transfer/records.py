"""Keep records of verified transfers: the versions of a local file and its counterpart when their bytes were the same.

A record alone proves nothing. It holds while size, mtime, ctime and inode of the local file, and size, mtime and tag of
the remote file, are unchanged. If a record is lost or of other files, a file is read or sent again, and nothing else.

One file in the cache directory keeps the records of a pair of directories, a remote and a local one::

    ~/.cache/ctadata/records/<hash of both directories>.records

It is read once per run. It is written whole beside its place and renamed, so any number of processes may use it, on NFS
as well: no file is locked. If two processes write at once, the second one adds what the first one has written.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ctadata.checksums import etag_digest
from ctadata.entries import NO_CHECKSUMS, Entry
from ctadata.paths import RemotePath
from ctadata.transfer.record_cache import PRUNED_AFTER, SUFFIX, age_of, load, prune, replace_file, stamp_of
from ctadata.versions import tags_differ, tags_match

SCHEMA = 1

MOST = 100_000
"""The largest number of records of one pair of directories; further files have no record."""


UNWRITTEN = 2000
"""The number of records that wait in memory before they are written in the middle of a run."""

PRUNED_BYTES = 16 << 20
"""Bytes written by one run after which the cache is checked for its size at once."""

OPEN = 32
"""The largest number of pairs of directories whose records are in memory."""


TICK, COARSE = 0.05, 2.5
"""Seconds within which two changes of a file may have one mtime: if times have fractions, and if they have none."""

Version = tuple[Any, ...]
"""The facts that differ between two versions of a file.

Local: size, mtime, ctime and inode. Remote: size, mtime and tag.
"""


def local_version(status: os.stat_result) -> Version:
    """Return the version of a local file."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def remote_version(entry: Entry) -> Version:
    """Return the version of a remote file, as its listing has it."""
    return entry.size, entry.mtime, entry.etag or None


def may_change_unseen(status: os.stat_result, *, now: float, changed: float | None = None) -> bool:
    """Return whether the file may be written after `now` and keep the times of `status`.

    Args:
        status: The file's stat(2).
        now: Seconds since 1970.
        changed: When the file was last changed, in seconds since 1970; None: its ctime.
    """
    coarse = status.st_ctime_ns % 1_000_000_000 == 0
    return now - (status.st_ctime if changed is None else changed) < (COARSE if coarse else TICK)


def digests_of(entry: Entry) -> dict[str, str]:
    """Return the digests of a remote file's listing; a tag that looks like an MD5 counts as one."""
    return {**etag_digest(entry.etag), **entry.checksums}


@dataclass(slots=True)  # a frozen one takes three times as long to make, and there is one for each file
class Record:
    """The versions of two files when their bytes were the same.

    Attributes:
        local: The version at the source of an upload, or at the target of a download; None if the file may have changed
            and kept this version.
        remote: The version on the storage; a part of it that was unknown is None.
        digests: The digests of the bytes.
    """

    local: Version | None
    remote: Version
    digests: Mapping[str, str] = field(default_factory=lambda: NO_CHECKSUMS)

    def holds(self, local: Version, entry: Entry) -> bool:
        """Return whether both files still have the versions of the record."""
        return local == self.local and self.is_remote_unchanged(entry)

    def is_remote_unchanged(self, entry: Entry) -> bool:
        """Return whether the remote file has the version of the record: the size and all common facts are equal.

        A weak tag that is equal proves nothing. A weak tag that differs shows another version.
        """
        size, mtime, etag = self.remote
        if size != entry.size:
            return False
        has_time = mtime is not None and entry.mtime is not None
        if (has_time and mtime != entry.mtime) or tags_differ(etag, entry.etag):
            return False
        is_proved = has_time or tags_match(etag, entry.etag)
        for name, now in entry.checksums.items():
            then = self.digests.get(name)
            if then is not None and then != now:
                return False
            is_proved = is_proved or then is not None
        return is_proved


Place = tuple[tuple[str, ...], Path | str]
"""A pair of directories, as `Records.of` takes it."""

NotedRecord = tuple[Place, str, Record]
"""The record of one file, with its pair of directories and its name."""


class FolderRecords:
    """The records of one pair of directories, by the files' names on the storage.

    Attributes:
        place: The pair.
    """

    def __init__(self, path: Path | None, header: Mapping[str, str], place: Place) -> None:
        """Read the records.

        Args:
            path: Their file; None: nothing is kept.
            header: The two directories, as the first fields of the file; they are for people who look into the cache.
            place: The pair of directories.
        """
        self.place = place
        self._path = path
        self._header = header
        self._lock = threading.Lock()
        self._known, self._stamp = _read(path, header)
        self._noted: dict[str, list[Any]] = {}

    def get(self, name: str) -> Record | None:
        """Return the record of a file; None if there is no valid one."""
        row = (self._noted.get(name) if self._noted else None) or self._known.get(name)
        return _record(row) if row is not None else None

    def note(self, name: str, record: Record) -> bool:
        """Keep a record in memory; return whether so many wait that they have to be written."""
        if self._path is None:
            return False
        with self._lock:
            self._noted[name] = [record.local, record.remote, dict(record.digests)]
            return len(self._noted) >= max(UNWRITTEN, len(self._known) // 2)

    def write(self) -> int:
        """Write the new records, beside those of other processes, and return the bytes. Errors are ignored."""
        with self._lock:
            if not self._noted or self._path is None:
                return 0
            if stamp_of(self._path) != self._stamp:
                self._known, self._stamp = _read(self._path, self._header)
            known = {**self._known, **self._noted}
            if len(known) > MOST:
                known = {**self._noted, **self._known}
                known = {name: self._noted.get(name, known[name]) for name in list(known)[:MOST]}
            text = json.dumps({"schema": SCHEMA, **self._header, "files": known}, separators=(",", ":"))
            try:
                replace_file(self._path, text.encode("utf-8", "surrogatepass"))
            except OSError:
                return 0  # without the record, a later run reads or sends a file again
            self._known, self._noted, self._stamp = known, {}, stamp_of(self._path)
            return len(text)


class Records:
    """The records that one run uses. Any thread may call any method.

    Attributes:
        sent: The new records, if another process writes them; None: this one writes them.
    """

    def __init__(self, origin: str, folder: Path | None = None, *, sends: bool = False) -> None:
        """Start without any records in memory.

        Args:
            origin: The storage's address.
            folder: The directory of the cache; None: nothing is kept.
            sends: Collect new records in `sent`, and write none.
        """
        self.sent: list[NotedRecord] | None = [] if sends else None
        self._origin = origin
        self._folder = folder
        self._lock = threading.Lock()
        self._open: OrderedDict[tuple[tuple[str, ...], str], FolderRecords] = OrderedDict()
        self._written = 0

    def of(self, remote: tuple[str, ...], counterpart: Path | str) -> FolderRecords:
        """Return the records of a pair of directories.

        Args:
            remote: The names along the path of the directory on the storage.
            counterpart: The local directory; or the directory of another storage, as an address.
        """
        key = remote, str(counterpart)
        with self._lock:
            records = self._open.get(key)
            if records is None:
                records = self._open[key] = self._read((remote, counterpart))
                excess = [self._open.popitem(last=False)[1] for _ in range(len(self._open) - OPEN)]
            else:
                self._open.move_to_end(key)
                excess = []
        for folder in excess:
            self._count(folder.write())
        return records

    def _read(self, place: Place) -> FolderRecords:
        remote, counterpart = place
        other = os.path.realpath(counterpart) if isinstance(counterpart, Path) else counterpart
        header = {"remote": f"{self._origin}{RemotePath(remote)}", "other": other}
        key = hashlib.sha256(json.dumps(list(header.values())).encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return FolderRecords(self._folder and self._folder / f"{key}{SUFFIX}", header, place)

    def note(self, folder: FolderRecords, name: str, record: Record) -> None:
        """Keep the record of a file in that pair of directories."""
        if self.sent is not None:
            self.sent.append((folder.place, name, record))
        elif folder.note(name, record):
            self._count(folder.write())

    def note_all(self, sent: Iterable[NotedRecord]) -> None:
        """Keep the records that another process has collected."""
        for place, name, record in sent:
            self.note(self.of(*place), name, record)

    def write(self) -> None:
        """Write all new records, and remove old ones if the cache is too large."""
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
        """Remove the files that were not used for longest if there is not enough room; this is checked once an hour."""
        if self._folder is None:
            return
        marker = self._folder / "pruned"
        with contextlib.suppress(OSError):
            if not at_once and age_of(marker) < PRUNED_AFTER:
                return
            marker.touch(mode=0o600)
            os.utime(marker)
            prune(self._folder)


def _read(path: Path | None, own: Mapping[str, str]) -> tuple[dict[str, list[Any]], Version | None]:
    """Return the records of a file, and the file's version; no records if it is of other directories."""
    content, stamp = load(path)
    is_own = content.get("schema") == SCHEMA and all(content.get(side) == name for side, name in own.items())
    known = content.get("files") if is_own else None
    return (known if isinstance(known, dict) else {}), stamp


def _record(row: Any) -> Record | None:
    try:
        local, remote, digests = row
        if isinstance(remote, dict) or len(remote) != 3 or not isinstance(digests, dict):
            return None
        if not isinstance(remote[2], str | None):
            return None
        return Record(local and tuple(local), remote, digests)
    except (TypeError, ValueError):
        return None
