"""`get`: files from the storage to this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ctadata.cli import options, transfer_options
from ctadata.cli.completion import remote
from ctadata.cli.locations import located
from ctadata.cli.option_groups import grouped
from ctadata.cli.options import Common
from ctadata.cli.output import open_stdout
from ctadata.cli.transfer_options import RunOptions, Selection
from ctadata.cli.transfer_run import move
from ctadata.errors import UsageError

if TYPE_CHECKING:
    from ctadata.cli.transfer_run import Work
    from ctadata.session import Session
    from ctadata.transfer.plan import Rules
    from ctadata.transfer.report import Reporter, Summary


@grouped
def get(
    ctx: typer.Context,
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH",
            show_default=False,
            help="What to get, from the root of the storage; the last of several is the local target.",
            autocompletion=remote,
            callback=located,
        ),
    ] = None,
    recursive: transfer_options.Recursive = False,
    selection: Selection = Selection(),  # noqa: B008  (frozen)
    files_from: transfer_options.FilesFrom = None,
    null: transfer_options.Null = False,
    no_clobber: options.NoClobber = False,
    stage: Annotated[
        bool, typer.Option("--stage", help="Ask for files on tape, and wait until they are on disk.")
    ] = False,
    retry_failed: transfer_options.RetryFailed = None,
    raw_key: transfer_options.RawKey = False,
    conduct: RunOptions = RunOptions(),  # noqa: B008
) -> None:
    """Get files, verified.

    \b
      cta-data-direct get lst/x/a.fits                to here
      cta-data-direct get lst/x/a.fits lst/b.fits out to out/a.fits, out/b.fits
      cta-data-direct get lst/x/a.fits copy.fits      under another name
      cta-data-direct get -r lst/some/run out         to out/run/...
      cta-data-direct get -r lst/some/run/ out        its contents, to out/...
      cta-data-direct get 'lst/run_*/*.h5' out        all that match
      cta-data-direct get lst/x/a.fits - | wc -c      into a pipe
      cta-data-direct get --files-from list.txt out   to out/<path> for each line
      cta-data-direct get -r --stage lst/old/run      files on tape as well

    With two or more arguments the last one is always local ('.' for here).
    A file appears under its name when it is whole and verified. Files that are
    here already and equal are skipped: the same command again goes on where
    the last one ended. What goes into a pipe is checked at its end.
    """
    common = options.begin(ctx)
    transfer_options.check_said(*(paths or []))
    named, local = _arguments(paths or [], listed=files_from is not None)
    if retry_failed is None and files_from is None and not named:
        raise transfer_options.missing("get PATH... [LOCAL]")
    rules = selection.rules(no_clobber=no_clobber, stage=stage)
    bases = [Path("/")] if retry_failed else [Path(local or ""), Path(local or "").parent]
    if retry_failed:
        if files_from:
            raise UsageError("--retry-failed takes its paths from the receipt")
        work = again(common, "get", retry_failed, rules, paths or [])
    elif local == "-":
        if conduct.json or recursive or files_from:
            raise UsageError("files that go to standard output take no -r, no --json and no --files-from")
        out = open_stdout().buffer
        work = lambda session, reporter: session.get_to_pipe(  # noqa: E731
            named, out.write, rules=rules, reporter=reporter
        )
    elif common.platform and recursive and local is None and files_from is None:
        from ctadata.service.transfers import download_with_full_path

        work = lambda session, reporter: download_with_full_path(session, named[0], rules=rules, reporter=reporter)  # noqa: E731
    else:
        listed = None if files_from is None else transfer_options.names_in(files_from, null=null)
        work = lambda session, reporter: session.get(  # noqa: E731
            named, local, recursive=recursive, listed=listed, rules=rules, reporter=reporter
        )
    if raw_key:
        if recursive or files_from or retry_failed:
            raise UsageError("--raw-key takes single keys: no -r, no --files-from and no --retry-failed")
        work = _by_key(work)
    move(common, work, conduct.account("get", rules, bases), conduct)


def _arguments(paths: list[str], *, listed: bool) -> tuple[list[str], str | None]:
    """What to get, and the local target; a list takes at most the collection that it starts from."""
    if not listed:
        return (paths, None) if len(paths) < 2 else (paths[:-1], paths[-1])
    if len(paths) > 2:
        raise UsageError("with --files-from, say at most the directory that its paths start from, and where they go")
    return paths[:-1], paths[-1] if paths else None


def _by_key(work: Work) -> Work:
    """The same work about keys of S3 as they are written."""

    def by_key(session: Session, reporter: Reporter) -> Summary:
        session.use_raw_keys()
        return work(session, reporter)

    return by_key


def again(common: Common, action: str, receipt: Path, rules: Rules, folders: Sequence[str]) -> Work:
    """The work of `--retry-failed`; UsageError (no receipt, one of the other direction, or no such directory).

    folders: the local directories that the receipt's files may lie in; none means the current one.
    """
    from ctadata.transfer.path_mapping import retry_receipt
    from ctadata.transfer.plan import Compare
    from ctadata.transfer.receipt import unfinished

    damaged = rules.compare is Compare.CHECKSUM
    for folder in folders:
        if not Path(folder).is_dir():
            raise UsageError(
                "--retry-failed takes its files from the receipt, and directories here that they may lie in",
                path=folder,
            )
    allowed = [Path(folder) for folder in folders or ["."]]
    records = list(unfinished(transfer_options.records_of(common, receipt), action, damaged=damaged))
    return lambda session, reporter: retry_receipt(session.run(rules, reporter), action, records, allowed)
