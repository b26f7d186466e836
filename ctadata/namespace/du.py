"""What lies below a collection, counted: bytes, files, collections."""

from __future__ import annotations

from dataclasses import dataclass, field

from ctadata.entries import Entry
from ctadata.namespace.listing import ErrorCallback, list_tree
from ctadata.namespace.walk import WALKERS
from ctadata.paths import RemotePath
from ctadata.stores.base import CountsTrees, Store


@dataclass(slots=True)
class Usage:
    """What lies below a collection, itself not counted, or a file.

    size:    bytes of the files whose size is known.
    unsized: how many files have none: their upload has not ended, or the storage does not say.
    unnamed: the addresses of files that no path can name, some of them; counted where they are deleted.
    """

    path: RemotePath
    size: int = 0
    files: int = 0
    directories: int = 0
    unsized: int = 0
    unnamed: list[str] = field(default_factory=list)

    def add(self, entry: Entry) -> None:
        """Count an entry."""
        self.directories += entry.is_directory
        self.files += not entry.is_directory
        self.unsized += not entry.is_directory and entry.size is None
        self.size += entry.size or 0


def measure_usage(
    store: Store, top: Entry, *, depth: int | None = 0, threads: int = WALKERS, on_error: ErrorCallback | None = None
) -> list[Usage]:
    """The usage of each collection down to `depth` levels below the top (None: all), by path, and of the top last.

    A file is its own usage. Raises what the store raises.   failed: as in `listing`.
    """
    whole = Usage(top.path)
    if not top.is_directory:
        whole.add(top)
        return [whole]
    below: dict[tuple[str, ...], Usage] = {}
    for entry in list_tree(store, top.path, threads=threads, on_error=on_error):
        whole.add(entry)
        inside = entry.path.relative_to(top.path)
        for level in range(1, len(inside) if depth is None else min(depth + 1, len(inside))):
            part = inside[:level]
            below.setdefault(part, Usage(top.path.join(part))).add(entry)
        if entry.is_directory and (depth is None or len(inside) <= depth):
            below.setdefault(inside, Usage(entry.path))
    return [*sorted(below.values(), key=lambda each: each.path), whole]


def measure_deletion(store: Store, top: Entry) -> Usage:
    """All that is deleted with a collection, or a file; raises what the store raises, Incomplete among it."""
    if not (top.is_directory and isinstance(store, CountsTrees)):
        return measure_usage(store, top)[-1]
    count = store.count_tree(top.path)
    return Usage(top.path, count.size, count.files, count.directories, count.unsized, count.unnamed)
