"""`put`: files from this machine to the storage."""

from __future__ import annotations

from typing import Annotated

import typer

from ctadata.cli import options
from ctadata.cli.completion import target
from ctadata.cli.moving import move
from ctadata.config.builtin import BUILT_IN, DEFAULT
from ctadata.errors import ConfigError


def put(
    ctx: typer.Context,
    local: Annotated[list[str], typer.Argument(metavar="LOCAL", help="What to put.", autocompletion=target)],
    path: Annotated[str, typer.Argument(metavar="PATH", help="Where to, from your home on the storage.")],
    recursive: Annotated[
        bool, typer.Option("-r", "-R", "--recursive", help="Directories, with all they hold.")
    ] = False,
    follow_links: Annotated[
        bool, typer.Option("-L", "--follow-links", help="Links to directories too; loops never.")
    ] = False,
    no_clobber: options.NoClobber = False,
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

    What is there already and equal is skipped: the same command again goes on
    where the last one ended. What differs is replaced, once the new file is
    whole and verified.
    """
    move(
        options.begin(ctx),
        lambda session, reporter: session.put(
            local,
            path,
            recursive=recursive,
            no_clobber=no_clobber,
            follow_links=follow_links,
            reporter=reporter,
        ),
        token_file=token_file,
        jobs=jobs,
        login=login,
    )


def notice(ctx: typer.Context) -> str:
    """What the profile wants users to know before an upload."""
    try:
        return options.begin(ctx).resolve().profile.notice
    except ConfigError:  # told when it matters; help is given in any case
        return str(BUILT_IN[DEFAULT]["notice"])
