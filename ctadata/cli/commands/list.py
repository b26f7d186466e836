"""The command `list`: the entries of directories, one a line, sorted or as the storage sends them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ctadata.cli import command_context, options
from ctadata.cli.entry_lines import Columns, read_columns, read_sort_key, write_entries, write_sorted_by_name
from ctadata.cli.login import log_in_if_needed
from ctadata.cli.signals import stop_on_signals
from ctadata.errors import UsageError
from ctadata.namespace.external_sort import IN_MEMORY, SortKey, name_key, sort_items
from ctadata.namespace.filters import Filters

if TYPE_CHECKING:
    from ctadata.session import Session


def list_(
    ctx: typer.Context,
    paths: command_context.SomePaths = None,
    long: Annotated[
        bool, typer.Option("-l", "--long", help="Show kind, size, time, locality and checksum too.")
    ] = False,
    human: options.Human = False,
    columns: options.ColumnNames = None,
    recursive: Annotated[bool, typer.Option("-r", "-R", "--recursive", help="List everything below.")] = False,
    include: options.Include = None,
    exclude: options.Exclude = None,
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
    sort_by: Annotated[
        str | None,
        typer.Option("--sort-by", metavar="KEY", help="Sort by name, size or time; --sort size is the same."),
    ] = None,
    token_file: options.TokenFile = None,
    login: options.Login = False,
) -> None:
    """List a directory, or one file.

    \b
      cta-data-direct list                          the root of the storage
      cta-data-direct list -l lst/some/run          with size and time
      cta-data-direct list -lh lst | less           units in a pipe too
      cta-data-direct list -l --sort size lst home: two directories
      cta-data-direct list --columns size,path lst  these columns
      cta-data-direct list -r lst | grep fits.fz    every path below
      cta-data-direct list -r --include '*.h5' lst  every path that matches
      cta-data-direct list 'lst/run_*/*.h5'         paths of one level
      cta-data-direct list -l --mtime s3://bucket/  the mtime, not the upload's
      cta-data-direct list --versions s3://bucket/a each version of it
      cta-data-direct list --json lst | jq .size    for programs

    Each line is a full path that the other commands accept as it is. The path
    of a directory ends with a slash. Times are local on a terminal, and in UTC
    in a pipe. Each directory is sorted by name, in the order of LC_ALL=C. With
    -r, -0, --json or --unsorted each line is written as soon as the storage
    sends the entry. Sorted by size, the largest comes first; by time, the
    newest.
    """
    common = options.begin(ctx)
    key = _sort_key(sort, sort_by, by_name=not (recursive or null or json))
    chosen = read_columns(columns)
    filters = Filters.read(include or [], exclude or [])
    if login:
        log_in_if_needed(common.resolve(), token_file)
    with stop_on_signals() as stop, common.session(stop, token_file) as session:
        form = Columns(long or human or bool(chosen), null, json, session.store.features.lists_checksums, human, chosen)
        plain = not (include or exclude or null or mtime or chosen or sort_by)

        def list_one(path: str) -> None:
            if versions:
                _list_versions(session, path, recursive=recursive, json=json, plain=plain)
                return
            entries = session.list(path, recursive=recursive, filters=filters)
            if key is name_key and not (form.long or null or json or mtime):
                write_sorted_by_name(entries)
                return
            entries = entries if key is None else sort_items(entries, IN_MEMORY, key)
            if mtime:
                from ctadata.namespace.kept_mtimes import with_kept_mtimes

                entries = with_kept_mtimes(session.store, entries)
            write_entries(entries, form, together=key is not None)

        if len(paths or ()) > 1:
            command_context.for_each(paths or (), list_one)
        else:
            list_one(*(paths or ["/"]))


def _sort_key(sort: bool | None, sort_by: str | None, *, by_name: bool) -> SortKey | None:
    """Return the sort key that the options ask for; None if the entries stay as the storage sends them.

    Raises:
        UsageError: There is no such key, or the options exclude each other.
    """
    if sort_by is not None:
        if sort is False:
            raise UsageError("--sort-by and --unsorted exclude each other")
        return read_sort_key(sort_by)
    return name_key if (by_name if sort is None else sort) else None


def _list_versions(session: Session, path: str, *, recursive: bool, json: bool, plain: bool) -> None:
    from ctadata.cli.commands.versions import write_versions

    if not plain:
        raise UsageError("--versions allows -r, -l and --json only")
    write_versions(session, path, recursive=recursive, json=json)
