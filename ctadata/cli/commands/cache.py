"""The commands `cache list` and `cache clear`: the records of verified transfers on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ctadata.cli import options
from ctadata.cli.output import data, data_json, rfc3339, say
from ctadata.errors import LocalError
from ctadata.progress import units

if TYPE_CHECKING:
    from os import stat_result


def list_cache(ctx: typer.Context, json: options.Json = False) -> None:
    """List the records of transfers on this machine.

    \b
      cta-data-direct cache list

    One line for each pair of folders: bytes, files, time of the last use, and
    the two folders. The last line, on stderr, has the directory of the records
    and their size.
    """
    from ctadata.transfer import records

    common, folder = options.begin(ctx), records.directory()
    rows = size = 0
    for path, status in sorted(records.files(folder)) if folder else []:
        rows, size = rows + 1, size + status.st_size
        _print_record(path, status, as_json=json)
    if not common.quiet:
        say(f"{_pairs(rows)}, {units.size(size)}, in {folder or 'no directory'}")


def _print_record(path: Path, status: stat_result, *, as_json: bool) -> None:
    from ctadata.paths import escape_unprintable
    from ctadata.transfer import records

    remote, other, count = records.describe(path) or ("", "", 0)
    used = rfc3339(status.st_mtime)
    if as_json:
        fields = {"file": str(path), "remote": remote, "other": other, "files": count}
        data_json({**fields, "size": status.st_size, "used": used})
    else:
        data(f"{status.st_size:>10}  {count:>6}  {used}  {escape_unprintable(remote)}  {escape_unprintable(other)}")


def clear_cache(ctx: typer.Context) -> None:
    """Remove all records of transfers on this machine.

    \b
      cta-data-direct cache clear

    No file is lost, here or on the storage. The next run compares mtimes and
    checksums, and reads or sends the files that these do not prove equal.
    """
    from ctadata.transfer import records

    common = options.begin(ctx)
    folder = records.directory()
    try:
        count, size = records.clear(folder) if folder else (0, 0)
    except OSError as error:
        raise LocalError(f"local: {error.strerror}", path=str(error.filename or folder)) from error
    if not common.quiet:
        say(f"removed the records of {_pairs(count)}, {units.size(size)}")


def _pairs(count: int) -> str:
    return "1 pair of folders" if count == 1 else f"{count} pairs of folders"
