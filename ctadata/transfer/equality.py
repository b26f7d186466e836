"""Equal is known, never guessed: by the record of the last verified transfer, by the mtime, by the content.

- A record that holds: both files are what they were when their bytes last were the same. Where only times or the inode
  of the local file moved, it is read and compared with the digest of then.
- Without a record, the mtime, where it means the content: the store keeps that of an upload (dCache with its listing,
  S3 beside the object, asked for with one request), or `get` has set the local one from the store's.
- Else the content: a checksum, or a tag that is one, of both sides.

Which file is younger says nothing: a restored file is older than what it replaces, and clocks differ.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ctadata.checksums import STRONGEST_FIRST, etag_digest, etag_digests, strongest_digest
from ctadata.entries import Entry
from ctadata.stores.base import Features
from ctadata.transfer.integrity import digest_of
from ctadata.transfer.records import (
    FolderRecords,
    Record,
    Records,
    Version,
    digests_of,
    local_version,
    may_change_unseen,
    remote_version,
)

EXACT = 1e-6
"""Seconds: what a number that is written down with all its digits may have lost."""


class Side(Protocol):
    """The file that is compared with an entry of the storage."""

    @property
    def size(self) -> int | None:
        """Bytes."""

    @property
    def mtime(self) -> float | None:
        """Seconds since 1970."""

    @property
    def version(self) -> Version:
        """What a record keeps of it."""

    @property
    def may_be_dated(self) -> bool:
        """Whether a download may have given it the mtime of the entry."""

    def settled_version(self) -> Version | None:
        """The version, where no later write can bear the same one."""

    def same(self, size: int, digests: Mapping[str, str]) -> str:
        """The algorithm of `digests` that proves the content to be the same; empty where none does."""

    def same_tag(self, entry: Entry) -> bool:
        """Whether tags that say something of the content are the same."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A local file: a path, or an open descriptor; what stat(2) says of it, and when it was asked at the latest."""

    local: Path | int
    found: os.stat_result
    looked: float = field(default_factory=time.time)

    @property
    def size(self) -> int:
        """Bytes."""
        return self.found.st_size

    @property
    def mtime(self) -> float:
        """Seconds since 1970."""
        return self.found.st_mtime

    @property
    def version(self) -> Version:
        """Size, mtime, ctime and inode."""
        return local_version(self.found)

    @property
    def may_be_dated(self) -> bool:
        """Downloads set the mtime."""
        return True

    def settled_version(self) -> Version | None:
        """None where it was written a moment ago, or is no longer what it was."""
        try:
            now = os.stat(self.local)  # noqa: PTH116  (a descriptor too)
        except OSError:
            return None
        is_fresh = may_change_unseen(self.found, now=self.looked)
        return None if is_fresh or local_version(now) != self.version else self.version

    def same(self, size: int, digests: Mapping[str, str]) -> str:
        """Read it and compare; LocalError where it cannot be read."""
        best = strongest_digest(digests)
        same = best is not None and size == self.size and digest_of(self.local, best[0]) == best[1]
        return best[0] if best and same else ""

    def same_tag(self, entry: Entry) -> bool:
        """Whether the tag is that of parts of one of the usual sizes."""
        candidates = etag_digests(entry.etag, self.size)
        return any(digest_of(self.local, algorithm) == digest for algorithm, digest in candidates)


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of another storage, as an entry.

    date: asks for the mtime of the file that was uploaded.   tags: its tag is a digest where it looks like one.
    """

    entry: Entry
    date: Callable[[], float | None]
    tags: bool = False

    @property
    def size(self) -> int | None:
        """Bytes."""
        return self.entry.size

    @property
    def mtime(self) -> float | None:
        """That of the file which was uploaded, where it is known."""
        return self.date()

    @property
    def version(self) -> Version:
        """Size, mtime and tag."""
        return remote_version(self.entry)

    @property
    def may_be_dated(self) -> bool:
        """Nothing dates a remote file."""
        return False

    def settled_version(self) -> Version:
        """The version."""
        return self.version

    def same(self, size: int, digests: Mapping[str, str]) -> str:
        """Compare with what the listing tells; nothing is read."""
        own = {**(etag_digest(self.entry.etag) if self.tags else {}), **self.entry.checksums}
        common = [name for name in STRONGEST_FIRST if name in digests and name in own]
        same = size == self.size and bool(common) and own[common[0]] == digests[common[0]]
        return common[0] if same else ""

    def same_tag(self, entry: Entry) -> bool:
        """Whether both tags are the MD5 of the same parts."""
        return self.tags and self.entry.etag == entry.etag and bool(etag_digests(entry.etag, entry.size or 0))


@dataclass(frozen=True, slots=True)
class Pair:
    """A file and its counterpart on the storage: where their record is kept, and who tells more of the remote one.

    look: asks the store for the entry with the mtime that it keeps beside its own.
    writes: whether records are kept; a dry run keeps none.
    """

    records: Records
    folder: FolderRecords
    name: str
    look: Callable[[], Entry]
    writes: bool = True

    @property
    def record(self) -> Record | None:
        """The record of their last verified transfer."""
        return self.folder.get(self.name)

    def note(self, here: Version | None, there: Version, digests: Mapping[str, str]) -> None:
        """Keep what both are now that their bytes are the same."""
        if self.writes:
            self.records.note(self.folder, self.name, Record(here, there, digests))


def is_equal(side: Side, entry: Entry, features: Features, pair: Pair | None) -> bool:
    """Whether the file is known to be equal to `entry`; a new proof by its content is kept as a record."""
    if entry.size is None or entry.size != side.size:
        return False
    record = pair.record if pair else None
    if record is not None and pair is not None:
        return record.holds(side.version, entry) or _is_proved(side, entry, pair, record)
    if agree(side, entry, features):
        return True
    if pair is not None and features.mtime_in_metadata:
        entry = pair.look() if entry.kept_mtime is None else entry
        if entry.size != side.size:
            return False
        if _agrees_beside(side, entry):
            pair.note(side.settled_version(), remote_version(entry), {})
            return True
    return _is_proved(side, entry, pair, None)


def _is_proved(side: Side, entry: Entry, pair: Pair | None, record: Record | None) -> bool:
    """Whether the content is the same: as of the record where the remote file is that of then, else as listed."""
    known: Mapping[str, str]
    if record is not None and record.digests and record.is_there(entry):
        known = record.digests
        same = bool(side.same(entry.size or 0, known))
    elif record is not None and record.here == side.version and (common := _common(record.digests, entry)):
        known = record.digests
        same = known[common] == digests_of(entry)[common]
    else:
        known = digests_of(entry)
        same = same_content(side, entry)
    if same and pair is not None:
        pair.note(side.settled_version(), remote_version(entry), known)
    return same


def _common(digests: Mapping[str, str], entry: Entry) -> str:
    """The strongest algorithm of which a digest was kept and the listing tells one."""
    now = entry.checksums or etag_digest(entry.etag)
    return next((name for name in STRONGEST_FIRST if name in digests and name in now), "")


def agree(side: Side, entry: Entry, features: Features) -> bool:
    """Whether size and mtime agree, and the mtime means the content; files without bytes are all equal."""
    if entry.size != side.size:
        return False
    if side.size == 0:
        return True
    if entry.mtime is None or not (features.keeps_mtime or side.may_be_dated) or (mtime := side.mtime) is None:
        return False
    if features.keeps_mtime:  # in whole seconds, where not exactly
        return math.floor(mtime) == entry.mtime or abs(entry.mtime - mtime) < EXACT
    return not features.mtime_in_metadata and entry.mtime == mtime


def _agrees_beside(side: Side, entry: Entry) -> bool:
    """The same for a store that keeps the mtime of an upload beside its own, in full."""
    if entry.kept_mtime is not None:
        mtime = side.mtime
        return mtime is not None and abs(entry.kept_mtime - mtime) < EXACT
    return side.may_be_dated and entry.mtime == side.mtime


def same_content(side: Side, entry: Entry) -> bool:
    """Whether the file has the size of the entry, and a checksum or tag of it; False where the entry has none."""
    if entry.size is None or entry.size != side.size:
        return False
    known = entry.checksums or etag_digest(entry.etag)
    return bool(side.same(entry.size, known)) if known else side.same_tag(entry)
