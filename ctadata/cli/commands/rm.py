"""The commands `rm` and `rmdir`: delete files and directories of the storage."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ctadata.cli import command_context, options, transfer_options
from ctadata.cli.command_context import CommandContext
from ctadata.cli.entry_lines import short_line
from ctadata.cli.output import say, write_line
from ctadata.cli.prompts import can_prompt, confirm_delete
from ctadata.entries import Entry
from ctadata.errors import CtadataError, NotDeleted, NotFound, NothingMatched, UsageError
from ctadata.namespace.du import Usage, measure_deletion
from ctadata.namespace.remove import drop_nested, remove, remove_empty
from ctadata.progress import units

THREADS = 4
"""The number of names that are deleted at a time."""

Yes = Annotated[bool, typer.Option("-y", "--yes", help="Delete directories without asking.")]


def rm(
    ctx: typer.Context,
    paths: command_context.SomePaths = None,
    recursive: transfer_options.Recursive = False,
    yes: Yes = False,
    force: Annotated[bool, typer.Option("-f", "--force", help="A missing name is no failure.")] = False,
    literal: transfer_options.Literal = False,
    files_from: transfer_options.FilesFrom = None,
    null: transfer_options.Null = False,
    dry_run: transfer_options.DryRun = False,
    raw_key: transfer_options.RawKey = False,
    version_id: transfer_options.VersionId = None,
    token_file: options.TokenFile = None,
) -> None:
    """Delete files, and with -r directories.

    \b
      cta-data-direct rm home:plots/old.png
      cta-data-direct rm 'home:plots/*.tmp'
      cta-data-direct rm -r home:plots            show the names, and ask
      cta-data-direct rm -r --yes home:plots      in scripts
      cta-data-direct rm --literal 'home:[ab]'    this name, never a and b
      cta-data-direct find -0 home:plots --name '*.tmp' |
          cta-data-direct rm -0 --files-from -    names from a list

    A path with * ? [ in it is a pattern if no file has this name. So the second
    run of the same rm can delete other files: use --literal in scripts. The
    names of --files-from are never patterns.

    After the question each directory is looked at again. One that has changed
    meanwhile is kept, and the exit code is 6.

    There is no way back. The root of the storage and your home are never
    deleted. If the storage fails in the middle of a directory, a part of it may
    be deleted already.

    Only a bucket of S3 with versioning keeps what rm deletes; undelete brings
    it back. --version-id deletes one version for good.
    """
    paths = paths or []
    if not paths and files_from is None:
        raise transfer_options.missing_argument("rm PATH...")
    if version_id is not None:
        is_plain = not (recursive or raw_key or dry_run or files_from)
        _delete_version(ctx, paths, version_id, token_file, plain=is_plain)
        return
    with command_context.open_context(ctx, token_file, raw_key=raw_key, literal=literal) as context:
        store = context.session.store
        targets = list(command_context.find_all(context.session, paths))
        if files_from is not None:
            context.session.is_literal = True
            names = transfer_options.read_names(files_from, context.stop, null=null)
            targets += command_context.find_all(context.session, names)
        failed = [each for each in targets if isinstance(each, CtadataError) and not (force and _is_missing(each))]
        doomed = drop_nested(each for each in targets if not isinstance(each, CtadataError))
        trees = [entry for entry in doomed if entry.is_directory]
        command_context.refuse_home(context.session, trees)
        if trees and not recursive:
            remove(store, trees[0])  # raises the error whose hint names -r
        if trees and not (yes or dry_run or can_prompt()):
            raise UsageError(
                "-r asks before it deletes, but nobody can answer here", hint="--yes deletes without asking"
            )
        results: list[Entry | CtadataError] = [*failed, *doomed]
        if dry_run:
            _print_doomed(context, doomed)
            command_context.for_each(results, lambda _: None)
            return
        asks = bool(trees) and not yes
        usages = _usages(context, doomed) if asks else []
        if asks and not _confirm(context, doomed, usages):
            say("nothing was deleted")
            raise typer.Exit(1)
        counted = {usage.path: usage for usage in usages}

        def delete(entry: Entry) -> None:
            if asks and entry.is_directory and measure_deletion(store, entry) != counted[entry.path]:
                what = "it has changed since the question, so nothing of it was deleted"
                raise NotDeleted(what, hint="give the command again", path=str(entry.path))
            remove(store, entry, recursive=recursive, is_fresh=not trees)  # nobody was asked in between
            if context.verbose:
                say(f"deleted {short_line(entry)}")

        command_context.for_each(results, delete, threads=THREADS)


def _delete_version(
    ctx: typer.Context, paths: list[str], version: str, token_file: Path | None, *, plain: bool
) -> None:
    if not plain or len(paths) != 1:
        raise UsageError("--version-id takes one file, and no -r, -n and --raw-key")
    with command_context.open_context(ctx, token_file) as context:
        context.session.use_version(version)
        context.session.store.delete(context.session.resolve(paths[0]))


def _is_missing(error: CtadataError) -> bool:
    return isinstance(error, NotFound | NothingMatched)


def _print_doomed(context: CommandContext, doomed: Sequence[Entry]) -> None:
    for entry, usage in zip(doomed, _usages(context, doomed), strict=True):
        write_line(f"delete {_describe(entry, usage)}")
        for address in usage.unnamed:
            write_line(f"  with {address}")


def _confirm(context: CommandContext, doomed: Sequence[Entry], usages: Sequence[Usage]) -> bool:
    names = [
        line
        for entry, usage in zip(doomed, usages, strict=True)
        for line in (_describe(entry, usage), *(f"  with {address}" for address in usage.unnamed))
    ]
    trees = sum(entry.is_directory for entry in doomed) + sum(usage.directories for usage in usages)
    files = units.files(sum(usage.files for usage in usages))
    size = units.size(sum(usage.size for usage in usages))
    return confirm_delete(names, context.stop, f"{files} in {units.directories(trees)}, {size}")


def _usages(context: CommandContext, doomed: Sequence[Entry]) -> list[Usage]:
    return [measure_deletion(context.session.store, entry) for entry in doomed]


def _describe(entry: Entry, usage: Usage) -> str:
    """Return `lst/run1/ (12 files in 3 directories, 1.2 GiB)` or `lst/a.h5 (1.2 GiB)`."""
    size = units.size(usage.size)
    if not entry.is_directory:
        return f"{short_line(entry)} ({size})"
    return f"{short_line(entry)} ({units.files(usage.files)} in {units.directories(usage.directories + 1)}, {size})"


def rmdir(
    ctx: typer.Context,
    paths: command_context.Paths,
    token_file: options.TokenFile = None,
) -> None:
    """Delete empty directories.

    \b
      cta-data-direct rmdir home:plots/old

    A directory that is not empty stays, and the exit code is 2. dCache sends
    an empty listing for a directory that it cannot read, so there the directory
    is listed twice before it is deleted.
    """
    with command_context.open_context(ctx, token_file) as context:

        def delete(entry: Entry) -> None:
            command_context.refuse_home(context.session, [entry])
            remove_empty(context.session.store, entry)
            if context.verbose:
                say(f"deleted {short_line(entry)}")

        command_context.for_each(command_context.find_all(context.session, paths), delete)
