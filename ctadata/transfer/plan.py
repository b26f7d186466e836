"""What is to be done with one file, decided before a byte moves: move it, skip it, keep what is there.

Equal is: same size and same mtime (within a second), or same size and same checksum, where the listing has one. To a
store that does not keep the mtime of an upload, same size and a remote file that is not older than the local one.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ctadata.checksums import strongest
from ctadata.entries import Entry
from ctadata.errors import LocalError
from ctadata.paths import printable
from ctadata.stores.base import Features
from ctadata.transfer.verify import digest_of


class Step(StrEnum):
    """What the plan says of one file."""

    CREATE = "create"
    REPLACE = "replace"
    SKIP = "skip"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for a whole run.

    no_clobber:   a file that is there and differs stays, and is told of.
    follow_links: for uploads: links to directories are followed too.
    jobs:         files moved at a time.
    """

    no_clobber: bool = False
    follow_links: bool = False
    jobs: int = 8


def plan_download(entry: Entry, local: Path, found: os.stat_result | None, rules: Rules) -> Step:
    """Decide on the download of `entry` to `local`, where `found` stands; LocalError where no file can stand there."""
    if found is None:
        return Step.CREATE
    if not stat.S_ISREG(found.st_mode):
        what = "a directory" if stat.S_ISDIR(found.st_mode) else "not a regular file"
        raise LocalError(f"local: it is {what} already", path=printable(str(local)))
    if _same_version(entry, found) or same_content(entry, local, found.st_size):
        return Step.SKIP
    return Step.KEEP if rules.no_clobber else Step.REPLACE


def plan_upload(local: Path, found: os.stat_result, entry: Entry | None, features: Features, rules: Rules) -> Step:
    """Decide on the upload of `local` over `entry` (None: nothing is there)."""
    if entry is None:
        return Step.CREATE
    same_age = _same_version if features.keeps_mtime else _not_older
    if same_age(entry, found) or same_content(entry, local, found.st_size):
        return Step.SKIP
    return Step.KEEP if rules.no_clobber else Step.REPLACE


def _same_version(entry: Entry, found: os.stat_result) -> bool:
    return entry.size == found.st_size and entry.mtime is not None and abs(entry.mtime - found.st_mtime) <= 1


def _not_older(entry: Entry, found: os.stat_result) -> bool:
    return entry.size == found.st_size and entry.mtime is not None and entry.mtime >= found.st_mtime


def same_content(entry: Entry, local: Path, size: int) -> bool:
    """Whether the local file has the size and a checksum of the entry; False where the entry has no checksum."""
    known = strongest(entry.checksums)
    if entry.size != size or known is None:
        return False
    algorithm, digest = known
    return digest_of(local, algorithm) == digest
