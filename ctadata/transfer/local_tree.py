"""Read the local files of an upload: one directory of a tree, or files that were named one by one."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path

from ctadata.paths import RemotePath, is_temporary_name
from ctadata.transfer.partial_file import local_errors
from ctadata.transfer.report import Outcome, State
from ctadata.transfer.run import Run
from ctadata.transfer.run_receipt import RECEIPT, receipt_error, receipt_identity
from ctadata.transfer.special_files import (
    CIRCLE,
    NOT_UTF8,
    is_utf8,
    passed_outcome,
    status_of_target,
    why_entry_special,
    why_special,
)
from ctadata.transfer.unicode_nfc import Named


@dataclass(frozen=True, slots=True)
class UploadSource:
    """The local files, or the local tree, that go into one collection.

    Attributes:
        target: The collection.
        tree: The local directory whose contents go there; None if `files` are named one by one.
        files: Local files, each with the name that it gets.
        ancestors: (device, inode) of the directories above, so that links do not lead round in a circle.
        inside: The names from the top of the tree, for the filters; empty for files that were named.
        is_new: Whether the collection was missing in the listing of the one above.
    """

    target: RemotePath
    tree: Path | None = None
    files: tuple[tuple[Path, str], ...] = ()
    ancestors: frozenset[tuple[int, int]] = frozenset()
    inside: tuple[str, ...] = ()
    is_new: bool = False


@dataclass(slots=True)
class Contents:
    """The contents of one local directory that are uploaded.

    Attributes:
        folders: Subdirectories, each with its name on the storage.
        files: Files, each with its name on the storage.
        names: All names of the directory, also those that are not uploaded.
    """

    folders: Named = field(default_factory=list)
    files: Named = field(default_factory=list)
    names: set[str] = field(default_factory=set)


def read_directory(run: Run, source: UploadSource) -> Contents:
    """Return the subdirectories and files of a local directory; report those that cannot be uploaded.

    Raises:
        LocalError: The directory cannot be read.
    """
    tree, contents, filters = source.tree or Path(), Contents(), run.rules.filters if run.rules.filters else None
    receipt = receipt_identity(run.rules.receipt)
    with local_errors(tree), os.scandir(tree) as entries:
        for entry in sorted(entries, key=attrgetter("name")):
            name, is_directory = entry.name, _is_directory(entry)
            contents.names.add(name)
            if filters and not (filters.enters if is_directory else filters.takes)((*source.inside, name)):
                continue
            local, why = tree / name, why_entry_special(entry, follow_links=run.rules.follow_links)
            if not why and is_directory and entry.is_symlink() and _is_circle(entry, source):
                why = CIRCLE
            if why:
                pass_over(run, source.target / name, local, why)
            elif receipt and not is_directory and _is_receipt(entry, receipt):
                run.end(Outcome(State.PASSED, source.target / name, local, why=RECEIPT))
            elif is_directory:
                contents.folders.append((local, name))
            elif not is_temporary_name(name):
                contents.files.append((local, name))
    return contents


def read_named(run: Run, source: UploadSource) -> Contents:
    """Return the files that were named one by one; report those that cannot be uploaded."""
    contents, receipt = Contents(), receipt_identity(run.rules.receipt)
    for local, name in source.files:
        if run.rules.filters.takes((name,)):
            try:
                target_status = status_of_target(local)
                if receipt and target_status and (target_status.st_dev, target_status.st_ino) == receipt:
                    run.fail(receipt_error(local), source.target / name, local)
                    continue
                why = NOT_UTF8
                if is_utf8(name):
                    why = why_special(local, target_status, follow_links=run.rules.follow_links)
            except OSError:  # opening it raises a clearer error
                why = ""
            if why:
                pass_over(run, source.target / name, local, why)
            else:
                contents.files.append((local, name))
    return contents


def pass_over(run: Run, target: RemotePath, local: Path, why: str) -> None:
    """Report a local name that cannot be uploaded, with the reason."""
    run.end(passed_outcome(target, local, why, skip_special=run.rules.skip_special))


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that may not be followed: opening it raises
        return False


def _is_receipt(entry: os.DirEntry[str], receipt: tuple[int, int]) -> bool:
    """Return whether an entry leads to the receipt of the run, by this or another name."""
    if entry.inode() != receipt[1] and not entry.is_symlink():
        return False
    try:
        status = entry.stat()
    except OSError:  # a link that may not be followed: opening it raises
        return False
    return (status.st_dev, status.st_ino) == receipt


def _is_circle(entry: os.DirEntry[str], source: UploadSource) -> bool:
    """Return whether a link to a directory leads to one that the walk has come through."""
    status = entry.stat()
    return (status.st_dev, status.st_ino) in source.ancestors | {directory_identity(Path(entry.path).parent)}


def directory_identity(directory: Path) -> tuple[int, int]:
    """Return device and inode of a directory. Raises LocalError."""
    with local_errors(directory):
        status = directory.stat()
    return status.st_dev, status.st_ino
