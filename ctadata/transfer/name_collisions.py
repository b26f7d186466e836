"""Find names that a server takes for the same name: `Run1` and `run1` if it folds case, the two spellings of `é`."""

from __future__ import annotations

import unicodedata

from ctadata.errors import AlreadyExists, CtadataError
from ctadata.paths import RemotePath
from ctadata.printable import escape_unprintable
from ctadata.stores.base import Store


def folded(name: str) -> str:
    """Return a form that is equal for all names that some server may take for the same name."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def refuse_other_spelling(store: Store, path: RemotePath) -> None:
    """Raise AlreadyExists if a free name, or one of its directories, is taken by another spelling of it.

    A listing shows the names as they were made. A directory that cannot be listed is not checked.
    """
    while path.parts and store.features.has_directories:  # keys of objects are never folded
        other = _other_spelling(store, path)
        if other is not None:
            asked, stored = escape_unprintable(path.name), escape_unprintable(other)
            raise AlreadyExists(
                f"{stored} exists, and this server takes it for the same name as {asked}",
                hint="rename one of the two",
                path=str(path),
            )
        path = path.parent


def _other_spelling(store: Store, path: RemotePath) -> str | None:
    """Return the other spelling under which `path` is listed; None if there is none."""
    other: str | None = None
    try:
        for entry in store.list(path.parent):
            if entry.path.name == path.name:
                return None
            if folded(entry.path.name) == folded(path.name):
                other = entry.path.name
    except CtadataError:
        return None
    return other
