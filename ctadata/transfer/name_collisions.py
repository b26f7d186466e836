"""Find names that a server takes for the same name: `Run1` and `run1`, the two spellings of `é`, `a` and `a.`."""

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
    """Return a form that is equal for all names that some server may take for the same name.

    Windows drops dots and spaces at the end (Microsoft, "Naming Files, Paths, and Namespaces").
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold()).rstrip(". ")


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


def refuse_other_spelling(store: Store, path: RemotePath, similar: str | None = None, *, is_taken: bool = True) -> None:
    """Raise AlreadyExists if a name that was free, or one of its directories, is taken by another spelling of it.

    A directory that cannot be listed is not checked.

    Args:
        store: The store.
        path: The name.
        similar: The other spelling, if the same run writes it too. It may have taken the name even if the listing shows
            the name itself: some servers keep every name in lower case.
        is_taken: Whether it is known that the name is taken now. The listing must show it then, or the server takes it
            for another one. Names that begin with a dot may be hidden.
    """
    while path.parts and store.features.has_directories:  # keys of objects are never folded
        asked, (is_listed, other) = escape_unprintable(path.name), _look_in_listing(store, path)
        if similar or (other and not is_listed):
            stored = escape_unprintable(similar or other or "")
            what = f"{stored} exists, and this server takes it for the same name as {asked}"
            raise AlreadyExists(what, hint="rename one of the two", path=str(path))
        if is_taken and is_listed is False and not path.name.startswith("."):
            what = f"{asked} exists, and the listing does not show it: this server takes another name for it"
            raise AlreadyExists(what, hint="a shorter name without special characters may work", path=str(path))
        path, is_taken = path.parent, False


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


def find_other_spelling(store: Store, path: RemotePath) -> str | None:
    """Return another spelling of the name of `path` that its directory lists; None if there is none."""
    return _look_in_listing(store, path)[1]


def _look_in_listing(store: Store, path: RemotePath) -> tuple[bool | None, str | None]:
    """Return whether the directory of `path` lists its name, None if it cannot be listed, and another spelling."""
    is_listed, other, form = False, None, folded(path.name)
    try:
        for entry in store.list(path.parent):
            if entry.path.name == path.name:
                is_listed = True
            elif folded(entry.path.name) == form:
                other = entry.path.name
    except CtadataError:
        return None, None
    return is_listed, other
