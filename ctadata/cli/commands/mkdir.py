"""The command `mkdir`: new directories on the storage."""

from __future__ import annotations

from typing import Annotated

import typer

from ctadata.cli import command_context, options
from ctadata.errors import Forbidden
from ctadata.namespace.mkdir import exists, make_directory
from ctadata.paths import RemotePath


def mkdir(
    ctx: typer.Context,
    paths: command_context.ExactPaths,
    parents: Annotated[
        bool, typer.Option("-p", "--parents", help="Make its parents too; an existing directory is no error.")
    ] = False,
    token_file: options.TokenFile = None,
) -> None:
    """Make directories.

    \b
      cta-data-direct mkdir home:plots
      cta-data-direct mkdir -p home:2026/08/plots

    You do not need it before an upload: put makes the directories of its files.
    """
    with command_context.open_context(ctx, token_file) as context:

        def make_one(text: str) -> None:
            path = context.session.resolve(text)
            try:
                make_directory(context.session.store, path, parents=parents)
            except Forbidden as error:
                if not text.startswith(("/", "~", "home:")) and not exists(context.session.store, _first(path)):
                    error.hint = f"paths start from the root; for your home write home:{text}"
                raise

        command_context.for_each(paths, make_one)


def _first(path: RemotePath) -> RemotePath:
    """Return the first component of the path, as a path."""
    while path.parent.parts:
        path = path.parent
    return path
