"""A file to try a download with."""

from __future__ import annotations

from collections.abc import Callable

from ctadata.entries import Entry
from ctadata.namespace.walk import Node, walk
from ctadata.paths import RemotePath
from ctadata.stores.base import Store

LOOKED_AT = 200
"""Entries that are looked at in search of a file to read."""


def a_file(store: Store, start: RemotePath) -> Entry | None:
    """`start` itself where it is a file, else one below it that is not empty, nor on tape alone; NotFound."""
    entry = store.info(start)
    if not entry.is_directory:
        return entry

    def expand(path: RemotePath, give: Callable[[Node[RemotePath] | Entry], object]) -> None:
        for found in store.list(path):
            if found.is_directory:
                give(Node(found.path))
            give(found)

    for number, found in enumerate(walk([start], expand, threads=1)):
        if not found.is_directory and found.size and found.locality in (None, "ONLINE", "ONLINE_AND_NEARLINE"):
            return found
        if number > LOOKED_AT:
            break
    return None
