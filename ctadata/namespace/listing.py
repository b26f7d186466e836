"""Listing a collection, or all that lies below one; the temporaries of uploads are never shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ctadata.entries import Entry
from ctadata.errors import CtadataError, Forbidden, NotFound
from ctadata.namespace.filters import Filters
from ctadata.namespace.walk import WALKERS, Node, walk
from ctadata.paths import RemotePath
from ctadata.stores.base import Store
from ctadata.stores.handover import each

Failed = Callable[[CtadataError], object]
"""Who is told of what could not be listed; called by several threads."""


def children(store: Store, path: RemotePath, filters: Filters) -> Iterator[Entry]:
    """The entries directly below a collection that are meant, our temporaries left out."""
    for entry in store.list(path):
        inside = (entry.path.name,)
        if not entry.path.is_temporary and (
            filters.takes_directory(inside) if entry.is_directory else filters.takes(inside)
        ):
            yield entry


def listing(
    store: Store,
    path: RemotePath,
    *,
    threads: int = WALKERS,
    filters: Filters = Filters(),  # noqa: B008  (frozen)
    depth: int | None = None,
    failed: Failed | None = None,
) -> Iterator[Entry]:
    """Every entry below a collection that is meant, our temporaries left out; raises what the store raises.

    depth: levels below the collection that are listed; None: all.
    failed: is told of collections further down that may not be read, or are gone; without it they end the listing.
    """

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
            each(store.list(node), take)
        except (Forbidden, NotFound) as error:
            if failed is None or node == path:
                raise
            failed(error)

    return walk([path] if depth != 0 else [], expand, threads=threads)
