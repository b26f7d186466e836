"""The commands `cache list` and `cache clear`: records of transfers, and copies of files, on this machine."""

from __future__ import annotations

import contextlib
import os
from os import stat_result
from pathlib import Path

import typer

from ctadata import local_copies
from ctadata.cli import options
from ctadata.cli.output import format_rfc3339, say, write_json, write_line
from ctadata.errors import LocalError
from ctadata.printable import escape_unprintable
from ctadata.progress import units
from ctadata.transfer import record_cache
from ctadata.transfer.partial_file import local_errors


def list_cache(ctx: typer.Context, json: options.Json = False) -> None:
    """List what is kept on this machine: records and copies.

    \b
      cta-data-direct cache list

    One line for the records of each pair of folders: bytes, files, time of the
    last use, and the two folders. One line for each copy that local has made.
    The last line, on stderr, has the sizes and the directory.
    """
    common, cache = options.begin(ctx), _readable_cache()
    rows = size = 0
    for path, status in sorted(record_cache.files(cache / "records")) if cache else []:
        rows, size = rows + 1, size + status.st_size
        _print_record(path, status, as_json=json)
    copies = sorted(local_copies.copies(cache / "copies"), key=lambda copy: copy.path) if cache else []
    for copy in copies:
        _print_copy(copy.path, copy.size, copy.used, as_json=json)
    if not common.quiet:
        held = units.size(sum(copy.size for copy in copies))
        say(f"{_pairs(rows)}, {units.size(size)}; {_copies(len(copies))}, {held}; in {cache or 'no directory'}")


def _readable_cache() -> Path | None:
    """Return the cache directory. Raises LocalError if it exists and cannot be read: it is not empty then."""
    cache = record_cache.cache_directory()
    for folder in (cache / "records", cache / "copies") if cache else ():
        with local_errors(folder), contextlib.suppress(FileNotFoundError), os.scandir(folder):
            pass
    return cache


def _print_record(path: Path, status: stat_result, *, as_json: bool) -> None:
    remote, other, count = record_cache.describe(path) or ("", "", 0)
    used = format_rfc3339(status.st_mtime)
    if as_json:
        fields = {"kind": "records", "file": str(path), "remote": remote, "other": other, "files": count}
        write_json({**fields, "size": status.st_size, "used": used})
    else:
        write_line(
            f"{status.st_size:>10}  {count:>6}  {used}  {escape_unprintable(remote)}  {escape_unprintable(other)}"
        )


def _print_copy(path: Path, size: int, used: float, *, as_json: bool) -> None:
    if as_json:
        write_json({"kind": "copy", "file": str(path), "size": size, "used": format_rfc3339(used)})
    else:
        write_line(f"{size:>10}  {'copy':>6}  {format_rfc3339(used)}  {escape_unprintable(str(path))}")


def clear_cache(ctx: typer.Context) -> None:
    """Remove all records and copies on this machine.

    \b
      cta-data-direct cache clear

    No file is lost, here or on the storage. The next run compares mtimes and
    checksums, and reads or sends the files that these do not prove equal; local
    downloads its copies anew.
    """
    common, cache = options.begin(ctx), _readable_cache()
    try:
        count, size = record_cache.clear(cache / "records") if cache else (0, 0)
        copies, held = local_copies.clear(cache / "copies") if cache else (0, 0)
    except OSError as error:
        raise LocalError(f"local: {error.strerror}", path=str(error.filename or cache)) from error
    if not common.quiet:
        removed = f"removed the records of {_pairs(count)}, {units.size(size)}"
        say(f"{removed}, and {_copies(copies)}, {units.size(held)}" if copies else removed)


def _pairs(count: int) -> str:
    return "1 pair of folders" if count == 1 else f"{count} pairs of folders"


def _copies(count: int) -> str:
    return "1 copy" if count == 1 else f"{count} copies"
