"""Find names that a server takes for the same name: `Run1` and `run1` if it folds case, the two spellings of `é`."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

from ctadata.errors import AlreadyExists, CtadataError
from ctadata.paths import RemotePath
from ctadata.printable import escape_unprintable
from ctadata.stores.base import Store
from ctadata.transfer.run import Run


def folded(name: str) -> str:
    """Return a form that is equal for all names that some server may take for the same name."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def similar_names(names: Iterable[str]) -> Mapping[str, str]:
    """Return the names that some server may take for another one of them, each with that other one."""
    first: dict[str, str] = {}
    similar: dict[str, str] = {}
    for name in names:
        other = first.setdefault(folded(name), name)
        if other != name:
            similar[name] = other
            similar.setdefault(other, name)
    return similar


def refuse_other_spelling(store: Store, path: RemotePath, similar: str | None = None) -> None:
    """Raise AlreadyExists if a name that was free, or one of its directories, is taken by another spelling of it.

    A directory that cannot be listed is not checked.

    Args:
        store: The store.
        path: The name.
        similar: The other spelling, if the same run writes it too. It may have taken the name even if the listing shows
            the name itself: some servers keep every name in lower case.
    """
    while path.parts and store.features.has_directories:  # keys of objects are never folded
        other = similar or find_other_spelling(store, path, unless_listed=True)
        if other is not None:
            asked, stored = escape_unprintable(path.name), escape_unprintable(other)
            raise AlreadyExists(
                f"{stored} exists, and this server takes it for the same name as {asked}",
                hint="rename one of the two",
                path=str(path),
            )
        path = path.parent


def keep_apart(run: Run, *paths: RemotePath, local: Path | None = None) -> bool:
    """Make collections whose names differ only in spelling; return whether the server keeps them apart.

    Args:
        run: The run. If the server does not, it receives the failure of the last collection.
        paths: The collections.
        local: The local directory of the last one.
    """
    if not run.store.features.has_directories or run.rules.dry_run:
        return True
    failure: CtadataError | None = None
    try:
        for path in paths:
            run.store.mkdir(path)
    except CtadataError as error:
        failure = error
    try:
        for path in paths:
            refuse_other_spelling(run.store, path)
    except AlreadyExists as error:
        failure = error
    if failure is not None:
        run.fail(failure, paths[-1], local)
    return failure is None


def find_other_spelling(store: Store, path: RemotePath, *, unless_listed: bool = False) -> str | None:
    """Return another spelling of the name of `path` that its directory lists; None if there is none.

    Args:
        store: The store. Its listing shows the names as they are stored.
        path: The name.
        unless_listed: Return None if the name itself is listed too.
    """
    other: str | None = None
    try:
        for entry in store.list(path.parent):
            if entry.path.name == path.name:
                if unless_listed:
                    return None
            elif folded(entry.path.name) == folded(path.name):
                other = entry.path.name
    except CtadataError:
        return None
    return other
