"""The command `list`: the entries of a directory, one a line, sorted by name or as the storage sends them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ctadata.cli import options, transfer_options
from ctadata.cli.completion import complete_remote
from ctadata.cli.entry_lines import Columns, write_entry
from ctadata.cli.locations import read_location
from ctadata.cli.login import log_in_if_needed
from ctadata.cli.signals import stop_on_signals
from ctadata.errors import UsageError
from ctadata.namespace.external_sort import sort_by_name
from ctadata.namespace.filters import Filters
from ctadata.namespace.kept_mtimes import with_kept_mtimes

if TYPE_CHECKING:
    from ctadata.session import Session


def list_(
    ctx: typer.Context,
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH", help="From the root of the storage.", autocompletion=complete_remote, callback=read_location
        ),
    ] = "/",
    long: Annotated[
        bool, typer.Option("-l", "--long", help="Show kind, size, time, locality and checksum too.")
    ] = False,
    recursive: Annotated[bool, typer.Option("-r", "-R", "--recursive", help="List everything below.")] = False,
    include: transfer_options.Include = None,
    exclude: transfer_options.Exclude = None,
    null: Annotated[bool, typer.Option("-0", "--null", help="End each path with NUL in place of a new line.")] = False,
    json: options.Json = False,
    mtime: Annotated[
        bool, typer.Option("--mtime", help="For S3: show the mtime that each file had where it was uploaded.")
    ] = False,
    versions: Annotated[
        bool, typer.Option("--versions", help="For S3: show each version, deleted files too, the newest first.")
    ] = False,
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
      cta-data-direct list -l --mtime s3://bucket/  the mtime, not the upload's
      cta-data-direct list --versions s3://bucket/a each version of it
      cta-data-direct list --json lst | jq .size    for programs

    Each line is a full path that the other commands accept as it is. The path
    of a directory ends with a slash. Times are in UTC. One directory is sorted
    by name, in the order of LC_ALL=C. With -r, -0, --json or --unsorted each
    line is written as soon as the storage sends the entry.
    """
    common = options.begin(ctx)
    if login:
        log_in_if_needed(common.resolve(), token_file)
    with stop_on_signals() as stop, common.session(stop, token_file) as session:
        if versions:
            plain = not (include or exclude or null or mtime)
            _list_versions(session, path, recursive=recursive, json=json, plain=plain)
            return
        filters = Filters.read(include or [], exclude or [])
        columns = Columns(long=long, null=null, json=json, checksums=session.store.features.lists_checksums)
        entries = session.list(path, recursive=recursive, filters=filters)
        if sort is None:
            sort = not (recursive or null or json)
        entries = sort_by_name(entries) if sort else entries
        for entry in with_kept_mtimes(session.store, entries) if mtime else entries:
            write_entry(entry, columns)


def _list_versions(session: Session, path: str, *, recursive: bool, json: bool, plain: bool) -> None:
    from ctadata.cli.commands.versions import write_versions

    if not plain:
        raise UsageError("--versions allows -r, -l and --json only")
    write_versions(session, path, recursive=recursive, json=json)
