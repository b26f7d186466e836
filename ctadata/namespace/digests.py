"""The digests that a store keeps of its files. No file is read."""

from __future__ import annotations

from collections.abc import Mapping

from ctadata.checksums import strongest_digest
from ctadata.entries import Entry
from ctadata.errors import Unsupported, UsageError
from ctadata.stores.base import Store


def get_digests(store: Store, entry: Entry) -> Mapping[str, str]:
    """Return the digests of the listing, else those that the store keeps; empty for a directory."""
    if entry.is_directory or entry.checksums or not store.features.digests:
        return entry.checksums
    return store.digests(entry.path)


def get_digest(store: Store, entry: Entry, algorithm: str | None = None) -> tuple[str, str]:
    """Return one digest of a file.

    Args:
        store: The store of the file.
        entry: The entry of the file.
        algorithm: The algorithm; None for the strongest that the store keeps.

    Returns:
        The algorithm and the digest, in lower-case hexadecimal.

    Raises:
        UsageError: The entry is a directory.
        Unsupported: The store keeps no such digest.
    """
    if entry.is_directory:
        raise UsageError("a directory has no checksum", path=str(entry.path))
    digests = entry.checksums or store.digests(entry.path)
    if algorithm is not None and algorithm in digests:
        return algorithm, digests[algorithm]
    best = strongest_digest(digests)
    if best is not None and algorithm is None:
        return best
    hint = f"it knows: {', '.join(sorted(digests))}" if digests else "get the file, and compute it here"
    raise Unsupported(f"the storage knows no {algorithm or 'checksum'} of it", hint=hint, path=str(entry.path))
