"""`rm` and `rmdir`: names that are no longer wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ctadata.cli import command_context, options, transfer_options
from ctadata.cli.commands.list import short_line
from ctadata.cli.output import data, say
from ctadata.cli.prompts import is_anybody_here, may_delete
from ctadata.errors import CtadataError, NotFound, NothingMatched, UsageError
from ctadata.progress import units

if TYPE_CHECKING:
    from ctadata.cli.command_context import CommandContext
    from ctadata.entries import Entry
    from ctadata.namespace.du import Usage

THREADS = 4
"""Names deleted at a time."""

Yes = Annotated[bool, typer.Option("-y", "--yes", help="Delete directories without asking.")]


def rm(
    ctx: typer.Context,
    paths: command_context.Paths,
    recursive: transfer_options.Recursive = False,
    yes: Yes = False,
    force: Annotated[bool, typer.Option("-f", "--force", help="A name that is missing is no failure.")] = False,
    dry_run: transfer_options.DryRun = False,
    raw_key: transfer_options.RawKey = False,
    token_file: options.TokenFile = None,
) -> None:
    """Delete files, and with -r directories.

    \b
      cta-data-direct rm home:plots/old.png
      cta-data-direct rm 'home:plots/*.tmp'
      cta-data-direct rm -r home:plots            shows how much it is, and asks
      cta-data-direct rm -r --yes home:plots      in scripts

    What is deleted is gone. The root of the storage and your home stay. If the
    storage fails in the middle of a directory, part of it may be gone.
    """
    from ctadata.namespace.remove import drop_nested, remove

    with command_context.visiting(ctx, token_file, raw_key=raw_key) as visit:
        store = visit.session.store
        found = list(command_context.named(visit.session, paths))
        failed = [each for each in found if isinstance(each, CtadataError) and not (force and _is_missing(each))]
        doomed = drop_nested(each for each in found if not isinstance(each, CtadataError))
        trees = [entry for entry in doomed if entry.is_directory]
        command_context.refuse_home(visit.session, trees)
        if trees and not recursive:
            remove(store, trees[0])  # it says what to write
        if trees and not (yes or dry_run or is_anybody_here()):
            raise UsageError("-r asks first, and nobody is here to answer", hint="--yes deletes without asking")
        if dry_run or (trees and not yes and not _confirmed(visit, doomed)):
            _show(visit, doomed) if dry_run else say("nothing was deleted")
            raise typer.Exit(0 if dry_run else 1)

        def delete(entry: Entry) -> None:
            remove(store, entry, recursive=recursive)
            if visit.verbose:
                say(f"deleted {short_line(entry)}")

        things: list[Entry | CtadataError] = [*failed, *doomed]
        command_context.each(things, delete, threads=THREADS)


def _is_missing(error: CtadataError) -> bool:
    return isinstance(error, NotFound | NothingMatched)


def _show(visit: CommandContext, doomed: Sequence[Entry]) -> None:
    for entry, whole in zip(doomed, _counted(visit, doomed), strict=True):
        data(f"delete {_line(entry, whole)}")
        for address in whole.unnamed:
            data(f"  with {address}")


def _confirmed(visit: CommandContext, doomed: Sequence[Entry]) -> bool:
    counted = _counted(visit, doomed)
    names = [
        line
        for entry, whole in zip(doomed, counted, strict=True)
        for line in (_line(entry, whole), *(f"  with {address}" for address in whole.unnamed))
    ]
    trees = sum(entry.is_directory for entry in doomed) + sum(whole.directories for whole in counted)
    files = units.files(sum(whole.files for whole in counted))
    size = units.size(sum(whole.size for whole in counted))
    return may_delete(names, visit.stop, f"{files} in {units.directories(trees)}, {size}")


def _counted(visit: CommandContext, doomed: Sequence[Entry]) -> list[Usage]:
    from ctadata.namespace.du import measure_deletion

    return [measure_deletion(visit.session.store, entry) for entry in doomed]


def _line(entry: Entry, whole: Usage) -> str:
    """`lst/run1/ (12 files in 3 directories, 1.2 GiB)`, or `lst/a.h5 (1.2 GiB)`."""
    size = units.size(whole.size)
    if not entry.is_directory:
        return f"{short_line(entry)} ({size})"
    return f"{short_line(entry)} ({units.files(whole.files)} in {units.directories(whole.directories + 1)}, {size})"


def rmdir(
    ctx: typer.Context,
    paths: command_context.Paths,
    token_file: options.TokenFile = None,
) -> None:
    """Delete empty directories.

    \b
      cta-data-direct rmdir home:plots/old

    One that holds anything stays (exit code 2). dCache lists a directory that
    it cannot read as empty: such a door is asked again before it is believed.
    """
    from ctadata.namespace.remove import remove_empty

    with command_context.visiting(ctx, token_file) as visit:

        def delete(entry: Entry) -> None:
            command_context.refuse_home(visit.session, [entry])
            remove_empty(visit.session.store, entry)
            if visit.verbose:
                say(f"deleted {short_line(entry)}")

        command_context.each(command_context.named(visit.session, paths), delete)
