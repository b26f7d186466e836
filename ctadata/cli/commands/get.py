"""The command `get`: files from the storage to this machine."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ctadata.cli import options, transfer_options
from ctadata.cli.completion import complete_remote
from ctadata.cli.locations import read_location
from ctadata.cli.option_groups import expand_groups
from ctadata.cli.output import open_stdout, stdout_is_terminal
from ctadata.cli.progress_options import ProgressOptions
from ctadata.cli.transfer_options import RunOptions, Selection
from ctadata.cli.transfer_run import Work, in_processes, run_transfer
from ctadata.errors import UsageError
from ctadata.namespace.filters import is_pattern
from ctadata.transfer.report import Reporter, Summary
from ctadata.transfer.run_receipt import refuse_receipt

if TYPE_CHECKING:
    from ctadata.entries import Entry
    from ctadata.session import Session
    from ctadata.transfer.download_target import NamedEntry


@expand_groups
def get(
    ctx: typer.Context,
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH",
            show_default=False,
            help="Files to get, from the root of the storage; the last of several is the local target.",
            autocompletion=complete_remote,
            callback=read_location,
        ),
    ] = None,
    recursive: transfer_options.Recursive = False,
    selection: Selection = Selection(),  # noqa: B008  (frozen)
    files_from: transfer_options.FilesFrom = None,
    null: transfer_options.Null = False,
    no_clobber: options.NoClobber = False,
    stage: Annotated[
        bool, typer.Option("--stage", help="Request files that are on tape, and wait until they are on disk.")
    ] = False,
    retry_failed: transfer_options.RetryFailed = None,
    raw_key: transfer_options.RawKey = False,
    version_id: transfer_options.VersionId = None,
    processes: transfer_options.Processes = None,
    run_options: RunOptions = RunOptions(),  # noqa: B008
    progress: ProgressOptions = ProgressOptions(),  # noqa: B008
) -> None:
    """Get files, verified.

    \b
      cta-data-direct get lst/x/a.fits                to ./a.fits
      cta-data-direct get lst/x/a.fits lst/b.fits out to out/a.fits, out/b.fits
      cta-data-direct get lst/x/a.fits copy.fits      under another name
      cta-data-direct get -r lst/some/run out         to out/run/...
      cta-data-direct get -r lst/some/run/ out        its contents, to out/...
      cta-data-direct get 'lst/run_*/*.h5' out        all that match
      cta-data-direct get lst/x/a.fits - | wc -c      into a pipe
      cta-data-direct get --files-from list.txt out   to out/<path> for each line
      cta-data-direct list -r --json lst/run > all    so nothing is listed again:
      cta-data-direct get --files-from all lst out    to out/run/...
      cta-data-direct get -r --stage lst/old/run      files on tape as well
      cta-data-direct get -r --processes 4 lst/run    with up to four processes
      cta-data-direct get -r --limit-rate '08:00,10M 19:00,off' --log-file log lst

    With two or more arguments, the last one is always local; '.' is the current
    directory. A file appears under its name when it is whole and verified. Files
    that are equal already are skipped, so the same command continues where the
    last run ended. Bytes that go into a pipe are verified after the last one.
    """
    common = options.begin(ctx)
    sources, local = _arguments(paths or [], listed=files_from is not None)
    if retry_failed is None and files_from is None and not sources:
        raise transfer_options.missing_argument("get PATH... [LOCAL]")
    rules = selection.rules(no_clobber=no_clobber, stage=stage, run_options=run_options)
    refuse_receipt(rules.receipt, *_single_targets(sources, local, recursive=recursive))
    bases = [Path("/")] if retry_failed else [Path(local or ""), Path(local or "").parent]
    if retry_failed:
        if files_from:
            raise UsageError("--retry-failed takes its paths from the receipt: leave out --files-from")
        from ctadata.cli.receipts import retry_work

        work = retry_work(common, "get", retry_failed, rules, paths or [])
    elif local == "-":
        if run_options.json or recursive or files_from or run_options.shard or processes:
            raise UsageError("- as the target allows no -r, --json, --files-from, --shard and --processes")
        out = open_stdout().buffer
        work = lambda session, reporter: session.get_to_pipe(  # noqa: E731
            sources, out.write, rules=rules, reporter=reporter
        )
    elif common.platform and recursive and local is None and files_from is None:
        from ctadata.service.transfers import download_with_full_path

        work = lambda session, reporter: download_with_full_path(session, sources[0], rules=rules, reporter=reporter)  # noqa: E731
    else:

        def read_list(file: str, stop: threading.Event) -> Iterator[str | Entry | NamedEntry | UsageError]:
            from ctadata.cli.listed_files import read_files

            return read_files(file, stop, null=null, profile=lambda: common.resolve().profile)

        read = transfer_options.list_reader(files_from, read_list)
        work = lambda session, reporter: session.get(  # noqa: E731
            sources, local, recursive=recursive, listed=read(session.stop), rules=rules, reporter=reporter
        )
    if raw_key:
        if recursive or files_from or retry_failed or processes:
            raise UsageError("--raw-key allows no -r, no --files-from, no --retry-failed and no --processes")
        work = _by_key(work)
    if version_id is not None:
        if (
            recursive
            or files_from
            or retry_failed
            or raw_key
            or processes
            or len(sources) != 1
            or is_pattern(sources[0])
        ):
            raise UsageError("--version-id takes one file")
        work = _of_version(work, version_id)
    work = in_processes(work, processes, common, run_options)
    output = run_options.output("get", rules, bases)
    output = dataclasses.replace(output, fills_terminal=local == "-" and stdout_is_terminal())
    run_transfer(common, work, output, run_options, progress)


def _arguments(paths: list[str], *, listed: bool) -> tuple[list[str], str | None]:
    """Return the remote sources and the local target; None if there is no target.

    With `--files-from` there is at most one source: the directory that the listed paths start from.
    """
    if not listed:
        return (paths, None) if len(paths) < 2 else (paths[:-1], paths[-1])
    if len(paths) > 2:
        raise UsageError(
            "with --files-from, give at most two paths: the directory that the list starts from, and the target"
        )
    return paths[:-1], paths[-1] if paths else None


def _single_targets(sources: list[str], local: str | None, *, recursive: bool) -> list[Path]:
    """Return the local paths that the files of the arguments may get, as far as they are known without the storage."""
    if recursive or local == "-":
        return []
    names = (source.rpartition("/")[2] for source in sources)
    return [*([Path(local)] if local else []), *(Path(local or "", name) for name in names if name)]


def _by_key(work: Work) -> Work:
    """Return the work with S3 keys sent as they are written."""

    def work_by_key(session: Session, reporter: Reporter) -> Summary:
        session.use_raw_keys()
        return work(session, reporter)

    return work_by_key


def _of_version(work: Work, version: str) -> Work:
    """Return the work with paths that mean one version of an S3 object."""

    def work_of_version(session: Session, reporter: Reporter) -> Summary:
        session.use_version(version)
        return work(session, reporter)

    return work_of_version
