"""Names that a server takes for one: `Run1` and `run1` where it folds case, and the two spellings of `é`."""

from __future__ import annotations

import unicodedata

from ctadata.errors import AlreadyExists, CtadataError
from ctadata.paths import RemotePath, escape_unprintable
from ctadata.stores.base import Store


def folded(name: str) -> str:
    """What all the names have in common that some server may take for this one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def refuse_other_spelling(store: Store, path: RemotePath) -> None:
    """AlreadyExists where a name that was free is taken by another one, its own or of a directory above it.

    A listing has the names as they were made; one that may not be had says nothing.
    """
    while path.parts and store.features.has_collections:  # keys of objects are never folded
        other = _other_spelling(store, path)
        if other is not None:
            here, there = escape_unprintable(path.name), escape_unprintable(other)
            raise AlreadyExists(
                f"{there} stands there, and this server takes it for the same name as {here}",
                hint="rename one of the two",
                path=str(path),
            )
        path = path.parent


def _other_spelling(store: Store, path: RemotePath) -> str | None:
    """The name under which `path` is listed, where that is another one."""
    found: str | None = None
    try:
        for entry in store.list(path.parent):
            if entry.path.name == path.name:
                return None
            if folded(entry.path.name) == folded(path.name):
                found = entry.path.name
    except CtadataError:
        return None
    return found
