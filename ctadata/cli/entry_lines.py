"""The lines that stand for an entry on stdout: its path, its path with size and time, or a JSON object."""

from __future__ import annotations

from dataclasses import dataclass

from ctadata.cli.output import format_rfc3339, stdout_is_terminal, write_json, write_line, write_text
from ctadata.entries import Entry
from ctadata.progress import units


@dataclass(frozen=True, slots=True)
class Columns:
    """The form of a line: the path alone, unless one of the fields says otherwise.

    Attributes:
        long: A long line, with kind, size and time.
        null: The path, ended by NUL.
        json: One JSON object.
        checksums: The storage lists checksums, so long lines have a column for them.
    """

    long: bool
    null: bool
    json: bool
    checksums: bool


def write_entry(entry: Entry, columns: Columns) -> None:
    """Write one entry to stdout."""
    if columns.null:
        write_text(short_line(entry) + "\0")
    elif columns.json:
        write_json(entry_as_json(entry))
    else:
        write_line(long_line(entry, checksums=columns.checksums) if columns.long else short_line(entry))


def short_line(entry: Entry) -> str:
    """Return the path from the root without a leading slash; the path of a directory ends with a slash."""
    return "/".join(entry.path.parts) + ("/" if entry.is_directory else "")


def size_text(size: int | None) -> str:
    """Return a number of bytes as a column shows it: with a unit on a terminal, plain in a pipe, `-` if not known."""
    return "-" if size is None else units.size(size) if stdout_is_terminal() else str(size)


def long_line(entry: Entry, *, checksums: bool) -> str:
    """Return a line with kind, size, time, locality, checksum and path.

    The size has a unit on a terminal and is in bytes in a pipe.

    Args:
        entry: A file or a directory.
        checksums: The storage lists localities and checksums, so each line has both columns, with `-` for an unknown
            value. If an entry has several checksums, the line has the shortest.
    """
    kind = "d" if entry.is_directory else "-"
    locality = f"{entry.locality or '-':<8}  " if entry.locality or checksums else ""
    shortest = min(entry.checksums.items(), key=lambda pair: (len(pair[1]), pair), default=None)
    checksum = f"{':'.join(shortest) if shortest else '-':<16}  " if checksums else ""
    size, time = size_text(entry.size), format_rfc3339(entry.mtime) or "-"
    return f"{kind}  {size:>12}  {time:<20}  {locality}{checksum}{short_line(entry)}"


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
