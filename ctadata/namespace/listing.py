"""Listing a collection, or all that lies below one; the temporaries of uploads are never shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ctadata.entries import Entry
from ctadata.errors import CtadataError, Forbidden, Incomplete, NotFound, ServerTrouble, Unnameable
from ctadata.namespace.filters import Filters
from ctadata.namespace.walk import WALKERS, Node, walk
from ctadata.paths import RemotePath, escape_unprintable
from ctadata.stores.base import Store
from ctadata.stores.channel import for_each

ErrorCallback = Callable[[CtadataError], object]
"""Who is told of what could not be listed; called by several threads."""


def list_children(store: Store, path: RemotePath, filters: Filters) -> Iterator[Entry]:
    """The entries directly below a collection that are meant, our temporaries left out."""
    for entry in store.list(path):
        inside = (entry.path.name,)
        if not entry.path.is_temporary and (
            filters.takes_directory(inside) if entry.is_directory else filters.takes(inside)
        ):
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
    """Every entry below a collection that is meant, our temporaries left out; raises what the store raises.

    depth: levels below the collection that are listed; None: all.
    failed: receives the errors of collections further down that cannot be listed, and of every member that is missing
    from a listing; without it the former end the listing, and the latter are raised after all entries (Incomplete).
    """
    incomplete: list[Incomplete] = []

    def expand(node: RemotePath, give: Callable[[Node[RemotePath] | Entry], object]) -> None:
        def take(entry: Entry) -> None:
            if entry.path.is_temporary:
                return
            inside = entry.path.relative_to(path)
            if filters.takes_directory(inside) if entry.is_directory else filters.takes(inside):
                give(entry)
            if entry.is_directory and filters.enters(inside) and (depth is None or len(inside) < depth):
                give(Node(entry.path))

        try:
            for_each(store.list(node), take)
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
    """One error of several incomplete listings below `path`."""
    failures = [failure for error in errors for failure in error.failures]
    kind = Unnameable if all(isinstance(error, Unnameable) for error in errors) else Incomplete
    return kind(failures, done, count=sum(error.count for error in errors), path=escape_unprintable(str(path)))


def report_each(error: Incomplete, on_error: ErrorCallback) -> None:
    """Hand over the errors of an incomplete listing, one for each member, and one for those that are not named."""
    for failure in error.failures:
        on_error(failure)
    if error.count > len(error.failures):
        more = error.count - len(error.failures)
        on_error(ServerTrouble(f"{more} more of its names could not be listed", path=error.path))
