"""The command `alias`: further names of a file at an S3 store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from ctadata.cli import options, transfer_options
from ctadata.cli.completion import complete_remote
from ctadata.cli.locations import read_location
from ctadata.cli.run_output import RunOutput
from ctadata.cli.transfer_options import RunOptions
from ctadata.cli.transfer_run import run_transfer
from ctadata.config.resolve import split_profile
from ctadata.errors import UsageError
from ctadata.transfer.report import Reporter, Summary

if TYPE_CHECKING:
    from ctadata.session import Session


def alias(
    ctx: typer.Context,
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE ALIAS...",
            show_default=False,
            help="The file and its new names, from the root of the storage.",
            autocompletion=complete_remote,
            callback=read_location,
        ),
    ] = None,
    manifest: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="LIST",
            help="Read a list: each line has a file and its aliases, with tabs between; - is stdin.",
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Let existing aliases of other files point to this one.")
    ] = False,
    json: options.Json = False,
    jobs: options.Jobs = None,
    token_file: options.TokenFile = None,
) -> None:
    """Give a file at an S3 store further names.

    \b
      cta-data-direct alias s3://refs/sequence/3050 s3://refs/sequence/ga4gh:SQ.1
      cta-data-direct alias --from aliases.tsv

    An alias is an object without bytes whose website redirect names the file.
    get, cat and sync read the file in its place; a website answers with the
    redirect. The alias lies in the bucket of the file. A file never becomes
    an alias. Aliases that exist already are skipped, so you can run the same
    list again.
    """
    common = options.begin(ctx)
    if (manifest is None) == (not paths) or (paths and len(paths) < 2):
        raise UsageError("a file and its aliases are missing, or --from", hint="as in: alias FILE ALIAS")

    def work(session: Session, reporter: Reporter) -> Summary:
        from ctadata.buckets import Buckets

        pairs = [(name, paths[0]) for name in paths[1:]] if paths else _listed(session, manifest or "")
        return Buckets(session).alias(transfer_options.until_stopped(pairs), replace=replace, reporter=reporter)

    run_transfer(common, work, RunOutput("alias", json), RunOptions(jobs=jobs, token_file=token_file))


def _listed(session: Session, manifest: str) -> Iterator[tuple[str, str]]:
    """Yield the pairs `(alias, file)` of a list; UsageError if a line has no alias or names another profile."""
    for number, line in enumerate(transfer_options.read_names(manifest, session.stop, null=False), 1):
        file, *names = line.split("\t")
        if not file or not names or "" in names:
            raise UsageError(
                f"line {number} of the list is not a file and its aliases with tabs between", path=manifest
            )
        target, *aliases = (_path_at(session.profile.name, text) for text in (file, *names))
        for name in aliases:
            yield name, target


def _path_at(profile: str, text: str) -> str:
    path_profile, path = split_profile(text)
    if path_profile not in (None, profile):
        raise UsageError(f"it belongs to the profile {path_profile}, but {profile} is in use", path=text)
    return path
