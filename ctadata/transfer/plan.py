"""What is to be done with one file, decided before a byte moves: move it, skip it, keep what is there.

`ctadata.transfer.equality` says which files are equal; `Rules.compare` can ask for less or for more.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from ctadata.checksums import strongest_digest
from ctadata.entries import Entry, Kind
from ctadata.errors import LocalError
from ctadata.namespace.filters import Filters
from ctadata.paths import RemotePath, escape_unprintable
from ctadata.stores.base import Features
from ctadata.transfer.equality import LocalFile, Pair, Side, agree, is_equal, same_content
from ctadata.transfer.integrity import digest_of
from ctadata.transfer.records import Record, local_version
from ctadata.transfer.report import State

NEWER = "newer at the target"
"""Why a file is skipped that is newer where it would be replaced."""


class Step(StrEnum):
    """What the plan says of one file."""

    CREATE = "create"
    REPLACE = "replace"
    SKIP = "skip"
    KEEP = "keep"


STATES = {Step.SKIP: (State.SKIPPED, "equal"), Step.KEEP: (State.KEPT, "it differs, and is kept")}
"""What a file ends with, and why, where the plan moves nothing."""

ENDS = STATES | {None: (State.SKIPPED, NEWER)}
"""The same, with None for a file that `update` leaves alone."""


class Compare(StrEnum):
    """By what two files of one name count as equal."""

    USUAL = "usual"
    SIZE = "size"
    CHECKSUM = "checksum"


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for a whole run.

    no_clobber:   a file that is there and differs stays, and is told of.
    follow_links: for uploads: links to directories are followed too.
    skip_special: for uploads: links that lead nowhere, or to directories that are not followed, sockets, FIFOs and
                  devices are passed over, and count as nothing that was left undone.
    jobs:         files moved at a time.
    filters:      what of a tree is meant.
    dry_run:      everything is decided and told, nothing is changed.
    compare:      USUAL, as above; SIZE: the size alone; CHECKSUM: size and checksum of the listing, never the time,
                  and a file whose checksum is not known counts as different.
    update:       a file that is newer where it would be replaced stays.
    as_described: for uploads: whether what is there is also what they say beside its bytes, as its type; None: they
                  say nothing.
    stage:        files on tape are brought back, and waited for.
    normalize:    for uploads: the Unicode normal form that names get on the storage, "nfc"; "": names stay as they are.
    rate:         bytes a second, of all files together; None: as many as there are.
    """

    no_clobber: bool = False
    follow_links: bool = False
    skip_special: bool = False
    jobs: int = 8
    filters: Filters = field(default_factory=Filters)
    dry_run: bool = False
    compare: Compare = Compare.USUAL
    update: bool = False
    as_described: Callable[[RemotePath], bool] | None = None
    stage: bool = False
    normalize: str = ""
    rate: float | None = None

    def block_size(self, most: int) -> int:
        """Bytes to move at a time: `most`, or fewer where pauses would become long: those of an eighth of a second."""
        return most if self.rate is None else min(most, max(1024, int(self.rate / 8)))


_OTHERS = {stat.S_IFDIR: "a directory", stat.S_IFLNK: "a link that leads nowhere"}
"""What may stand where a file is to go."""


def plan_download(
    entry: Entry,
    local: Path,
    found: os.stat_result | None,
    rules: Rules,
    features: Features | None = None,
    pair: Pair | None = None,
) -> Step:
    """Decide on the download of `entry` to `local`, where `found` stands; LocalError where no file can stand there."""
    if found is None:
        return Step.CREATE
    if not stat.S_ISREG(found.st_mode):
        what = _OTHERS.get(stat.S_IFMT(found.st_mode), "something that is no file")
        raise LocalError(f"local: {what} stands in the way", path=escape_unprintable(str(local)))
    if compares_equal(LocalFile(local, found), entry, features or Features(), rules, pair):
        return Step.SKIP
    return Step.KEEP if rules.no_clobber else Step.REPLACE


def plan_upload(
    local: Path | int,
    found: os.stat_result,
    entry: Entry | None,
    features: Features,
    rules: Rules,
    pair: Pair | None = None,
) -> Step:
    """Decide on the upload of `local` (a path or an open file) over `entry` (None: nothing is there)."""
    if entry is None:
        return Step.CREATE
    if compares_equal(LocalFile(local, found), entry, features, rules, pair):
        return Step.SKIP
    return Step.KEEP if rules.no_clobber else Step.REPLACE


def plan_for_taken_name(side: Side, entry: Entry, rules: Rules) -> Step | None:
    """Decide on a file whose name was taken since the plan: nothing but the content proves `entry` equal.

    None where `update` leaves alone what is newer there.
    """
    return _taken(rules, same=same_content(side, entry), receiver=entry.mtime, sender=side.mtime)


def plan_for_taken_local_name(
    part: int, local: Path, found: os.stat_result, mtime: float | None, rules: Rules
) -> Step | None:
    """The same for a download that is whole in the open file `part`: the two local files are compared."""
    if not stat.S_ISREG(found.st_mode):
        return plan_download(Entry(RemotePath(), Kind.FILE), local, found, rules)
    size = os.fstat(part).st_size
    same = size == found.st_size and digest_of(part, "sha-256") == digest_of(local, "sha-256")
    return _taken(rules, same=same, receiver=found.st_mtime, sender=mtime)


def _taken(rules: Rules, *, same: bool, receiver: float | None, sender: float | None) -> Step | None:
    if same:
        return Step.SKIP
    if rules.update and is_newer(receiver, sender):
        return None
    return Step.KEEP if rules.no_clobber else Step.REPLACE


def compares_equal(side: Side, entry: Entry, features: Features, rules: Rules, pair: Pair | None) -> bool:
    """Whether the two files count as equal, by what the rules compare."""
    if rules.compare is Compare.SIZE:
        return entry.size == side.size
    if rules.compare is Compare.CHECKSUM:
        return same_content(side, entry)
    return is_equal(side, entry, features, pair)


def looks_equal(entry: Entry, found: os.stat_result, rules: Rules, features: Features, record: Record | None) -> bool:
    """Whether a download is skipped for `found`, as far as that can be said without reading it or a request."""
    if not stat.S_ISREG(found.st_mode) or rules.compare is Compare.CHECKSUM or entry.size != found.st_size:
        return False
    if rules.compare is Compare.SIZE:
        return True
    if record is not None:
        return record.holds(local_version(found), entry)
    return agree(LocalFile(-1, found, looked=0), entry, features)


def is_newer(receiver: float | None, sender: float | None) -> bool:
    """Whether the receiver's mtime lies more than a second after the sender's; not where one is not known."""
    return receiver is not None and sender is not None and receiver > sender + 1


def digest_in(entry: Entry) -> str:
    """A digest of the listing as outcomes have it, `adler32:5ae07809`; empty where there is none."""
    if "adler32" in entry.checksums:
        return f"adler32:{entry.checksums['adler32']}"
    return ":".join(strongest_digest(entry.checksums) or ())
