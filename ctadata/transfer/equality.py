"""Decide whether two files are equal. No other module decides this.

Equal is known, never guessed. `is_equal` asks these questions, in this order:

- Does the record of their last verified transfer hold? It holds if both files have the version of that time. If only
  the times or the inode of the local file changed, the file is read and compared with the digest of that time.
- If there is no record: do the mtimes agree, and does the mtime say anything of the content? It does if the store keeps
  the mtime of an upload (dCache in its listing; S3 beside the object, which costs one request), or if `get` has set the
  local mtime from the store's.
- Else: does the content agree? A checksum of both sides is compared, or a tag that is one.

Which file is younger says nothing: a restored file is older than the file it replaces, and clocks differ.
"""

from __future__ import annotations

import math
import os
import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from ctadata.checksums import STRONGEST_FIRST, etag_digest, etag_digests, strongest_digest
from ctadata.entries import NO_CHECKSUMS, Entry
from ctadata.stores.base import Features
from ctadata.transfer.integrity import CheckStop, digest_of
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
"""Seconds that an mtime may lose when all its digits are written down and read again."""


class Compare(StrEnum):
    """The rule by which two files of one name count as equal.

    USUAL is the rule of this module's docstring. SIZE compares the size alone. CHECKSUM compares size and checksum, and
    a file without a known checksum counts as different.
    """

    USUAL = "usual"
    SIZE = "size"
    CHECKSUM = "checksum"


class Side(Protocol):
    """The file that is compared with an entry of the storage: `LocalFile` or `RemoteFile`."""

    @property
    def size(self) -> int | None:
        """Bytes; None if unknown."""

    @property
    def mtime(self) -> float | None:
        """Seconds since 1970; None if unknown."""

    @property
    def version(self) -> Version:
        """The version that a record keeps."""

    @property
    def may_be_dated(self) -> bool:
        """Whether a download may have set this file's mtime to that of the entry."""

    def settled_version(self) -> Version | None:
        """Return the version; None if the file may still change and keep this version."""

    def matching_digest(self, size: int, digests: Mapping[str, str]) -> str:
        """Return the algorithm of `digests` that proves equal content; empty if none does."""

    def has_same_tag(self, entry: Entry) -> bool:
        """Return whether the tag of `entry` proves equal content."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A local file.

    Attributes:
        local: A path, or an open file descriptor.
        status: The file's stat(2).
        seen_at: A time that is not before the stat(2), in seconds since 1970.
        check_stop: As for `digest_of`, where the file is read.
    """

    local: Path | int
    status: os.stat_result
    seen_at: float = field(default_factory=time.time)
    check_stop: CheckStop | None = None

    @property
    def size(self) -> int:
        """Bytes."""
        return self.status.st_size

    @property
    def mtime(self) -> float:
        """Seconds since 1970."""
        return self.status.st_mtime

    @property
    def version(self) -> Version:
        """Size, mtime, ctime and inode."""
        return local_version(self.status)

    @property
    def may_be_dated(self) -> bool:
        """True: downloads set the mtime."""
        return True

    def settled_version(self) -> Version | None:
        """Return the version; None if the file was written a moment ago, or has changed since `status`."""
        try:
            now = os.stat(self.local)  # noqa: PTH116  (a descriptor too)
        except OSError:
            return None
        version = local_version(self.status)
        is_fresh = may_change_unseen(self.status, now=self.seen_at)
        return None if is_fresh or local_version(now) != version else version

    def matching_digest(self, size: int, digests: Mapping[str, str]) -> str:
        """Read the file and compare it with the strongest digest; see `Side`. Raises LocalError, and Stopped."""
        best = strongest_digest(digests)
        if best is None or size != self.size or digest_of(self.local, best[0], self.check_stop) != best[1]:
            return ""
        return best[0]

    def has_same_tag(self, entry: Entry) -> bool:
        """Read the file, and return whether the tag is that of an upload in parts of one of the usual sizes."""
        candidates = etag_digests(entry.etag, self.size)
        return any(digest_of(self.local, algorithm, self.check_stop) == digest for algorithm, digest in candidates)


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of another storage.

    Attributes:
        entry: Its entry.
        get_mtime: Returns the mtime of the file that was uploaded; may send a request.
        etag_may_be_md5: Whether a tag that looks like an MD5 is the MD5 of the content (`Features.etag_may_be_md5`).
    """

    entry: Entry
    get_mtime: Callable[[], float | None]
    etag_may_be_md5: bool = False

    @property
    def size(self) -> int | None:
        """Bytes; None if unknown."""
        return self.entry.size

    @property
    def mtime(self) -> float | None:
        """The mtime of the file that was uploaded; None if unknown."""
        return self.get_mtime()

    @property
    def version(self) -> Version:
        """Size, mtime and tag."""
        return remote_version(self.entry)

    @property
    def may_be_dated(self) -> bool:
        """False: no transfer sets the mtime of a remote file."""
        return False

    def settled_version(self) -> Version:
        """Return the version."""
        return self.version

    def matching_digest(self, size: int, digests: Mapping[str, str]) -> str:
        """Compare the checksums of the listing; nothing is read. See `Side`."""
        own = {**(etag_digest(self.entry.etag) if self.etag_may_be_md5 else {}), **self.entry.checksums}
        common = [name for name in STRONGEST_FIRST if name in digests and name in own]
        is_same = size == self.size and bool(common) and own[common[0]] == digests[common[0]]
        return common[0] if is_same else ""

    def has_same_tag(self, entry: Entry) -> bool:
        """Return whether both tags are the MD5 of the same parts."""
        same = self.etag_may_be_md5 and self.entry.etag == entry.etag
        return same and bool(etag_digests(entry.etag, entry.size or 0))


@dataclass(slots=True)  # a frozen one takes four times as long to make, and there is one for each file
class Pair:
    """A file, its counterpart on the storage, and the place of their record.

    Attributes:
        records: The records of the run.
        folder: The records of the two folders that hold the files.
        name: The file's name on the storage.
        look: Asks the store for the entry with the mtime that it keeps beside its own.
        get_digests: Asks the store for the digests that it keeps beside its listing; None if it keeps none there.
        writes: Whether records are written. A dry run writes none.
    """

    records: Records
    folder: FolderRecords
    name: str
    look: Callable[[], Entry]
    get_digests: Callable[[], Mapping[str, str]] | None = None
    writes: bool = True

    @property
    def record(self) -> Record | None:
        """The record of the last verified transfer; None if there is none."""
        return self.folder.get(self.name)

    def save(self, local: Version | None, remote: Version, digests: Mapping[str, str]) -> None:
        """Keep the versions of both files, whose bytes are the same now."""
        if self.writes:
            self.records.note(self.folder, self.name, Record(local, remote, digests))


def is_equal(side: Side, entry: Entry, features: Features, pair: Pair | None, compare: Compare = Compare.USUAL) -> bool:
    """Return whether a file is known to be equal to an entry of the storage; a new proof is kept as a record.

    Args:
        side: The file.
        entry: The entry.
        features: The features of the entry's store.
        pair: The place of their record; None: without records.
        compare: The rule.

    Raises:
        LocalError: The local file cannot be read.
        CtadataError: What the store raises when it is asked for the mtime.
    """
    if compare is Compare.SIZE:
        return entry.size == side.size
    if compare is Compare.CHECKSUM:
        return has_same_content(side, entry) or bool(_other_proof(side, entry, pair))
    if entry.size is None or entry.size != side.size:
        return False
    record = pair.record if pair else None
    if record is not None and pair is not None:
        return record.holds(side.version, entry) or _is_proved(side, entry, pair, record)
    if _has_same_mtime(side, entry, features):
        return True
    if pair is not None and features.mtime_in_metadata:
        entry = pair.look() if entry.kept_mtime is None and entry.response is None else entry
        if entry.size != side.size:
            return False
        if _has_same_kept_mtime(side, entry):
            pair.save(side.settled_version(), remote_version(entry), {})
            return True
    return _is_proved(side, entry, pair, None)


def looks_equal(
    entry: Entry, status: os.stat_result, features: Features, record: Record | None, compare: Compare
) -> bool:
    """Return whether a local file is known to be equal to an entry without reading it and without a request.

    False means only that `is_equal` has to decide.

    Args:
        entry: The entry.
        status: The local file's stat(2).
        features: The features of the entry's store.
        record: The record of their last verified transfer, if there is one.
        compare: The rule.
    """
    if not stat.S_ISREG(status.st_mode) or compare is Compare.CHECKSUM or entry.size != status.st_size:
        return False
    if compare is Compare.SIZE:
        return True
    if record is not None:
        return record.holds(local_version(status), entry)
    return _has_same_mtime(LocalFile(-1, status, seen_at=0), entry, features)


def has_same_content(side: Side, entry: Entry) -> bool:
    """Return whether a file has the size and a checksum, or a tag, of an entry; False if the entry has none of them.

    Raises:
        LocalError: The local file cannot be read.
    """
    if entry.size is None or entry.size != side.size:
        return False
    known = entry.checksums or etag_digest(entry.etag)
    return bool(side.matching_digest(entry.size, known)) if known else side.has_same_tag(entry)


def _is_proved(side: Side, entry: Entry, pair: Pair | None, record: Record | None) -> bool:
    """Compare the content: with the record's digests if they are those of `entry`, else with the listing's."""
    known: Mapping[str, str]
    if record is not None and record.digests and record.is_remote_unchanged(entry):
        known = record.digests
        same = bool(side.matching_digest(entry.size or 0, known))
    elif record is not None and record.local == side.version and (common := _common_algorithm(record.digests, entry)):
        known = record.digests
        same = known[common] == digests_of(entry)[common]
    else:
        known = digests_of(entry)
        same = has_same_content(side, entry) or bool(known := _other_proof(side, entry, pair))
    if same and pair is not None:
        pair.save(side.settled_version(), remote_version(entry), known)
    return same


def _other_proof(side: Side, entry: Entry, pair: Pair | None) -> Mapping[str, str]:
    """Return digests that prove equal content, and that the store keeps beside its listing; empty if none does.

    The tag in a listing of S3 may be no MD5, and the listing does not say so.
    """
    may_differ = entry.checksums or entry.size is None or entry.size != side.size
    known = pair.get_digests() if pair and pair.get_digests and not may_differ else NO_CHECKSUMS
    return known if side.matching_digest(entry.size or 0, known) else NO_CHECKSUMS


def _common_algorithm(digests: Mapping[str, str], entry: Entry) -> str:
    """Return the strongest_digest algorithm that both the record and the listing have a digest of; empty if none."""
    now = entry.checksums or etag_digest(entry.etag)
    return next((name for name in STRONGEST_FIRST if name in digests and name in now), "")


def _has_same_mtime(side: Side, entry: Entry, features: Features) -> bool:
    """Return whether size and mtime agree, and the mtime says something of the content. Empty files are all equal."""
    if entry.size != side.size:
        return False
    if side.size == 0:
        return True
    if entry.mtime is None or not (features.keeps_mtime or side.may_be_dated) or (mtime := side.mtime) is None:
        return False
    if features.keeps_mtime:  # some stores keep whole seconds
        return math.floor(mtime) == entry.mtime or abs(entry.mtime - mtime) < EXACT
    return not features.mtime_in_metadata and entry.mtime == mtime


def _has_same_kept_mtime(side: Side, entry: Entry) -> bool:
    """Compare the mtimes for a store that keeps the mtime of an upload beside its own, in full."""
    if entry.kept_mtime is not None:
        mtime = side.mtime
        return mtime is not None and abs(entry.kept_mtime - mtime) < EXACT
    return side.may_be_dated and entry.mtime == side.mtime
