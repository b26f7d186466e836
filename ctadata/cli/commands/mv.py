"""`mv`: other names for what is on the storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ctadata.cli import command_context, options, transfer_options
from ctadata.cli.commands.list import short_line
from ctadata.cli.completion import remote
from ctadata.cli.locations import located
from ctadata.cli.output import data, say

if TYPE_CHECKING:
    from ctadata.namespace.rename import PlannedRename


def mv(
    ctx: typer.Context,
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SRC... DST",
            show_default=False,
            help="From the root of the storage; the last one is the new name, or the directory to move into.",
            autocompletion=remote,
            callback=located,
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("-f", "--force", help="Replace files that are there; directories never.")
    ] = False,
    dry_run: transfer_options.DryRun = False,
    token_file: options.TokenFile = None,
) -> None:
    """Rename or move files and directories on the storage.

    \b
      cta-data-direct mv home:a.h5 home:b.h5          another name
      cta-data-direct mv home:a.h5 home:plots/        into a directory
      cta-data-direct mv 'home:run_*' home:2026       all that match
      cta-data-direct mv -f home:new.h5 home:b.h5     in the place of a file

    No byte is moved. A name that is taken stays as it is (exit code 8), unless
    -f says that the file there may go.
    """
    from ctadata.namespace.rename import plan_renames, rename

    if len(paths or []) < 2:
        raise transfer_options.missing("mv SRC... DST")
    *sources, target = paths or []
    with command_context.visiting(ctx, token_file) as visit:
        session = visit.session
        found = [entry for text in sources for entry in command_context.entries(session, text)]
        path = session.resolve(target)
        todo = plan_renames(session.store, found, path, into=target.endswith("/") or path.parts == ())
        command_context.refuse_home(session, found)

        def move(renaming: PlannedRename) -> None:
            if dry_run:
                data(_words(renaming))
                return
            rename(session.store, renaming, replace=force)
            if visit.verbose:
                say(_words(renaming))

        command_context.each(todo, move)


def _words(renaming: PlannedRename) -> str:
    return f"{short_line(renaming.entry)} -> {'/'.join(renaming.target.parts)}"
