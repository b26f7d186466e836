"""Find a file to try a download with."""

from __future__ import annotations

from collections.abc import Callable

from ctadata.entries import Entry
from ctadata.namespace.walk import Node, walk
from ctadata.paths import RemotePath
from ctadata.stores.base import Store

MAX_ENTRIES = 200
"""Entries that are listed at most while looking for a file."""


def find_sample_file(store: Store, start: RemotePath) -> Entry | None:
    """Return `start` itself if it is a file, or else a non-empty file below it that is on disk; None if there is none.

    Raises:
        NotFound: `start` does not exist.
    """
    entry = store.info(start)
    if not entry.is_directory:
        return entry

    def expand(path: RemotePath, give: Callable[[Node[RemotePath] | Entry], object]) -> None:
        for child in store.list(path):
            if child.is_directory:
                give(Node(child.path))
            give(child)

    for number, entry in enumerate(walk([start], expand, threads=1)):
        if not entry.is_directory and entry.size and entry.locality in (None, "ONLINE", "ONLINE_AND_NEARLINE"):
            return entry
        if number > MAX_ENTRIES:
            break
    return None
