"""The command `list`: the entries of a directory, one a line, sorted by name or as the storage sends them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from ctadata.cli import options, transfer_options
from ctadata.cli.completion import remote
from ctadata.cli.locations import located
from ctadata.cli.login import log_in_if_needed
from ctadata.cli.output import data, data_json, data_raw, rfc3339, stdout_is_terminal
from ctadata.cli.signals import stopping
from ctadata.progress import units

if TYPE_CHECKING:
    from ctadata.entries import Entry


def list_(
    ctx: typer.Context,
    path: Annotated[
        str,
        typer.Argument(metavar="PATH", help="From the root of the storage.", autocompletion=remote, callback=located),
    ] = "/",
    long: Annotated[
        bool, typer.Option("-l", "--long", help="Show kind, size, time, locality and checksum too.")
    ] = False,
    recursive: Annotated[bool, typer.Option("-r", "-R", "--recursive", help="List everything below.")] = False,
    include: transfer_options.Include = None,
    exclude: transfer_options.Exclude = None,
    null: Annotated[bool, typer.Option("-0", "--null", help="End each path with NUL in place of a new line.")] = False,
    json: options.Json = False,
    sort: Annotated[
        bool | None,
        typer.Option(
            "--sort/--unsorted",
            show_default=False,
            help="Sort by name, or not; without -r, -0 and --json sorted.",
        ),
    ] = None,
    token_file: options.TokenFile = None,
    login: options.Login = False,
) -> None:
    """List a directory, or one file.

    \b
      cta-data-direct list                          the root of the storage
      cta-data-direct list -l lst/some/run          with size and time
      cta-data-direct list home:                    your home on the storage
      cta-data-direct list -r lst | grep fits.fz    every path below
      cta-data-direct list -r --include '*.h5' lst  every path that matches
      cta-data-direct list 'lst/run_*/*.h5'         paths of one level
      cta-data-direct list --json lst | jq .size    for programs

    Each line is a full path that the other commands accept as it is. The path
    of a directory ends with a slash. Times are in UTC. One directory is sorted
    by name, in the order of LC_ALL=C. With -r, -0, --json or --unsorted each
    line is written as soon as the storage sends the entry.
    """
    from ctadata.namespace.external_sort import sort_by_name
    from ctadata.namespace.filters import Filters

    common = options.begin(ctx)
    if login:
        log_in_if_needed(common.resolve(), token_file)
    with stopping() as stop, common.session(stop, token_file) as session:
        filters = Filters.read(include or [], exclude or [])
        columns = Columns(long=long, null=null, json=json, checksums=session.store.features.lists_checksums)
        entries = session.list(path, recursive=recursive, filters=filters)
        if sort is None:
            sort = not (recursive or null or json)
        for entry in sort_by_name(entries) if sort else entries:
            write_entry(entry, columns)


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
        data_raw(short_line(entry) + "\0")
    elif columns.json:
        data_json(as_json(entry))
    else:
        data(long_line(entry, checksums=columns.checksums) if columns.long else short_line(entry))


def short_line(entry: Entry) -> str:
    """Return the path from the root without a leading slash; the path of a directory ends with a slash."""
    return "/".join(entry.path.parts) + ("/" if entry.is_directory else "")


def long_line(entry: Entry, *, checksums: bool) -> str:
    """Return a line with kind, size, time, locality, checksum and path.

    The size has a unit on a terminal and is in bytes in a pipe.

    Args:
        entry: A file or a directory.
        checksums: The storage lists localities and checksums, so each line has both columns, with `-` for an unknown
            value. If an entry has several checksums, the line has the shortest.
    """
    size = "-" if entry.size is None else units.size(entry.size) if stdout_is_terminal() else str(entry.size)
    kind = "d" if entry.is_directory else "-"
    locality = f"{entry.locality or '-':<8}  " if entry.locality or checksums else ""
    shortest = min(entry.checksums.items(), key=lambda pair: (len(pair[1]), pair), default=None)
    checksum = f"{':'.join(shortest) if shortest else '-':<16}  " if checksums else ""
    return f"{kind}  {size:>12}  {rfc3339(entry.mtime) or '-':<20}  {locality}{checksum}{short_line(entry)}"


def as_json(entry: Entry) -> dict[str, object]:
    """Return the entry as a JSON object; an unknown value is None."""
    return {
        "path": "/".join(entry.path.parts),
        "kind": str(entry.kind),
        "size": entry.size,
        "mtime": rfc3339(entry.mtime),
        "etag": entry.etag,
        "checksums": dict(entry.checksums),
        "locality": entry.locality,
    }
