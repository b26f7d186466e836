"""Taking names away: files, empty collections, trees; never the root, nor a home or what a home lies in."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence

from ctadata.entries import Entry
from ctadata.errors import ConfigError, NotFound, UsageError
from ctadata.paths import RemotePath
from ctadata.stores.base import Store


def refuse_home(doomed: Sequence[Entry], home: Callable[[], RemotePath]) -> None:
    """UsageError where the root, the home, or a collection that the home lies in is among those that are to go away.

    home: gives it; ConfigError and NotFound of it mean that none is known.
    """
    trees = [entry.path for entry in doomed if entry.is_directory]
    known = None
    if trees and all(path.parts for path in trees):
        with contextlib.suppress(ConfigError, NotFound):
            known = home()
    for path in trees:
        if not path.parts or (known is not None and known.parts[: len(path.parts)] == path.parts):
            what = "it is your home, or your home lies in it" if path.parts else "it is the root of the storage"
            raise UsageError(f"{what}, and stays", hint="name what lies in it", path=str(path))


def drop_nested(entries: Iterable[Entry]) -> list[Entry]:
    """Those that lie in none of the others, each once."""
    found = {entry.path: entry for entry in entries}
    return [
        entry
        for path, entry in found.items()
        if not any(RemotePath(path.parts[:depth]) in found for depth in range(len(path.parts)))
    ]


def remove(store: Store, entry: Entry, *, recursive: bool = False) -> None:
    """Delete a file, or with `recursive` a collection with all that lies below it; UsageError without.

    Raises what the store raises. The caller has looked at what `refuse_home` refuses.
    """
    if not entry.is_directory:
        store.delete(entry.path)
    elif recursive:
        store.delete_tree(entry.path)
    else:
        hint = "rm -r deletes it with all it holds, rmdir only where it is empty"
        raise UsageError("it is a directory", hint=hint, path=str(entry.path))


def remove_empty(store: Store, entry: Entry) -> None:
    """Delete a collection that holds nothing; UsageError for a file, and where there is anything in it."""
    if not entry.is_directory:
        raise UsageError("it is a file, not a directory", hint="rm deletes files", path=str(entry.path))
    store.delete(entry.path)
