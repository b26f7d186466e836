"""Looking for entries below collections."""

from __future__ import annotations

from collections.abc import Iterator

from ctadata.entries import Entry
from ctadata.namespace.criteria import Criteria
from ctadata.namespace.listing import Failed, listing
from ctadata.namespace.walk import WALKERS
from ctadata.stores.base import Store


def find(
    store: Store, top: Entry, criteria: Criteria, *, threads: int = WALKERS, failed: Failed | None = None
) -> Iterator[Entry]:
    """The entries below a collection that fit, as they are found, or a file that does; raises what the store raises.

    failed: as in `listing`.
    """
    if not top.is_directory:
        if criteria.fit(top, (top.path.name,)):
            yield top
        return
    for entry in listing(store, top.path, threads=threads, failed=failed):
        if criteria.fit(entry, entry.path.relative_to(top.path)):
            yield entry
