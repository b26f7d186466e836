"""The command `mv`: new names for files and directories on the storage."""

from __future__ import annotations

from typing import Annotated

import typer

from ctadata.cli import command_context, options, transfer_options
from ctadata.cli.entry_lines import short_line
from ctadata.cli.output import say, write_line
from ctadata.namespace.rename import PlannedRename, plan_renames, rename
from ctadata.progress import units
from ctadata.stores.tree_renames import TreeRename


def mv(
    ctx: typer.Context,
    paths: Annotated[
        list[str] | None,
        command_context.path_argument(
            "From the root of the storage; the last one is the new name, or an existing directory.", "SRC... DST"
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("-f", "--force", help="Replace existing files; directories are never replaced.")
    ] = False,
    literal: transfer_options.Literal = False,
    dry_run: transfer_options.DryRun = False,
    token_file: options.TokenFile = None,
) -> None:
    """Rename or move files and directories on the storage.

    \b
      cta-data-direct mv home:a.h5 home:b.h5          another name
      cta-data-direct mv home:a.h5 home:plots/        into a directory
      cta-data-direct mv 'home:run_*' home:2026       all that match
      cta-data-direct mv -f home:new.h5 home:b.h5     replace the file b.h5
      cta-data-direct mv --literal 'home:[1]' home:1  a name with brackets

    The storage renames; no bytes are copied. If the new name exists already,
    nothing changes and the exit code is 8. With -f the file there is replaced.

    An S3 store cannot rename. It copies each object, and deletes the old ones
    when all copies are there and compared. So a directory has both names for
    some time: this is not atomic. If it breaks off, nothing is lost, and the
    same command on this machine continues.
    """
    if len(paths or []) < 2:
        raise transfer_options.missing_argument("mv SRC... DST")
    *sources, target = paths or []
    with command_context.open_context(ctx, token_file, literal=literal) as context:
        session = context.session
        entries = [entry for text in sources for entry in session.find(text)]
        path = session.resolve(target)
        todo = plan_renames(session.store, entries, path, into=target.endswith("/") or path.parts == ())
        command_context.refuse_home(session, entries)

        def move(renaming: PlannedRename) -> None:
            if dry_run:
                write_line(_describe(renaming))
                return
            copied = rename(session.store, renaming, replace=force, jobs=session.profile.jobs)
            if copied and not options.get_common(ctx).quiet:
                say(_report(renaming, copied))
            elif context.verbose:
                say(_describe(renaming))

        command_context.for_each(todo, move)


def _report(renaming: PlannedRename, copied: TreeRename) -> str:
    """Return what a rename by copies did, and what came into the old directory meanwhile."""
    what = (
        f"{_describe(renaming)}: {units.files(copied.files)}, {units.size(copied.size)}, copied, compared, then deleted"
    )
    return f"{what}; still there, because they came meanwhile: {', '.join(copied.late)}" if copied.late else what


def _describe(renaming: PlannedRename) -> str:
    return f"{short_line(renaming.entry)} -> {'/'.join(renaming.target.parts)}"
