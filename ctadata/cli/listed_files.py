"""The lines of `--files-from` for a download: paths, or the JSON objects that `list --json` writes."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ctadata.cli.transfer_options import read_names
from ctadata.entries import Entry, Kind
from ctadata.errors import UsageError
from ctadata.paths import RemotePath, escape_unprintable, shorten


def read_files(file: str, *, null: bool) -> Iterator[str | Entry | UsageError]:
    """Yield what the lines of a list name: paths, or the entries of a listing if the first line is one.

    An entry has size, time, tag and checksums, so that nobody asks the storage for them again.

    Args:
        file: The path of the list; `-` means standard input.
        null: The list has paths that end with NUL.

    Yields:
        The paths or the entries; in their place, the error of a line of a listing that cannot be read, for example the
        last one of a `list` that was killed.

    Raises:
        UsageError: The list cannot be read.
    """
    names = read_names(file, null=null)
    first = next(names, None)
    if first is None:
        return
    lines = itertools.chain([first], names)
    if null or not _is_entry(first):
        yield from lines
        return
    for number, line in enumerate(lines, 1):
        try:
            yield read_entry(line)
        except (UsageError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            yield UsageError(
                f"line {number} of the list is no line of list --json: {shorten(str(error))}",
                path=escape_unprintable(shorten(line)),
            )


def _is_entry(line: str) -> bool:
    try:
        return bool({"path", "kind", "size"} <= json.loads(line).keys())
    except (ValueError, AttributeError, RecursionError):
        return False


def read_entry(line: str) -> Entry:
    """Return the entry of a line of `list --json`. Raises UsageError, ValueError and others."""
    fields: dict[str, Any] = json.loads(line)
    path, kind = RemotePath.parse(fields["path"]), Kind(fields["kind"])
    if not path.parts:
        raise ValueError("this is not a path of a file")
    size, mtime, etag, locality = fields["size"], fields.get("mtime"), fields.get("etag"), fields.get("locality")
    if not (size is None or (type(size) is int and size >= 0)):
        raise ValueError("a size that no file has")
    return Entry(
        path,
        kind,
        size=size,
        mtime=None if mtime is None else datetime.fromisoformat(mtime).timestamp(),
        etag=None if etag is None else str(etag),
        checksums={str(name): str(digest).lower() for name, digest in (fields.get("checksums") or {}).items()},
        locality=None if locality is None else str(locality),
    )
