"""Sum up bytes, files and directories below a directory."""

from __future__ import annotations

from dataclasses import dataclass, field

from ctadata.entries import Entry
from ctadata.namespace.listing import ErrorCallback, list_tree
from ctadata.namespace.walk import WALKERS
from ctadata.paths import RemotePath
from ctadata.stores.base import Store
from ctadata.stores.optional import CountsTrees


@dataclass(slots=True)
class Usage:
    """What lies below a directory, itself not counted; or one file.

    Attributes:
        size: The sum of the sizes in bytes of the files whose size is known.
        unsized: The number of files without a known size: their upload has not ended, or the store does not say it.
        unnamed: The addresses of some files that no path can name. Only `measure_deletion` counts such files.
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
    """Return the usage of directories, sorted by path, and that of `top` last. A file is its own usage.

    Args:
        store: The store of `top`.
        top: The directory or the file to measure.
        depth: The number of levels below `top` whose directories are reported by themselves; None: all.
        threads: The number of directories that are listed at the same time.
        on_error: See `list_tree`.

    Raises:
        CtadataError: An error of the store.
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
    """Return the usage of all that a deletion of `top` deletes.

    Raises:
        CtadataError: An error of the store, Incomplete among them.
    """
    if not (top.is_directory and isinstance(store, CountsTrees)):
        return measure_usage(store, top)[-1]
    count = store.count_tree(top.path)
    return Usage(top.path, count.size, count.files, count.directories, count.unsized, count.unnamed)
