"""Remote paths with patterns in them: `run_*/*.h5`, expanded by listing the collections on the way.

Names match as in `ctadata.namespace.filters`; `**` at the end stands for all files below.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TypeVar

from ctadata.entries import Entry
from ctadata.errors import Incomplete, NotFound, UsageError
from ctadata.namespace.filters import is_pattern
from ctadata.namespace.listing import merge_incomplete
from ctadata.namespace.walk import Node, walk
from ctadata.paths import RemotePath
from ctadata.stores.base import Store
from ctadata.stores.channel import for_each

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Quest:
    """What is looked for: `names`, the first of them in the collection `base`."""

    base: RemotePath
    names: tuple[str, ...]


def find_matches(store: Store, path: RemotePath, *, threads: int, directories: bool = False) -> list[Entry]:
    """The entry that is spelled so, else those that match; raises what the store raises, but never NotFound.

    directories: collections alone are meant.   Raises Incomplete as `glob` does.
    """
    with contextlib.suppress(NotFound):
        there = store.info(path)
        return [there] if there.is_directory or not directories else []
    found, incomplete = catch_incomplete(lambda path: glob(store, path, threads=threads), path)
    entries = [entry for entry in found if entry.is_directory or not directories]
    if incomplete:
        incomplete.done = entries
        raise incomplete
    return entries


def catch_incomplete(find: Callable[[T], list[Entry]], what: T) -> tuple[list[Entry], Incomplete | None]:
    """What `find` finds, and the error that says that there may be more."""
    try:
        return find(what), None
    except Incomplete as error:
        return error.done, error


def glob(store: Store, pattern: RemotePath, *, threads: int) -> list[Entry]:
    """The entries that match, in the order of their paths, our temporaries left out; none where nothing does.

    Raises what the store raises, but for collections that are not there; Incomplete, with the entries that match as
    its `done`, where a collection on the way holds more than its listing gives.
    """
    incomplete: list[Incomplete] = []
    plain = next((i for i, name in enumerate(pattern.parts) if is_pattern(name)), len(pattern.parts))
    quest = _Quest(RemotePath(pattern.parts[:plain]), pattern.parts[plain:])
    found = walk([quest], functools.partial(_expand, store, incomplete), threads=threads)
    entries = sorted({entry.path: entry for entry in found}.values(), key=lambda entry: entry.path)
    if incomplete:
        raise merge_incomplete(incomplete, quest.base, done=entries)
    return entries


_Give = Callable[[Node[_Quest] | Entry], object]


def _expand(store: Store, incomplete: list[Incomplete], quest: _Quest, give: _Give) -> None:
    try:
        with contextlib.suppress(NotFound, UsageError):  # a file where the pattern wants a collection
            _in_collection(store, quest.base, quest.names, give)
    except Incomplete as error:
        incomplete.append(error)


def _in_collection(store: Store, base: RemotePath, names: Sequence[str], give: _Give) -> None:
    name, rest = names[0], tuple(names[1:])
    if not is_pattern(name):
        give(Node(_Quest(base / name, rest)) if rest else store.info(base / name))
        return
    if name == "**" and rest:
        give(Node(_Quest(base, rest)))

    def take(entry: Entry) -> None:
        if entry.path.is_temporary:
            return
        if name == "**":
            if entry.is_directory:
                give(Node(_Quest(entry.path, tuple(names))))
            elif not rest:
                give(entry)
        elif fnmatchcase(entry.path.name, name):
            if not rest:
                give(entry)
            elif entry.is_directory:
                give(Node(_Quest(entry.path, rest)))

    for_each(store.list(base), take)
