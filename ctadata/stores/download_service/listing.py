"""The download service's listing: a JSON array with the collection itself first, paths below the data's root.

`href` is percent-encoded once, and a directory's ends in a slash; `size` is decimal text; the root's `href` is empty
and its `type` is `file`. What does not lie directly below the collection has no place in the listing: nothing there is
trusted to be a path, and the listing is incomplete.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ctadata.entries import Entry, Kind
from ctadata.errors import NotFound, ServerTrouble, Untrusted, UsageError
from ctadata.paths import RemotePath, escape_unprintable
from ctadata.stores.dates import parse_date
from ctadata.stores.duplicates import contradiction_error
from ctadata.stores.unlisted import Unlisted


@dataclass(frozen=True, slots=True)
class Row:
    """One line: the entry, and the texts that the service told of it (`href`, `type`, `url`, `size`, `mtime`)."""

    entry: Entry
    told: Mapping[str, str]


def read_rows(body: bytes, path: RemotePath) -> tuple[list[Row], Unlisted]:
    """The collection or file itself, then what lies in it, and what has no place there; NotFound, ServerTrouble."""
    try:
        listed = json.loads(body)
    except (ValueError, RecursionError):
        listed = None
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise ServerTrouble("the service's answer is no listing")
    rows, unlisted, first = list[Row](), Unlisted(), dict[RemotePath, Entry]()
    for item in listed:
        try:
            row = _row(item, path)
        except Untrusted as error:
            unlisted.add(error)
            continue
        if row.entry.path not in first:
            rows.append(row)
        elif row.entry != first[row.entry.path]:
            unlisted.add(contradiction_error(row.entry.path))
        first.setdefault(row.entry.path, row.entry)
    itself = [row for row in rows if row.entry.path == path]
    if not listed:
        raise NotFound("there is no such file or directory: the listing is empty")
    if not itself:
        raise ServerTrouble("the service's listing does not speak of what was asked for")
    return [itself[0], *(row for row in rows if row.entry.path != path)], unlisted


def _row(item: Mapping[str, Any], asked: RemotePath) -> Row:
    told = {str(key): value for key, value in item.items() if isinstance(value, str)}
    path = _path(told.get("href", ""), asked)
    mtime, size = parse_date(told.get("mtime")), told.get("size", "")
    if not path.parts or told.get("href", "").endswith("/") or told.get("type") == "directory":
        return Row(Entry(path, Kind.DIRECTORY, None, mtime), told)
    known = int(size) if size.isascii() and size.isdecimal() and len(size) < 20 else None
    return Row(Entry(path, Kind.FILE, known, mtime), told)


def _path(href: str, asked: RemotePath) -> RemotePath:
    """The path that is meant; Untrusted for an absolute one, and for all but the collection and what lies in it."""
    refusal = Untrusted(f"the service lists {escape_unprintable(href)!r} there, which lies elsewhere: refused")
    try:
        path = RemotePath.decode(href)
    except UsageError:
        raise refusal from None
    if href.startswith("/") or (path != asked and (not path.parts or path.parent != asked)):
        raise refusal
    return path
