"""A tree, drawn: one line for each name, directories before what lies in them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from ctadata.entries import Entry
from ctadata.namespace.listing import ErrorCallback, list_tree
from ctadata.namespace.walk import WALKERS
from ctadata.paths import RemotePath, escape_unprintable
from ctadata.stores.base import Store


@dataclass(frozen=True, slots=True)
class Pen:
    """What the branches are drawn with: to a name, to the last one, past one, below the last one."""

    branch: str = "├── "
    last: str = "└── "
    past: str = "│   "
    below: str = "    "


ASCII = Pen("|-- ", "`-- ", "|   ")
"""For terminals that lack the letters of the usual one."""


def draw_tree(
    store: Store,
    top: Entry,
    *,
    depth: int | None = None,
    pen: Pen = Pen(),
    threads: int = WALKERS,
    on_error: ErrorCallback | None = None,
) -> Iterator[str]:
    """The lines of a tree, names in order, safe for a terminal; raises what the store raises.

    depth: levels drawn; what lies deeper is not listed. None: all.   failed: as in `listing`.
    """
    children: defaultdict[RemotePath, list[Entry]] = defaultdict(list)
    if top.is_directory:
        for entry in list_tree(store, top.path, threads=threads, depth=depth, on_error=on_error):
            children[entry.path.parent].append(entry)
    yield escape_unprintable("/".join(top.path.parts)) + "/" * top.is_directory
    waiting = _last_first(children, top.path, "")
    while waiting:
        entry, indent, last = waiting.pop()
        yield (
            indent + (pen.last if last else pen.branch) + escape_unprintable(entry.path.name) + "/" * entry.is_directory
        )
        waiting += _last_first(children, entry.path, indent + (pen.below if last else pen.past))


def _last_first(
    children: dict[RemotePath, list[Entry]], path: RemotePath, indent: str
) -> list[tuple[Entry, str, bool]]:
    """The entries of a collection from the last name to the first, with their indent and whether each is the last."""
    entries = sorted(children.pop(path, []), key=lambda entry: entry.path.name, reverse=True)
    return [(entry, indent, number == 0) for number, entry in enumerate(entries)]
