"""List files with the mtime that they had where they were uploaded, for stores that keep it in the metadata."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator

from ctadata.entries import Entry
from ctadata.errors import NotFound, Unsupported
from ctadata.stores.base import Store

_THREADS = 8
_BATCH = 64


def with_kept_mtimes(store: Store, entries: Iterable[Entry]) -> Iterator[Entry]:
    """Yield the entries in their order, each file with its kept mtime in place of the store's own.

    A listing does not have it, so each file takes a request.

    Raises:
        Unsupported: The store keeps no such mtime.
    """
    if not store.features.mtime_in_metadata:
        raise Unsupported("this storage keeps no mtime of uploaded files", hint="only S3 stores do; leave out --mtime")

    def look(entry: Entry) -> Entry:
        if entry.is_directory:
            return entry
        try:
            kept = store.info(entry.path).kept_mtime
        except NotFound:  # it was deleted since the listing
            return entry
        return entry if kept is None else dataclasses.replace(entry, mtime=kept)

    remaining = iter(entries)
    from concurrent.futures import ThreadPoolExecutor  # most listings need no such request

    with ThreadPoolExecutor(_THREADS, thread_name_prefix="ctadata-mtime") as pool:
        while batch := list(itertools.islice(remaining, _BATCH)):
            yield from pool.map(look, batch)
