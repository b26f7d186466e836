"""`put`: files from this machine to the storage."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ctadata.cli import options, selecting
from ctadata.cli.account import Account
from ctadata.cli.completion import target
from ctadata.cli.get import again
from ctadata.cli.moving import move
from ctadata.cli.sites import located_last
from ctadata.config.builtin import BUILT_IN, DEFAULT
from ctadata.errors import ConfigError, UsageError


def put(
    ctx: typer.Context,
    local: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="LOCAL... PATH",
            show_default=False,
            help="What to put; the last is where to, from your home on the storage.",
            autocompletion=target,
            callback=located_last,
        ),
    ] = None,
    recursive: selecting.Recursive = False,
    follow_links: selecting.FollowLinks = False,
    include: selecting.Include = None,
    exclude: selecting.Exclude = None,
    files_from: selecting.FilesFrom = None,
    null: selecting.Null = False,
    dry_run: selecting.DryRun = False,
    no_clobber: options.NoClobber = False,
    receipt: selecting.Receipt = None,
    retry_failed: selecting.RetryFailed = None,
    json: options.Json = False,
    jobs: options.Jobs = None,
    token_file: options.TokenFile = None,
    login: options.Login = False,
) -> None:
    """Put files, verified.

    \b
      cta-data-direct put results.h5 papers/     to papers/results.h5 in your home
      cta-data-direct put results.h5 new.h5      under another name
      cta-data-direct put a.h5 b.h5 papers/      several
      cta-data-direct put -r run papers          to papers/run/...
      cta-data-direct put -r run/ papers         its contents, to papers/...
      cta-data-direct put results.h5 /lst/x/     a path from the root
      tar c run | cta-data-direct put - run.tar  out of a pipe
      cta-data-direct put --files-from list papers   to papers/<path> for each

    What is there already and equal is skipped: the same command again goes on
    where the last one ended. What differs is replaced, once the new file is
    whole and verified. What comes out of a pipe is kept in TMPDIR until its end.
    """
    from ctadata.namespace.filters import Filters
    from ctadata.transfer.plan import Compare, Rules

    common = options.begin(ctx)
    *sources, path = local or [""]
    if retry_failed is None and (not path or (not sources and files_from is None)):
        raise selecting.missing("put LOCAL... PATH")
    rules = Rules(
        no_clobber=no_clobber,
        follow_links=follow_links,
        filters=Filters.read(include or [], exclude or []),
        dry_run=dry_run,
        compare=Compare.CHECKSUM if common.platform else Compare.USUAL,  # the service lists none: all is replaced
    )
    if retry_failed:
        if local or files_from:
            raise UsageError("--retry-failed takes its paths from the receipt")
        work = again(common, "put", retry_failed, rules)
    elif sources == ["-"] and files_from is None:
        work = lambda session, reporter: session.put_from_pipe(  # noqa: E731
            sys.stdin.fileno(), path, rules=rules, reporter=reporter
        )
    else:
        if files_from is not None and len(sources) > 1:
            raise UsageError("with --files-from, say at most the directory that its paths start from, and where to")
        listed = None if files_from is None else selecting.names_in(files_from, null=null)
        work = lambda session, reporter: session.put(  # noqa: E731
            sources, path, recursive=recursive, listed=listed, rules=rules, reporter=reporter
        )
    move(common, work, Account("put", json, dry_run, receipt), token_file=token_file, jobs=jobs, login=login)


def notice(ctx: typer.Context) -> str:
    """What the profile wants users to know before an upload."""
    try:
        return options.begin(ctx).resolve().profile.notice
    except ConfigError:  # told when it matters; help is given in any case
        return str(BUILT_IN[DEFAULT]["notice"])
