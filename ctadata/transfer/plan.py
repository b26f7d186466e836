"""Decide what is done with one file before a byte moves: create, replace, skip or keep.

`ctadata.transfer.equality` decides which files are equal. This module decides what follows from it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from ctadata.checksums import strongest_digest
from ctadata.entries import Entry
from ctadata.errors import LocalError
from ctadata.namespace.filters import Filters
from ctadata.paths import RemotePath
from ctadata.printable import escape_unprintable
from ctadata.shards import WHOLE, Shard
from ctadata.stores.base import Features
from ctadata.transfer.equality import Compare, LocalFile, Pair, Side, has_same_content, is_equal
from ctadata.transfer.integrity import CheckStop, have_same_bytes
from ctadata.transfer.report import State
from ctadata.transfer.timetable import Rate, Timetable


class Step(StrEnum):
    """The decision about one file.

    CREATE: The target has no such name. REPLACE: The target's file differs and is replaced. SKIP: Both are equal.
    KEEP: They differ, and `Rules.no_clobber` keeps the target's file. SKIP_NEWER: They differ, and `Rules.update` keeps
    the target's file because it is newer.
    """

    CREATE = "create"
    REPLACE = "replace"
    SKIP = "skip"
    KEEP = "keep"
    SKIP_NEWER = "skip newer"


UNMOVED = {
    Step.SKIP: (State.SKIPPED, "equal"),
    Step.KEEP: (State.KEPT, "it differs, and is kept"),
    Step.SKIP_NEWER: (State.SKIPPED, "newer at the target"),
}
"""The steps that move no bytes, each with the state and the reason of its outcome."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of a whole run.

    Attributes:
        no_clobber: A file of the target that differs is kept and reported.
        follow_links: For uploads: links to directories are followed too.
        skip_special: For uploads: sockets, FIFOs, devices, links that lead nowhere, and links to directories that are
            not followed are passed over and do not count as failures.
        jobs: Large files in transfer at a time.
        small_jobs: Files in transfer at a time in all, while most of them are small; None: as `jobs`.
        streams: The largest number of streams of one large file, fewer if they are as fast; None: always `jobs`.
        filters: The names of a tree that are transferred.
        dry_run: Everything is decided and reported; nothing is changed.
        compare: The rule by which files are equal.
        update: A file that is newer at the target is kept.
        as_described: For uploads: returns whether the stored file also has the metadata of this upload, as its content
            type. None: the upload has no metadata.
        stage: Files on tape are staged, and the run waits for them.
        normalize: For uploads: the Unicode normal form of names on the storage, "nfc"; "": names stay as they are.
        rate: The limit of all transfers together, in bytes per second, or a timetable; None: no limit.
        shard: The task of several that this run is; it moves its share of the files.
        receipt: The absolute path of the receipt of the run, which is neither replaced nor sent; None: there is none.
    """

    no_clobber: bool = False
    follow_links: bool = False
    skip_special: bool = False
    jobs: int = 8
    small_jobs: int | None = None
    streams: int | None = None
    filters: Filters = field(default_factory=Filters)
    dry_run: bool = False
    compare: Compare = Compare.USUAL
    update: bool = False
    as_described: Callable[[RemotePath], bool] | None = None
    stage: bool = False
    normalize: str = ""
    rate: Rate | None = None
    shard: Shard = WHOLE
    receipt: Path | None = None

    def block_size(self, most: int) -> int:
        """Return the bytes to move at a time: `most`, or an eighth of a second's under a low `rate`.

        Larger blocks would make the pauses between them long. A timetable may come to its lowest rate at any time.
        """
        rate = self.rate.lowest if isinstance(self.rate, Timetable) else self.rate
        return most if rate is None else min(most, max(1024, int(rate / 8)))


_IN_THE_WAY = {stat.S_IFDIR: "a directory", stat.S_IFLNK: "a link that leads nowhere"}


def plan_download(
    entry: Entry,
    local: Path,
    existing: os.stat_result | None,
    rules: Rules,
    features: Features | None = None,
    pair: Pair | None = None,
    check_stop: CheckStop | None = None,
) -> Step:
    """Decide on the download of one file.

    Args:
        entry: The remote file.
        local: Its target.
        existing: stat(2) of the target's name; None: the name is free.
        rules: The rules of the run.
        features: The features of the store; None: none.
        pair: The place of the record of both files; None: without records.
        check_stop: As for `digest_of`, where the local file is read.

    Raises:
        LocalError: A directory or another special file has the target's name.
    """
    if existing is None:
        return Step.CREATE
    if rules.update and is_newer(existing.st_mtime, entry.mtime):
        return Step.SKIP_NEWER
    _refuse_special(existing, local)
    return _plan_existing(LocalFile(local, existing, check_stop=check_stop), entry, features or Features(), rules, pair)


def plan_upload(
    local: Path | int,
    status: os.stat_result,
    existing: Entry | None,
    features: Features,
    rules: Rules,
    pair: Pair | None = None,
    check_stop: CheckStop | None = None,
) -> Step:
    """Decide on the upload of one file.

    Args:
        local: The local file: a path, or an open descriptor.
        status: Its stat(2).
        existing: The entry that has the target's name; None: the name is free.
        features: The features of the store.
        rules: The rules of the run.
        pair: The place of the record of both files; None: without records.
        check_stop: As for `digest_of`, where the local file is read.
    """
    if existing is None:
        return Step.CREATE
    if rules.update and is_newer(existing.mtime, status.st_mtime):
        return Step.SKIP_NEWER
    step = _plan_existing(LocalFile(local, status, check_stop=check_stop), existing, features, rules, pair)
    if step is Step.SKIP and rules.as_described is not None and not rules.as_described(existing.path):
        return _plan_different(rules)
    return step


def plan_spool(existing: Entry | None, rules: Rules) -> Step:
    """Decide on the upload of bytes that have no local file: their mtime says nothing, so they are never skipped.

    Args:
        existing: The entry that has the target's name; None: the name is free.
        rules: The rules of the run.
    """
    return Step.CREATE if existing is None else _plan_different(rules)


def plan_copy(side: Side, existing: Entry | None, features: Features, rules: Rules, pair: Pair | None = None) -> Step:
    """Decide on the copy of a file of another store.

    Args:
        side: The file.
        existing: The entry that has the target's name; None: the name is free.
        features: The features of the target's store.
        rules: The rules of the run.
        pair: The place of the record of both files; None: without records.
    """
    if existing is None:
        return Step.CREATE
    step = _plan_existing(side, existing, features, rules, pair)
    if step is Step.SKIP and rules.as_described is not None and not rules.as_described(existing.path):
        return _plan_different(rules)
    return step


def plan_for_taken_name(side: Side, existing: Entry, rules: Rules) -> Step:
    """Decide again on a file whose name was free and is now taken by `existing`; only the content counts."""
    if has_same_content(side, existing):
        return Step.SKIP
    if rules.update and is_newer(existing.mtime, side.mtime):
        return Step.SKIP_NEWER
    return _plan_different(rules)


def plan_for_taken_local_name(
    part: int,
    local: Path,
    existing: os.stat_result,
    mtime: float | None,
    rules: Rules,
    check_stop: CheckStop | None = None,
) -> Step:
    """Decide again on a download whose name was free and is now taken: the bytes of both local files are compared.

    Args:
        part: The open file that holds the whole download.
        local: The target.
        existing: stat(2) of the target's name, as it is now.
        mtime: The mtime of the remote file, in seconds since 1970; None if unknown.
        rules: The rules of the run.
        check_stop: As for `digest_of`.

    Raises:
        LocalError: A directory or another special file has the target's name, or a file cannot be read.
    """
    _refuse_special(existing, local)
    if os.fstat(part).st_size == existing.st_size and have_same_bytes(part, local, check_stop):
        return Step.SKIP
    if rules.update and is_newer(existing.st_mtime, mtime):
        return Step.SKIP_NEWER
    return _plan_different(rules)


def _plan_existing(side: Side, existing: Entry, features: Features, rules: Rules, pair: Pair | None) -> Step:
    return Step.SKIP if is_equal(side, existing, features, pair, rules.compare) else _plan_different(rules)


def _plan_different(rules: Rules) -> Step:
    return Step.KEEP if rules.no_clobber else Step.REPLACE


def _refuse_special(existing: os.stat_result, local: Path) -> None:
    if not stat.S_ISREG(existing.st_mode):
        what = _IN_THE_WAY.get(stat.S_IFMT(existing.st_mode), "a special file")
        raise LocalError(f"local: {what} stands in the way", path=escape_unprintable(str(local)))


def is_newer(target: float | None, source: float | None) -> bool:
    """Return whether the target's mtime is more than a second after the source's; False if one is unknown (None)."""
    return target is not None and source is not None and target > source + 1


def listed_digest(entry: Entry) -> str:
    """Return a digest of the listing as outcomes have it, `adler32:5ae07809`; empty if the listing has none."""
    if "adler32" in entry.checksums:
        return f"adler32:{entry.checksums['adler32']}"
    return ":".join(strongest_digest(entry.checksums) or ())
