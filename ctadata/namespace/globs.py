"""Expand remote paths that hold patterns, for example `run_*/*.h5`, by listing the directories on the way.

Names match as in `ctadata.namespace.filters`. A `**` at the end stands for all files below.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple, TypeVar

from ctadata.entries import Entry
from ctadata.errors import Incomplete, NotFound, UsageError
from ctadata.namespace.filters import is_pattern
from ctadata.namespace.listing import merge_incomplete
from ctadata.namespace.walk import Node, walk
from ctadata.paths import RemotePath
from ctadata.stores.base import Store
from ctadata.stores.channel import for_each

T = TypeVar("T")


class _Search(NamedTuple):
    """A search for the pattern `names`, whose first name is searched in the directory `base`."""

    base: RemotePath
    names: tuple[str, ...]


def find_matches(store: Store, path: RemotePath, *, threads: int, directories: bool = False) -> list[Entry]:
    """Return the entry that has exactly this path; else all entries that match it as a pattern.

    Args:
        store: The store.
        path: The path, which may hold patterns.
        threads: The number of directories that are listed at the same time.
        directories: Return directories only.

    Raises:
        Incomplete: A directory on the way holds more than its listing names. Its `done` holds the entries that match.
        CtadataError: Another error of the store, but never NotFound.
    """
    with contextlib.suppress(NotFound):
        entry = store.info(path)
        return [entry] if entry.is_directory or not directories else []
    found, incomplete = catch_incomplete(lambda path: glob(store, path, threads=threads), path)
    entries = [entry for entry in found if entry.is_directory or not directories]
    if incomplete:
        incomplete.done = entries
        raise incomplete
    return entries


def catch_incomplete(find: Callable[[T], list[Entry]], argument: T) -> tuple[list[Entry], Incomplete | None]:
    """Return what `find` returns for `argument`, and the error that says that there may be more."""
    try:
        return find(argument), None
    except Incomplete as error:
        return error.done, error


def glob(store: Store, pattern: RemotePath, *, threads: int) -> list[Entry]:
    """Return the entries that match, sorted by path, without our temporary files; empty if none matches.

    A directory on the way that does not exist is no error.

    Args:
        store: The store.
        pattern: The path with patterns.
        threads: The number of directories that are listed at the same time.

    Raises:
        Incomplete: A directory on the way holds more than its listing names. Its `done` holds the entries that match.
        CtadataError: Another error of the store.
    """
    incomplete: list[Incomplete] = []
    plain = next((i for i, name in enumerate(pattern.parts) if is_pattern(name)), len(pattern.parts))
    search = _Search(RemotePath(pattern.parts[:plain]), pattern.parts[plain:])
    found = walk([search], functools.partial(_expand, store, incomplete), threads=threads)
    entries = sorted({entry.path: entry for entry in found}.values(), key=lambda entry: entry.path)
    if incomplete:
        raise merge_incomplete(incomplete, search.base, done=entries)
    return entries


_Emit = Callable[[Node[_Search] | Entry], object]


def _expand(store: Store, incomplete: list[Incomplete], search: _Search, emit: _Emit) -> None:
    try:
        with contextlib.suppress(NotFound, UsageError):  # the pattern needs a directory here, and there is a file
            _in_collection(store, search.base, search.names, emit)
    except Incomplete as error:
        incomplete.append(error)


def _in_collection(store: Store, base: RemotePath, names: Sequence[str], emit: _Emit) -> None:
    name, rest = names[0], tuple(names[1:])
    if not is_pattern(name):
        emit(Node(_Search(base / name, rest)) if rest else store.info(base / name))
        return
    if name == "**" and rest:
        emit(Node(_Search(base, rest)))

    def take(entry: Entry) -> None:
        if entry.path.is_temporary:
            return
        if name == "**":
            if entry.is_directory:
                emit(Node(_Search(entry.path, tuple(names))))
            elif not rest:
                emit(entry)
        elif fnmatchcase(entry.path.name, name):
            if not rest:
                emit(entry)
            elif entry.is_directory:
                emit(Node(_Search(entry.path, rest)))

    for_each(store.list(base), take)
