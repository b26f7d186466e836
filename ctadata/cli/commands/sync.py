"""`sync`: a directory here made like one on the storage, or the other way round."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ctadata.cli import options, transfer_options
from ctadata.cli.completion import side
from ctadata.cli.locations import sides
from ctadata.cli.option_groups import grouped
from ctadata.cli.prompts import is_anybody_here, may_delete
from ctadata.cli.transfer_options import RunOptions, Selection
from ctadata.cli.transfer_run import move
from ctadata.errors import UsageError

if TYPE_CHECKING:
    from ctadata.session import Session
    from ctadata.transfer.report import Reporter, Summary
    from ctadata.transfer.sync import Extraneous

Delete = Annotated[bool, typer.Option("--delete", help="Delete at DST what SRC does not have; asks first.")]
Yes = Annotated[bool, typer.Option("-y", "--yes", help="Delete without asking.")]
MaxDelete = Annotated[
    int, typer.Option("--max-delete", metavar="N", min=0, help="Delete nothing where it would be more than N names.")
]
DeleteEmpty = Annotated[
    bool,
    typer.Option("--delete-empty", help="Believe a directory of the storage that lists as empty, and delete by it."),
]


@grouped
def sync(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(metavar="SRC", help="The directory as it is to be.", autocompletion=side)],
    target: Annotated[
        str, typer.Argument(metavar="DST", help="The directory that is made like it.", autocompletion=side)
    ],
    delete: Delete = False,
    yes: Yes = False,
    max_delete: MaxDelete = 100,
    delete_empty: DeleteEmpty = False,
    follow_links: transfer_options.FollowLinks = False,
    skip_special: transfer_options.SkipSpecial = False,
    normalize: transfer_options.Normalize = None,
    selection: Selection = Selection(),  # noqa: B008  (frozen)
    conduct: RunOptions = RunOptions(),  # noqa: B008
) -> None:
    """Make a directory like another one.

    \b
      cta-data-direct sync :lst/run1 run1             the storage's, to here
      cta-data-direct sync run1 home:run1             here, to your home there
      cta-data-direct sync -n --delete run1 home:run1 what would be done
      cta-data-direct sync cscs:lst/run1 run1         at the profile cscs

    The contents of SRC become those of DST. The side on the storage is written
    :path, profile:path or as a URL, from the root; home:path is your home.
    Nothing is deleted at DST without --delete, and then only at the end, where
    nothing has failed.
    """
    from ctadata.progress.reporters import paused
    from ctadata.transfer.sync import Deletion

    common = options.begin(ctx)
    transfer_options.check_said(source, target)
    source_there, target_there = sides(common, source, target)
    rules = selection.rules(follow_links=follow_links, skip_special=skip_special, normalize=normalize)
    if normalize and source_there:
        raise UsageError("--normalize is for names that go to the storage, and these come from there")
    if delete and not (yes or rules.dry_run or is_anybody_here()):
        raise UsageError("--delete asks first, and nobody is here to answer", hint="--yes deletes without asking")

    def work(session: Session, reporter: Reporter) -> Summary:
        def confirm(extras: Sequence[Extraneous], stop: threading.Event) -> bool:
            with paused(reporter):
                return yes or may_delete([str(extra.local or extra.remote) for extra in extras], stop)

        deletion = Deletion(confirm, max_delete, delete_empty) if delete else None
        if source_there:
            path = source_there.resolve(session, make=False)
            return session.sync_down(path, target, deletion=deletion, rules=rules, reporter=reporter)
        assert target_there
        path = target_there.resolve(session, make=not rules.dry_run)
        return session.sync_up(source, path, deletion=deletion, rules=rules, reporter=reporter)

    move(common, work, conduct.account("get" if source_there else "put", rules, [Path(target)]), conduct)
