"""`mkdir`: new directories on the storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ctadata.cli import options, visiting
from ctadata.errors import AlreadyExists, Forbidden, NotFound

if TYPE_CHECKING:
    from ctadata.paths import RemotePath
    from ctadata.stores.base import Store


def mkdir(
    ctx: typer.Context,
    paths: visiting.Paths,
    parents: Annotated[
        bool, typer.Option("-p", "--parents", help="Those above as well; one that exists is no error.")
    ] = False,
    token_file: options.TokenFile = None,
) -> None:
    """Make directories.

    \b
      cta-data-direct mkdir home:plots
      cta-data-direct mkdir -p home:2026/08/plots

    Uploads need none of it: put makes the directories that it puts files into.
    """
    with visiting.visiting(ctx, token_file) as visit:

        def make(text: str) -> None:
            path = visit.session.resolve(text)
            try:
                _make(visit.session.store, path, parents=parents)
            except Forbidden as error:
                if not text.startswith(("/", "~", "home:")) and not _is_there(visit.session.store, _first(path)):
                    error.hint = f"paths start from the root; below your home it is home:{text}"
                raise

        visiting.each(paths, make)


def _first(path: RemotePath) -> RemotePath:
    """The collection directly below the root that the path begins with."""
    while path.parent.parts:
        path = path.parent
    return path


def _make(store: Store, path: RemotePath, *, parents: bool) -> None:
    """AlreadyExists for a taken name, NotFound where the directory above is missing, but for `parents`."""
    if not parents:
        if _is_there(store, path):
            raise AlreadyExists("the name is taken", path=str(path))
        if path.parent.parts and not _is_there(store, path.parent):
            raise NotFound("there is no such directory", hint="-p makes it", path=str(path.parent))
    store.mkdir(path)


def _is_there(store: Store, path: RemotePath) -> bool:
    try:
        store.info(path)
    except NotFound:
        return False
    return True
