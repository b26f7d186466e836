"""`get`: files from the storage to this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from ctadata.cli import options
from ctadata.cli.completion import remote
from ctadata.cli.moving import move


def get(
    ctx: typer.Context,
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH",
            help="What to get, from the root of the storage; the last of several is the local target.",
            autocompletion=remote,
        ),
    ],
    recursive: Annotated[
        bool, typer.Option("-r", "-R", "--recursive", help="Directories, with all they hold.")
    ] = False,
    no_clobber: options.NoClobber = False,
    jobs: options.Jobs = None,
    token_file: options.TokenFile = None,
    login: options.Login = False,
) -> None:
    """Get files, verified.

    \b
      cta-data-direct get lst/x/a.fits                to here
      cta-data-direct get lst/x/a.fits lst/b.fits out to out/a.fits, out/b.fits
      cta-data-direct get lst/x/a.fits copy.fits      under another name
      cta-data-direct get -r lst/some/run out         to out/run/...
      cta-data-direct get -r lst/some/run/ out        its contents, to out/...

    With two or more arguments the last one is always local ('.' for here).
    A file appears under its name when it is whole and verified. Files that are
    here already and equal are skipped: the same command again goes on where
    the last one ended.
    """
    sources, local = (paths, None) if len(paths) == 1 else (paths[:-1], paths[-1])
    move(
        options.begin(ctx),
        lambda session, reporter: session.get(
            sources, local, recursive=recursive, no_clobber=no_clobber, reporter=reporter
        ),
        token_file=token_file,
        jobs=jobs,
        login=login,
    )
