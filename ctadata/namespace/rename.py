"""Moving names on the storage: where each is to go, and there, replacing only what may be replaced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ctadata.entries import Entry
from ctadata.errors import AlreadyExists, NotFound, Unsupported, UsageError
from ctadata.namespace.name_check import NameCheck
from ctadata.paths import RemotePath
from ctadata.stores.base import Store


@dataclass(frozen=True, slots=True)
class PlannedRename:
    """One entry and its new path."""

    entry: Entry
    target: RemotePath


def plan_renames(
    store: Store, sources: Sequence[Entry], target: RemotePath, *, into: bool = False
) -> list[PlannedRename]:
    """Where each is to go: into `target` where that is a collection, else to that name.

    into: `target` has to be a collection (it was written with a slash), as it has for several sources.
    UsageError (two of one name, several to one name), NotFound (no such collection).
    """
    there = _look(store, target)
    into = into or len(sources) > 1
    if there is None or not there.is_directory:
        if not into:
            return [PlannedRename(sources[0], target)]
        if there is not None or store.features.has_collections:  # elsewhere a collection is there with its first file
            _refuse(target, there)
    for name, count in Counter(entry.path.name for entry in sources).items():
        if count > 1:
            raise UsageError("two of them would get this name", path=str(target / name))
    return [PlannedRename(entry, target / entry.path.name) for entry in sources]


def _refuse(target: RemotePath, there: Entry | None) -> None:
    if there is None:
        raise NotFound("there is no such directory", hint="mkdir makes it", path=str(target))
    raise UsageError("it is a file, not a directory", path=str(target))


def rename(store: Store, renaming: PlannedRename, *, replace: bool = False) -> None:
    """Give an entry its new path; `replace`: instead of a file that is there, never of a collection.

    AlreadyExists, NotFound (no collection to go into), UsageError (onto or into itself), Unsupported.
    """
    entry, target = renaming.entry, renaming.target
    if entry.path == target:
        raise UsageError("it is there already: a name cannot be moved onto itself", path=str(target))
    NameCheck(store).check(target)
    if not entry.is_directory:
        if not store.features.can_move:
            raise Unsupported("this storage cannot rename files", hint="get it, put it, rm it", path=str(entry.path))
        if not replace and _look(store, target):  # XRootD replaces whatever it is told
            raise AlreadyExists("the name is taken", path=str(target))
        store.move(entry.path, target, replace=replace)
        return
    if not store.features.can_move_trees:
        raise Unsupported("this storage cannot rename directories", path=str(entry.path))
    store.move_tree(entry.path, target)


def _look(store: Store, path: RemotePath) -> Entry | None:
    try:
        return store.info(path)
    except NotFound:
        return None
