"""The command `put`: files from this machine to the storage."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ctadata.cli import options, transfer_options
from ctadata.cli.completion import complete_put_target
from ctadata.cli.locations import read_last_location
from ctadata.cli.object_options import ObjectOptions
from ctadata.cli.option_groups import expand_groups
from ctadata.cli.output import open_stdin
from ctadata.cli.progress_options import ProgressOptions
from ctadata.cli.transfer_options import RunOptions, Selection
from ctadata.cli.transfer_run import in_processes, run_transfer
from ctadata.config.builtin import BUILT_IN, DEFAULT_PROFILE
from ctadata.errors import ConfigError, UsageError
from ctadata.transfer.equality import Compare
from ctadata.transfer.plan import Rules
from ctadata.transfer.run_receipt import refuse_receipt

if TYPE_CHECKING:
    from ctadata.session import Session


@expand_groups
def put(
    ctx: typer.Context,
    local: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="LOCAL... PATH",
            show_default=False,
            help="Files to put; the last is the target, from your home on the storage.",
            autocompletion=complete_put_target,
            callback=read_last_location,
        ),
    ] = None,
    recursive: transfer_options.Recursive = False,
    follow_links: transfer_options.FollowLinks = False,
    skip_special: transfer_options.SkipSpecial = False,
    normalize: transfer_options.Normalize = None,
    selection: Selection = Selection(),  # noqa: B008  (frozen)
    files_from: transfer_options.FilesFrom = None,
    null: transfer_options.Null = False,
    no_clobber: options.NoClobber = False,
    retry_failed: transfer_options.RetryFailed = None,
    content_type: Annotated[
        str | None,
        typer.Option("--content-type", metavar="TYPE", help="The media type of the files, for S3, as text/plain."),
    ] = None,
    redirect_to: Annotated[
        str | None,
        typer.Option(
            "--redirect-to", metavar="WHERE", help="Let a website of S3 redirect requests for the file to this address."
        ),
    ] = None,
    described: ObjectOptions = ObjectOptions(),  # noqa: B008  (frozen)
    no_guess_mime_type: Annotated[
        bool, typer.Option("--no-guess-mime-type", help="For S3: give no media type by the ending of a name.")
    ] = False,
    processes: transfer_options.Processes = None,
    run_options: RunOptions = RunOptions(),  # noqa: B008
    progress: ProgressOptions = ProgressOptions(),  # noqa: B008
) -> None:
    """Put files, verified.

    \b
      cta-data-direct put results.h5 papers/     to papers/results.h5 in your home
      cta-data-direct put results.h5 new.h5      under another name
      cta-data-direct put a.h5 b.h5 papers/      several files
      cta-data-direct put -r run papers          to papers/run/...
      cta-data-direct put -r run/ papers         its contents, to papers/...
      cta-data-direct put results.h5 /lst/x/     a path from the root
      tar c run | cta-data-direct put - run.tar  out of a pipe
      cta-data-direct put --metadata run=7 --tags state=raw a.h5 s3://bucket/
      cta-data-direct put --files-from list papers   to papers/<path> for each

    Files that are equal already are skipped, so the same command continues
    where the last run ended. A file that differs is replaced when the new one
    is whole and verified. Bytes from a pipe are kept in TMPDIR until its end.
    """
    common = options.begin(ctx)
    *sources, path = local or [""]
    if retry_failed is None and (not path or (not sources and files_from is None)):
        raise transfer_options.missing_argument("put LOCAL... PATH")
    rules = selection.rules(
        no_clobber=no_clobber,
        follow_links=follow_links,
        skip_special=skip_special,
        normalize=normalize,
        run_options=run_options,
    )
    refuse_receipt(rules.receipt, *map(Path, sources))
    if common.platform:
        rules = dataclasses.replace(
            rules, compare=Compare.CHECKSUM
        )  # the service lists no times, so all files are replaced
    if redirect_to is not None:
        _check_redirecting(sources, one=not (recursive or files_from is not None))

    headers = described.headers(content_type, redirect_to)
    if processes and (sources == ["-"] or headers or no_guess_mime_type):
        raise UsageError("--processes allows no pipe, and no option about media types or metadata")

    def rules_for(session: Session) -> Rules:
        if not headers and not no_guess_mime_type:
            return rules
        from ctadata.buckets import Buckets

        return Buckets(session).describe(rules, headers, guesses_type=not no_guess_mime_type)

    if retry_failed:
        if files_from or headers:
            raise UsageError("--retry-failed takes its paths from the receipt, and allows no other choice of files")
        from ctadata.cli.receipts import retry_work

        work = retry_work(common, "put", retry_failed, rules, local or [])
    elif sources == ["-"] and files_from is None:
        if run_options.shard:
            raise UsageError("- as the source allows no --shard")
        pipe = open_stdin().fileno()
        work = lambda session, reporter: session.put_from_pipe(  # noqa: E731
            pipe, path, rules=rules_for(session), reporter=reporter
        )
    else:
        if files_from is not None and len(sources) > 1:
            raise UsageError(
                "with --files-from, give at most two paths: the directory that the list starts from, and the target"
            )
        read = transfer_options.list_reader(
            files_from, functools.partial(transfer_options.read_names, null=null, local=True)
        )
        work = lambda session, reporter: session.put(  # noqa: E731
            sources,
            path,
            recursive=recursive,
            listed=read(session.stop),
            rules=rules_for(session),
            reporter=reporter,
        )
    output = run_options.output("put", rules)
    if common.platform:
        output = dataclasses.replace(
            output, if_stopped="the same command sends all files again; sync sends the missing ones"
        )
    run_transfer(common, in_processes(work, processes, common, run_options), output, run_options, progress)


def _check_redirecting(sources: list[str], *, one: bool) -> None:
    if not one or len(sources) > 1:
        raise UsageError("--redirect-to takes one file")
    if sources and Path(sources[0]).is_file() and not Path(sources[0]).stat().st_size:
        raise UsageError("an empty file that redirects is an alias", hint="make it with: alias FILE ALIAS")


def notice(ctx: typer.Context) -> str:
    """Return the profile's notice for users who upload; it ends the help of `put`."""
    try:
        return options.begin(ctx).resolve().profile.notice
    except ConfigError:  # the command itself reports the error; its help is shown in any case
        return str(BUILT_IN[DEFAULT_PROFILE]["notice"])
