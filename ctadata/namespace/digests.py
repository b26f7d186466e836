"""The checksums that a storage knows of its files, without reading one."""

from __future__ import annotations

from collections.abc import Mapping

from ctadata.checksums import strongest_digest
from ctadata.entries import Entry
from ctadata.errors import Unsupported, UsageError
from ctadata.stores.base import Store


def get_digests(store: Store, entry: Entry) -> Mapping[str, str]:
    """Those of the listing, else those that the store is known to keep; empty for a collection."""
    if entry.is_directory or entry.checksums or not store.features.digests:
        return entry.checksums
    return store.digests(entry.path)


def get_digest(store: Store, entry: Entry, algorithm: str | None = None) -> tuple[str, str]:
    """Algorithm and digest of a file: of that algorithm, or the strongest that is known.

    UsageError for a collection, Unsupported where the storage knows none.
    """
    if entry.is_directory:
        raise UsageError("it is a directory, and has no checksum", path=str(entry.path))
    known = entry.checksums or store.digests(entry.path)
    if algorithm is not None and algorithm in known:
        return algorithm, known[algorithm]
    best = strongest_digest(known)
    if best is not None and algorithm is None:
        return best
    hint = f"it knows: {', '.join(sorted(known))}" if known else "get it, and compute it here"
    raise Unsupported(f"the storage knows no {algorithm or 'checksum'} of it", hint=hint, path=str(entry.path))
