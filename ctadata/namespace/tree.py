"""Draw a tree: one line for each name, a directory before its members."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ctadata.entries import Entry
from ctadata.namespace.external_sort import SortKey, name_key
from ctadata.namespace.listing import ErrorCallback, list_tree
from ctadata.namespace.walk import WALKERS
from ctadata.paths import RemotePath
from ctadata.printable import escape_unprintable
from ctadata.stores.base import Store


@dataclass(frozen=True, slots=True)
class Pen:
    """The branches of a drawing.

    Attributes:
        branch: Leads to a name.
        last: Leads to the last name of a directory.
        past: Passes by the members of a directory that has names after it.
        below: Passes by the members of the last directory.
    """

    branch: str = "├── "
    last: str = "└── "
    past: str = "│   "
    below: str = "    "


ASCII = Pen("|-- ", "`-- ", "|   ")
"""The pen for terminals that cannot show the usual one."""


def entry_name(entry: Entry) -> str:
    """Return the name of an entry, safe for a terminal; that of a directory ends with a slash."""
    return escape_unprintable(entry.path.name) + "/" * entry.is_directory


def draw_tree(
    store: Store,
    top: Entry,
    *,
    depth: int | None = None,
    pen: Pen = Pen(),
    key: SortKey = name_key,
    label: Callable[[Entry], str] = entry_name,
    threads: int = WALKERS,
    on_error: ErrorCallback | None = None,
) -> Iterator[str]:
    """Yield the lines of a tree, each directory sorted, safe for a terminal.

    Args:
        store: The store.
        top: The top of the tree.
        depth: The number of levels to draw; nothing deeper is listed. None: all.
        pen: The branches.
        key: Returns the sort key of an entry.
        label: Returns the text for an entry.
        threads: The number of directories that are listed at the same time.
        on_error: See `list_tree`.

    Raises:
        CtadataError: An error of the store.
    """
    children: defaultdict[RemotePath, list[Entry]] = defaultdict(list)
    if top.is_directory:
        for entry in list_tree(store, top.path, threads=threads, depth=depth, on_error=on_error):
            children[entry.path.parent].append(entry)
    yield escape_unprintable("/".join(top.path.parts)) + "/" * top.is_directory
    waiting = _last_first(children, top.path, "", key)
    while waiting:
        entry, indent, last = waiting.pop()
        yield indent + (pen.last if last else pen.branch) + label(entry)
        waiting += _last_first(children, entry.path, indent + (pen.below if last else pen.past), key)


def _last_first(
    children: dict[RemotePath, list[Entry]], path: RemotePath, indent: str, key: SortKey
) -> list[tuple[Entry, str, bool]]:
    """Return the entries of a directory from the last to the first: entry, indent, whether it is the last."""
    entries = sorted(children.pop(path, []), key=key, reverse=True)
    return [(entry, indent, number == 0) for number, entry in enumerate(entries)]
