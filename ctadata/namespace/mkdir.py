"""Make directories."""

from __future__ import annotations

from ctadata.errors import AlreadyExists, NotFound
from ctadata.namespace.name_check import NameCheck
from ctadata.paths import RemotePath
from ctadata.stores.base import Store


def make_directory(store: Store, path: RemotePath, *, parents: bool = False) -> None:
    """Make a directory.

    Args:
        store: The store.
        path: The new directory.
        parents: Make the directories above it too, and accept one that exists.

    Raises:
        AlreadyExists: The name is taken.
        NotFound: The directory above does not exist, and `parents` is False.
        Unsupported: The store could not send files below this name back.
    """
    if not parents:
        if exists(store, path):
            raise AlreadyExists("the name is taken", path=str(path))
        if store.features.has_directories and path.parent.parts and not exists(store, path.parent):
            raise NotFound("there is no such directory", hint="-p makes it", path=str(path.parent))
    NameCheck(store).check(path)
    store.mkdir(path)


def exists(store: Store, path: RemotePath) -> bool:
    """Return whether anything has this name; raise what the store raises, except NotFound."""
    try:
        store.info(path)
    except NotFound:
        return False
    return True
