"""Listings of the download service: a JSON array whose first element is the collection itself.

`href` is the path below the root of the data, percent-encoded once, with a slash at the end of a directory's; `size`
is decimal text; the root's `href` is empty and its `type` is `file`. An element that is not the collection or directly
below it makes the listing incomplete, because no text of the service is trusted to be a path.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ctadata.entries import Entry, Kind
from ctadata.errors import NotFound, ServerTrouble, Untrusted, UsageError
from ctadata.paths import RemotePath
from ctadata.printable import escape_unprintable
from ctadata.stores.dates import parse_date
from ctadata.stores.duplicates import contradiction_error
from ctadata.stores.unlisted import Unlisted


@dataclass(frozen=True, slots=True)
class Row:
    """One element of a listing.

    Attributes:
        entry: The file or collection.
        fields: The texts of the JSON object: `href`, `type`, `url`, `size`, `mtime`.
    """

    entry: Entry
    fields: Mapping[str, str]


def parse_listing(body: bytes, path: RemotePath) -> tuple[list[Row], Unlisted]:
    """Parse a listing.

    Args:
        body: The response's body.
        path: The collection or file that the request named.

    Returns:
        The requested entry first, then the entries directly below it; and the elements that have no place in the
        listing.

    Raises:
        NotFound: The listing is empty.
        ServerTrouble: The body is no listing, or a listing without the requested path.
    """
    try:
        elements = json.loads(body)
    except (ValueError, RecursionError):
        elements = None
    if not isinstance(elements, list) or not all(isinstance(element, dict) for element in elements):
        raise ServerTrouble("the service's answer is no listing")
    rows, unlisted, first = list[Row](), Unlisted(), dict[RemotePath, Entry]()
    for element in elements:
        try:
            row = _row(element, path)
        except Untrusted as error:
            unlisted.add(error)
            continue
        if row.entry.path not in first:
            rows.append(row)
        elif row.entry != first[row.entry.path]:
            unlisted.add(contradiction_error(row.entry.path))
        first.setdefault(row.entry.path, row.entry)
    itself = [row for row in rows if row.entry.path == path]
    if not elements:
        raise NotFound("there is no such file or directory: the listing is empty")
    if not itself:
        raise ServerTrouble("the service's listing does not contain the requested path")
    return [itself[0], *(row for row in rows if row.entry.path != path)], unlisted


def _row(element: Mapping[str, Any], requested: RemotePath) -> Row:
    fields = {str(key): value for key, value in element.items() if isinstance(value, str)}
    path = _path(fields.get("href", ""), requested)
    mtime, size = parse_date(fields.get("mtime")), fields.get("size", "")
    if not path.parts or fields.get("href", "").endswith("/") or fields.get("type") == "directory":
        return Row(Entry(path, Kind.DIRECTORY, None, mtime), fields)
    byte_count = int(size) if size.isascii() and size.isdecimal() and len(size) < 20 else None
    return Row(Entry(path, Kind.FILE, byte_count, mtime), fields)


def _path(href: str, requested: RemotePath) -> RemotePath:
    """Return the path of an `href`.

    Raises:
        Untrusted: The path is absolute, or neither the requested one nor directly below it.
    """
    refusal = Untrusted(f"the service lists {escape_unprintable(href)!r}, which does not lie there: refused")
    try:
        path = RemotePath.decode(href)
    except UsageError:
        raise refusal from None
    if href.startswith("/") or (path != requested and (not path.parts or path.parent != requested)):
        raise refusal
    return path
