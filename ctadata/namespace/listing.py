"""List a directory, or all that lies below it. The temporary files of uploads are never listed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence

from ctadata.entries import Entry
from ctadata.errors import CtadataError, Forbidden, Incomplete, NotFound, ServerTrouble, Unnameable
from ctadata.namespace.filters import Filters
from ctadata.namespace.walk import WALKERS, Emit, Node, walk
from ctadata.paths import RemotePath
from ctadata.printable import escape_unprintable
from ctadata.stores.base import Store
from ctadata.stores.channel import for_each_batch

ErrorCallback = Callable[[CtadataError], object]
"""Receives each error of a listing. Several threads may call it."""


def list_children(store: Store, path: RemotePath, filters: Filters) -> Iterator[Entry]:
    """Yield the selected entries directly below a directory, without our temporary files."""
    has_filters = bool(filters)
    for entry in store.list(path):
        if entry.path.is_temporary:
            continue
        if has_filters:
            inside = (entry.path.name,)
            if not (filters.takes_directory(inside) if entry.is_directory else filters.takes(inside)):
                continue
        yield entry


def list_tree(
    store: Store,
    path: RemotePath,
    *,
    threads: int = WALKERS,
    filters: Filters = Filters(),  # noqa: B008  (frozen)
    depth: int | None = None,
    on_error: ErrorCallback | None = None,
) -> Iterator[Entry]:
    """Yield every selected entry below a directory, without our temporary files.

    Args:
        store: The store.
        path: The directory.
        threads: The number of directories that are listed at the same time.
        filters: What is selected.
        depth: The number of levels below the directory to list; None: all.
        on_error: Receives the error of each directory further down that cannot be listed, and one error for each
            member that is missing from a listing. None: the former end the listing, and the latter are raised at its
            end.

    Raises:
        Incomplete: Members are missing from a listing, and there is no `on_error`. Raised after all entries.
        CtadataError: Another error of the store.
    """
    incomplete: list[Incomplete] = []

    has_filters = bool(filters)
    deepest = len(path.parts) + depth if depth is not None else sys.maxsize

    def select(entries: Sequence[Entry]) -> Iterator[Entry | Node[RemotePath]]:
        for entry in entries:
            is_directory = entry.is_directory
            if entry.path.is_temporary:
                continue
            inside = entry.path.relative_to(path) if has_filters else ()
            if not has_filters or (filters.takes_directory(inside) if is_directory else filters.takes(inside)):
                yield entry
            if is_directory and len(entry.path.parts) < deepest and (not has_filters or filters.enters(inside)):
                yield Node(entry.path)

    def expand(node: RemotePath, emit: Emit[RemotePath, Entry]) -> None:
        def take(entries: Sequence[Entry]) -> None:
            emit(*select(entries))

        try:
            for_each_batch(store.list(node), take)
        except Incomplete as error:
            if on_error is None:
                incomplete.append(error)
            else:
                report_each(error, on_error)
        except (Forbidden, NotFound, ServerTrouble) as error:
            if on_error is None or node == path:
                raise
            on_error(error)

    yield from walk([path] if depth != 0 else [], expand, threads=threads)
    if incomplete:
        raise merge_incomplete(incomplete, path)


def merge_incomplete(errors: Sequence[Incomplete], path: RemotePath, done: Sequence[Entry] = ()) -> Incomplete:
    """Return one error for several incomplete listings.

    Args:
        errors: The errors of the listings.
        path: The directory above all of them.
        done: The entries that were found.
    """
    failures = [failure for error in errors for failure in error.failures]
    kind = Unnameable if all(isinstance(error, Unnameable) for error in errors) else Incomplete
    return kind(failures, done, count=sum(error.count for error in errors), path=escape_unprintable(str(path)))


def report_each(error: Incomplete, on_error: ErrorCallback) -> None:
    """Pass each error of an incomplete listing to `on_error`, and one more for the members that have no error."""
    for failure in error.failures:
        on_error(failure)
    if error.count > len(error.failures):
        more = error.count - len(error.failures)
        on_error(ServerTrouble(f"{more} more of its members could not be listed", path=error.path))
