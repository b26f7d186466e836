"""Rename entries: plan the new path of each, and replace only what the user allows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ctadata.entries import Entry
from ctadata.errors import AlreadyExists, NotFound, Unsupported, UsageError
from ctadata.namespace.name_check import NameCheck
from ctadata.paths import RemotePath
from ctadata.stores.base import Store
from ctadata.stores.optional import MovesEntries, find_or_none
from ctadata.stores.tree_renames import RenamesByCopy, TreeRename


@dataclass(frozen=True, slots=True)
class PlannedRename:
    """An entry and its new path.

    Attributes:
        entry: The entry.
        target: The new path.
        existing: The entry that has the new path; None: it is free.
        is_seen: Whether that is known.
    """

    entry: Entry
    target: RemotePath
    existing: Entry | None = None
    is_seen: bool = False


def plan_renames(
    store: Store, sources: Sequence[Entry], target: RemotePath, *, into: bool = False
) -> list[PlannedRename]:
    """Return the new path of each entry: inside `target` if that is a directory, else `target` itself.

    Args:
        store: The store.
        sources: The entries.
        target: A directory, or the new path of the only entry.
        into: `target` has to be a directory, because the user wrote it with a slash. Several sources imply it.

    Raises:
        UsageError: Two entries have the same name, or `target` is a file and has to be a directory.
        NotFound: There is no directory `target`, and there has to be one.
    """
    existing = find_or_none(store, target)
    if len(sources) == 1 and isinstance(store, RenamesByCopy) and store.has_begun_rename(sources[0].path, target):
        return [PlannedRename(sources[0], target)]
    into = into or len(sources) > 1
    if existing is None or not existing.is_directory:
        if not into:
            return [PlannedRename(sources[0], target, existing, is_seen=True)]
        if existing is not None or store.features.has_directories:  # without directories, the first file makes one
            _refuse(target, existing)
    for name, count in Counter(entry.path.name for entry in sources).items():
        if count > 1:
            raise UsageError("two of the files would get this name", path=str(target / name))
    return [PlannedRename(entry, target / entry.path.name) for entry in sources]


def _refuse(target: RemotePath, existing: Entry | None) -> None:
    if existing is None:
        raise NotFound("there is no such directory", hint="mkdir makes it", path=str(target))
    raise UsageError("it is a file, not a directory", path=str(target))


JOBS = 8
"""The number of files that a rename by copies copies at a time, unless the caller says otherwise."""


def rename(store: Store, renaming: PlannedRename, *, replace: bool = False, jobs: int = JOBS) -> TreeRename | None:
    """Give an entry its new path.

    Args:
        store: The store.
        renaming: The entry and its new path.
        replace: Replace a file that has this path. A directory is never replaced.
        jobs: The number of files that are copied at a time if the store renames a directory by copies.

    Returns:
        What was done if the store renamed a directory by copies; else None.

    Raises:
        AlreadyExists: The new path is taken.
        NotFound: The directory above the new path does not exist.
        UsageError: The new path is the old one, or lies inside it.
        Unsupported: The store cannot rename, or could not send the file back under its new name.
    """
    entry, target = renaming.entry, renaming.target
    if entry.path == target:
        raise UsageError("a name cannot be moved onto itself", path=str(target))
    NameCheck(store).check(target)
    if not entry.is_directory:
        if not store.features.can_move:
            raise Unsupported("this storage cannot rename files", hint="get it, put it, rm it", path=str(entry.path))
        _move_file(store, renaming, replace=replace)
        return None
    if isinstance(store, RenamesByCopy):
        return store.rename_by_copy(entry.path, target, jobs=jobs)
    if not store.features.can_move_trees:
        raise Unsupported("this storage cannot rename directories", path=str(entry.path))
    store.move_tree(entry.path, target)
    return None


def _move_file(store: Store, renaming: PlannedRename, *, replace: bool) -> None:
    entry, target = renaming.entry, renaming.target
    existing = renaming.existing if renaming.is_seen else find_or_none(store, target)  # XRootD replaces a file unasked
    if existing is not None and (existing.is_directory or not replace):
        raise AlreadyExists("the name is taken", path=str(target))
    if isinstance(store, MovesEntries):
        store.move_entry(entry, target, replace=existing is not None)
    else:
        store.move(entry.path, target, replace=replace)
