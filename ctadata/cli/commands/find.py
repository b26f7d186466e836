"""`find`: which names fit."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from ctadata.cli import command_context, options
from ctadata.cli.commands.list import Columns, write_entry

if TYPE_CHECKING:
    from ctadata.entries import Entry


def find(
    ctx: typer.Context,
    paths: command_context.Paths,
    name: Annotated[
        list[str] | None,
        typer.Option("--name", metavar="GLOB", help="The name matches ('*.h5', or 'log/*.txt' from the top)."),
    ] = None,
    size: Annotated[
        list[str] | None,
        typer.Option("--size", metavar="[+-]N[kMGT]", help="More than +N, less than -N, exactly N bytes; repeatable."),
    ] = None,
    newer: Annotated[
        str | None, typer.Option("--newer", metavar="AGE|DATE", help="Changed since (7d, 12h, 30min, 2026-08-01).")
    ] = None,
    older: Annotated[str | None, typer.Option("--older", metavar="AGE|DATE", help="Not changed since.")] = None,
    kind: Annotated[str | None, typer.Option("--kind", metavar="f|d", help="Files, or directories.")] = None,
    long: Annotated[bool, typer.Option("-l", "--long", help="As list -l writes it.")] = False,
    null: Annotated[bool, typer.Option("-0", "--null", help="Each path ends in NUL, not in a new line.")] = False,
    json: options.Json = False,
    token_file: options.TokenFile = None,
) -> None:
    """Find files and directories below others.

    \b
      cta-data-direct find lst/run1 --name '*.h5' --size +1G
      cta-data-direct find home: --older 1y --kind f
      cta-data-direct find lst --newer 2026-08-01 -l
      cta-data-direct find -0 home: --name '*.tmp' | xargs -0 cta-data-direct rm

    All that is asked must fit; of several --name, one. Sizes count in 1024
    (k, M, G, T). Dates are UTC. That nothing is found is no error.
    """
    from ctadata.namespace.find import Criteria
    from ctadata.namespace.find import find as search

    criteria = Criteria.read(names=name or [], sizes=size or [], newer=newer, older=older, kind=kind, now=time.time())
    with command_context.visiting(ctx, token_file) as visit:
        columns = Columns(long=long, null=null, json=json, checksums=visit.session.store.features.lists_checksums)

        def look(top: Entry) -> None:
            with command_context.partly(top) as on_error:
                for entry in search(visit.session.store, top, criteria, on_error=on_error):
                    write_entry(entry, columns)

        command_context.each(command_context.named(visit.session, paths), look)
