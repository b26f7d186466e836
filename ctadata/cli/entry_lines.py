"""The lines that stand for an entry on stdout: its path, its path with size and time, or a JSON object."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ctadata.cli.output import format_rfc3339, stdout_is_terminal, write_json, write_line, write_lines, write_text
from ctadata.entries import Entry
from ctadata.errors import UsageError
from ctadata.namespace.external_sort import NAMES_IN_MEMORY, SORT_KEYS, SortKey, sort_items
from ctadata.progress import units

COLUMNS = {"kind": 1, "size": 12, "time": 20, "locality": 8, "checksum": 16, "etag": 16, "path": 0}
"""The columns of long lines, and their usual widths in characters."""

ALIGNED = 500
"""The number of lines that a terminal receives together, with columns as wide as their longest value."""


class Columns(NamedTuple):
    """The form of a line: the path alone, unless one of the fields says otherwise.

    Attributes:
        long: A long line, with kind, size and time.
        null: The path, ended by NUL.
        json: One JSON object.
        checksums: The storage lists checksums, so long lines have a column for them.
        human: Sizes have units in a pipe too.
        chosen: The columns of a long line that the user chose; None are the usual ones.
    """

    long: bool
    null: bool
    json: bool
    checksums: bool
    human: bool = False
    chosen: Sequence[str] | None = None


def read_columns(text: str | None) -> Sequence[str] | None:
    """Return the columns that a text names: `size,time,path`.

    Raises:
        UsageError: There is no such column.
    """
    if text is None:
        return None
    names = [name.strip().lower() for name in text.split(",")]
    for name in names:
        if name not in COLUMNS:
            raise UsageError(f"there is no column {name!r}", hint=f"the columns are {', '.join(COLUMNS)}")
    return names


def read_sort_key(word: str) -> SortKey:
    """Return the sort key that a word names: `name`, `size` or `time`.

    Raises:
        UsageError: There is no such key.
    """
    if word not in SORT_KEYS:
        raise UsageError(f"nothing can be sorted by {word!r}", hint=f"the keys are {', '.join(SORT_KEYS)}")
    return SORT_KEYS[word]


def write_entries(entries: Iterable[Entry], columns: Columns, *, together: bool = False) -> None:
    """Write entries to stdout.

    Args:
        entries: The entries. Each is written as soon as it comes.
        columns: The form of the lines.
        together: All entries come at once. On a terminal the columns of long lines are then as wide as their values.
    """
    if columns.long and not (columns.null or columns.json):
        aligned = together and stdout_is_terminal()
        _write_lines((long_cells(entry, columns) for entry in entries), ALIGNED if aligned else 1)
        return
    if together and not (columns.null or columns.json):
        write_lines(map(short_line, entries))
        return
    for entry in entries:
        if columns.null:
            write_text(short_line(entry) + "\0")
        elif columns.json:
            write_json(entry_as_json(entry))
        else:
            write_line(short_line(entry))


def write_sorted_by_name(entries: Iterable[Entry]) -> None:
    """Write the short lines of entries, sorted by name, after the last entry has come.

    Only the lines are kept. With NUL in place of each slash, they have the order of `name_key`: Python compares texts
    by code point, which is the order of their UTF-8.
    """
    lines = (short_line(entry).replace("/", "\0") for entry in entries)
    write_lines(line.replace("\0", "/") for line in sort_items(lines, NAMES_IN_MEMORY))


def _write_lines(lines: Iterable[dict[str, str]], at_a_time: int) -> None:
    """Write lines in groups, also those before an error. More than one at a time get widths of their own."""
    widths = COLUMNS if at_a_time == 1 else dict.fromkeys(COLUMNS, 0)
    group: list[dict[str, str]] = []

    def write_group() -> None:
        for cells in group if at_a_time > 1 else ():
            widths.update((name, max(widths[name], len(text))) for name, text in cells.items())
        for cells in group:
            write_line(_join(cells, widths))
        group.clear()

    try:
        for cells in lines:
            group.append(cells)
            if len(group) == at_a_time:
                write_group()
    finally:
        write_group()


def _join(cells: dict[str, str], widths: dict[str, int]) -> str:
    """Return the line: the ends of sizes are aligned, and the beginnings of other texts."""
    *_, last = cells
    return "  ".join(
        text.rjust(widths[name]) if name == "size" else text if name == last else text.ljust(widths[name])
        for name, text in cells.items()
    )


def short_line(entry: Entry) -> str:
    """Return the path from the root without a leading slash; the path of a directory ends with a slash."""
    return "/".join(entry.path.parts) + ("/" if entry.is_directory else "")


def size_text(size: int | None, *, human: bool = False) -> str:
    """Return a number of bytes as a column shows it: with a unit on a terminal, plain in a pipe, `-` if not known.

    Args:
        size: The number of bytes; None if it is not known.
        human: The number has a unit in a pipe too.
    """
    return "-" if size is None else units.size(size) if human or stdout_is_terminal() else str(size)


def time_text(seconds: float | None) -> str:
    """Return a time as a column shows it: local on a terminal, in UTC in a pipe, `-` if not known.

    Args:
        seconds: Seconds since 1970; None if it is not known.
    """
    text = format_rfc3339(seconds)
    if seconds is None or text is None or not stdout_is_terminal():
        return text or "-"
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def long_cells(entry: Entry, columns: Columns) -> dict[str, str]:
    """Return the text of each column of a long line: kind, size, time, locality, checksum and path.

    The size has a unit on a terminal and is in bytes in a pipe. If the storage lists localities and checksums, each
    line has both columns, with `-` for an unknown value. If an entry has several checksums, the line has the shortest.
    """
    shortest = min(entry.checksums.items(), key=lambda pair: (len(pair[1]), pair), default=None)
    cells = {
        "kind": "d" if entry.is_directory else "-",
        "size": size_text(entry.size, human=columns.human),
        "time": time_text(entry.mtime),
        "locality": entry.locality or "-",
        "checksum": ":".join(shortest) if shortest else "-",
        "etag": entry.etag or "-",
        "path": short_line(entry),
    }
    if columns.chosen is not None:
        return {name: cells[name] for name in columns.chosen}
    hidden = {"etag"}
    if not columns.checksums:
        hidden |= {"checksum"} | (set() if entry.locality else {"locality"})
    return {name: text for name, text in cells.items() if name not in hidden}


def entry_as_json(entry: Entry) -> dict[str, object]:
    """Return the entry as a JSON object; an unknown value is None."""
    return {
        "path": "/".join(entry.path.parts),
        "kind": str(entry.kind),
        "size": entry.size,
        "mtime": format_rfc3339(entry.mtime),
        "etag": entry.etag,
        "checksums": dict(entry.checksums),
        "locality": entry.locality,
    }
