"""The command `find`: names that match, below directories."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from ctadata.cli import command_context, options
from ctadata.cli.entry_lines import Columns, read_columns, write_entries
from ctadata.entries import Entry
from ctadata.namespace.find import Criteria
from ctadata.namespace.find import find as search


def find(
    ctx: typer.Context,
    paths: command_context.Paths,
    name: Annotated[
        list[str] | None,
        typer.Option("--name", metavar="GLOB", help="Names that match ('*.h5', or 'log/*.txt' from the top)."),
    ] = None,
    size: Annotated[
        list[str] | None,
        typer.Option("--size", metavar="[+-]N[kMGT]", help="+N: over N bytes, -N: under, N: exactly; repeatable."),
    ] = None,
    newer: Annotated[
        str | None, typer.Option("--newer", metavar="AGE|DATE", help="Changed since then (7d, 12h, 30min, 2026-08-01).")
    ] = None,
    older: Annotated[str | None, typer.Option("--older", metavar="AGE|DATE", help="Not changed since then.")] = None,
    kind: Annotated[str | None, typer.Option("--kind", metavar="f|d", help="Only files, or only directories.")] = None,
    long: Annotated[bool, typer.Option("-l", "--long", help="Print long lines, as list -l does.")] = False,
    columns: options.ColumnNames = None,
    null: Annotated[bool, typer.Option("-0", "--null", help="End each path with NUL in place of a new line.")] = False,
    json: options.Json = False,
    token_file: options.TokenFile = None,
) -> None:
    """Find files and directories below directories.

    \b
      cta-data-direct find lst/run1 --name '*.h5' --size +1G
      cta-data-direct find home: --older 1y --kind f
      cta-data-direct find lst --newer 2026-08-01 -l
      cta-data-direct find -0 home: --name '*.tmp' |
          cta-data-direct rm -0 --files-from -

    A name must match all conditions; with several --name, one of them is
    enough. The units k, M, G, T are powers of 1024. Dates are in UTC. If
    nothing matches, the exit code is 0.
    """
    criteria = Criteria.read(names=name or [], sizes=size or [], newer=newer, older=older, kind=kind, now=time.time())
    chosen = read_columns(columns)
    with command_context.open_context(ctx, token_file) as context:
        features = context.session.store.features
        form = Columns(long or bool(chosen), null, json, features.lists_checksums, chosen=chosen)

        def search_below(top: Entry) -> None:
            with command_context.collect_failures(top) as on_error:
                write_entries(search(context.session.store, top, criteria, on_error=on_error), form)

        command_context.for_each(command_context.find_all(context.session, paths), search_below)
