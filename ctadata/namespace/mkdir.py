"""Making collections."""

from __future__ import annotations

from ctadata.errors import AlreadyExists, NotFound
from ctadata.namespace.name_check import NameCheck
from ctadata.paths import RemotePath
from ctadata.stores.base import Store


def make_directory(store: Store, path: RemotePath, *, parents: bool = False) -> None:
    """Make a collection; with `parents` those above it as well, and one that exists is no error.

    AlreadyExists (the name is taken), NotFound (no collection above), Unsupported (its files could not be read).
    """
    if not parents:
        if exists(store, path):
            raise AlreadyExists("the name is taken", path=str(path))
        if store.features.has_collections and path.parent.parts and not exists(store, path.parent):
            raise NotFound("there is no such directory", hint="-p makes it", path=str(path.parent))
    NameCheck(store).check(path)
    store.mkdir(path)


def exists(store: Store, path: RemotePath) -> bool:
    """Whether anything has this name; raises what the store raises, but for NotFound."""
    try:
        store.info(path)
    except NotFound:
        return False
    return True
