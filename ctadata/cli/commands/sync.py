"""The command `sync`: make a local directory equal to one on the storage, or the reverse."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ctadata.cli import options, transfer_options
from ctadata.cli.completion import complete_sync_side
from ctadata.cli.locations import parse_sides
from ctadata.cli.option_groups import expand_groups
from ctadata.cli.progress_options import ProgressOptions
from ctadata.cli.prompts import can_prompt, confirm_delete
from ctadata.cli.transfer_options import RunOptions, Selection
from ctadata.cli.transfer_run import run_transfer
from ctadata.errors import UsageError
from ctadata.namespace.filters import Filters
from ctadata.printable import escape_unprintable
from ctadata.transfer.extraneous import Extraneous
from ctadata.transfer.report import Reporter, Summary
from ctadata.transfer.sync import Deletion

if TYPE_CHECKING:
    from ctadata.session import Session

Delete = Annotated[bool, typer.Option("--delete", help="Delete from DST the names that SRC does not have; asks first.")]
Yes = Annotated[bool, typer.Option("-y", "--yes", help="Delete without asking.")]
MaxDelete = Annotated[
    int, typer.Option("--max-delete", metavar="N", min=0, help="Delete nothing if more than N names would go.")
]
DeleteEmpty = Annotated[
    bool,
    typer.Option("--delete-empty", help="Delete even if a directory of the storage lists as empty."),
]


@expand_groups
def sync(
    ctx: typer.Context,
    source: Annotated[
        str, typer.Argument(metavar="SRC", help="The directory to copy from.", autocompletion=complete_sync_side)
    ],
    target: Annotated[
        str, typer.Argument(metavar="DST", help="The directory to change.", autocompletion=complete_sync_side)
    ],
    delete: Delete = False,
    yes: Yes = False,
    max_delete: MaxDelete = 100,
    delete_empty: DeleteEmpty = False,
    follow_links: transfer_options.FollowLinks = False,
    skip_special: transfer_options.SkipSpecial = False,
    normalize: transfer_options.Normalize = None,
    selection: Selection = Selection(),  # noqa: B008  (frozen)
    run_options: RunOptions = RunOptions(),  # noqa: B008
    progress: ProgressOptions = ProgressOptions(),  # noqa: B008
) -> None:
    """Make a directory equal to another one.

    \b
      cta-data-direct sync :lst/run1 run1             from the storage to here
      cta-data-direct sync run1 home:run1             from here to your home
      cta-data-direct sync -n --delete run1 home:run1 show what would be done
      cta-data-direct sync cscs:lst/run1 run1         from the profile cscs

    DST gets the contents of SRC. Write the directory on the storage as :path,
    profile:path or a URL, from the root of the storage; home:path starts from
    your home. Without --delete nothing is deleted. With --delete, names are
    deleted at the end, and only if nothing has failed.
    """
    common = options.begin(ctx)
    remote_source, remote_target = parse_sides(common, source, target)
    if delete and run_options.shard:
        raise UsageError(
            "--delete and --shard exclude each other: no task knows what the others will have moved",
            hint="when all tasks have ended, run sync --delete once without --shard",
        )
    rules = selection.rules(
        follow_links=follow_links, skip_special=skip_special, normalize=normalize, run_options=run_options
    )
    if normalize and remote_source:
        raise UsageError("--normalize changes names that go to the storage, but these come from it")
    if delete and not (yes or rules.dry_run or can_prompt()):
        raise UsageError(
            "--delete asks before it deletes, but nobody can answer here", hint="--yes deletes without asking"
        )

    if delete and remote_source and rules.receipt:
        _refuse_receipt_inside(rules.receipt, target, rules.filters)

    def work(session: Session, reporter: Reporter) -> Summary:
        def confirm(extras: Sequence[Extraneous], stop: threading.Event) -> bool:
            with reporter.paused():
                return yes or confirm_delete([str(extra.local or extra.remote) for extra in extras], stop)

        deletion = Deletion(confirm, max_delete, delete_empty) if delete else None
        if remote_source:
            path = remote_source.resolve(session, make=False)
            return session.sync_down(path, target, deletion=deletion, rules=rules, reporter=reporter)
        assert remote_target
        path = remote_target.resolve(session, make=not rules.dry_run)
        return session.sync_up(source, path, deletion=deletion, rules=rules, reporter=reporter)

    output = run_options.output("get" if remote_source else "put", rules, [Path(target)])
    run_transfer(common, work, output, run_options, progress)


def _refuse_receipt_inside(receipt: Path, target: str, filters: Filters) -> None:
    """Raise UsageError if `--delete` would delete the receipt of the run."""
    file, folder = Path(os.path.realpath(receipt)), os.path.realpath(target)
    if file.is_relative_to(folder) and filters.takes(file.relative_to(folder).parts):
        raise UsageError(
            "--delete would delete the receipt of this run: it lies in the target",
            hint="give --receipt a file elsewhere",
            path=escape_unprintable(str(receipt)),
        )
