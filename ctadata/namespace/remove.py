"""Delete names: files, empty directories, trees. The root, a home, and what a home lies in are never deleted."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence

from ctadata.entries import Entry
from ctadata.errors import ConfigError, NotFound, UsageError
from ctadata.paths import RemotePath
from ctadata.stores.base import Store
from ctadata.stores.optional import DeletesEntries, DeletesFiles


def refuse_home(entries: Sequence[Entry], home: Callable[[], RemotePath]) -> None:
    """Raise UsageError if the entries include the root, the home, or a directory that holds the home.

    Args:
        entries: The entries to delete or to move.
        home: Returns the home. If it raises ConfigError or NotFound, no home is known.
    """
    trees = [entry.path for entry in entries if entry.is_directory]
    home_path = None
    if trees and all(path.parts for path in trees):
        with contextlib.suppress(ConfigError, NotFound):
            home_path = home()
    for path in trees:
        if not path.parts or (home_path is not None and home_path.parts[: len(path.parts)] == path.parts):
            what = "it is your home, or it holds your home" if path.parts else "it is the root of the storage"
            raise UsageError(f"{what}, and is never deleted or moved", hint="name its members instead", path=str(path))


def drop_nested(entries: Iterable[Entry]) -> list[Entry]:
    """Return the entries that lie below none of the others, each once."""
    by_path = {entry.path: entry for entry in entries}
    return [
        entry
        for path, entry in by_path.items()
        if not any(RemotePath(path.parts[:depth]) in by_path for depth in range(len(path.parts)))
    ]


def remove(store: Store, entry: Entry, *, recursive: bool = False, is_fresh: bool = False) -> None:
    """Delete a file, or with `recursive` a directory with all that lies below it. The caller has called `refuse_home`.

    Args:
        store: The store.
        entry: What is deleted.
        recursive: Delete a directory too.
        is_fresh: Whether the entry was looked up a moment ago, so that no request finds out again what it is.

    Raises:
        UsageError: The entry is a directory, and `recursive` is False.
        CtadataError: An error of the store.
    """
    if isinstance(store, DeletesEntries) and (recursive or not entry.is_directory):
        store.delete_entry(entry)
    elif not entry.is_directory:
        delete_file(store, entry.path) if is_fresh else store.delete(entry.path)
    elif recursive:
        store.delete_tree(entry.path)
    else:
        hint = "rm -r deletes it with all it holds; rmdir deletes it if it is empty"
        raise UsageError("it is a directory", hint=hint, path=str(entry.path))


def delete_file(store: Store, path: RemotePath) -> None:
    """Delete a file that the caller has just looked up, or has made under a name of its own."""
    store.delete_file(path) if isinstance(store, DeletesFiles) else store.delete(path)


def remove_empty(store: Store, entry: Entry) -> None:
    """Delete an empty directory; raise UsageError for a file, and for a directory that holds anything."""
    if not entry.is_directory:
        raise UsageError("it is a file, not a directory", hint="rm deletes files", path=str(entry.path))
    store.delete(entry.path, directory=True)
