"""What stands at the target of a sync and not at its source: found while the tree is walked, deleted after it.

Nothing is taken for surplus that a filter leaves out, that bears our mark, or that is missing at the source on the word
of a collection that listed as empty: a dCache door lists those so that may not be read. A collection of the target that
lists as empty is not deleted, for the same reason. `trust_empty` takes such listings for the truth.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ctadata.entries import Entry
from ctadata.namespace.filters import Filters
from ctadata.paths import MARK, RemotePath
from ctadata.transfer.download import Landing, each_of
from ctadata.transfer.run import Run
from ctadata.transfer.standing import find_folder, names_in
from ctadata.transfer.upload import Departure


@dataclass(frozen=True, slots=True)
class Extra:
    """A name that the source does not have.

    remote: the name on the storage, or the one that a local name would have there.
    inside: the names from the top of the tree, which filters are about.
    base, parts: the local folder it stands in, as in `Landing`; None where it stands on the storage.
    """

    remote: RemotePath
    directory: bool
    inside: tuple[str, ...]
    base: Path | None = None
    parts: tuple[str, ...] = ()

    @property
    def local(self) -> Path | None:
        """The local name; None where it stands on the storage."""
        return None if self.base is None else self.base.joinpath(*self.parts, self.remote.name)


class Surplus(Protocol):
    """What has been found."""

    def extras(self) -> Iterator[Extra]:
        """All that is to be deleted, what lies in a directory before itself; raises what listing it raises."""


@dataclass(slots=True)
class LocalSurplus:
    """What stands here and not on the storage."""

    run: Run
    trust_empty: bool = False
    found: list[Extra] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def compare(self, landing: Landing, names: set[str]) -> None:
        """Look at the folder of a collection whose names are known; LocalError."""
        if names or self.trust_empty:
            here = _folder(landing.entry.path, landing.inside, landing.base, landing.parts)
            with self.lock:
                self.found += [extra for extra in here if extra.remote.name not in names]

    def extras(self) -> Iterator[Extra]:
        """All that is to be deleted; LocalError."""
        for extra in self.found:
            yield from _doomed(extra, self, self.run.rules.filters)

    def below(self, extra: Extra) -> list[Extra]:
        """What lies in a directory."""
        assert extra.base is not None
        return list(_folder(extra.remote, extra.inside, extra.base, (*extra.parts, extra.remote.name)))


def _folder(remote: RemotePath, inside: tuple[str, ...], base: Path, parts: tuple[str, ...]) -> Iterator[Extra]:
    folder = find_folder(base, parts)
    if folder is not None:
        with folder:
            for name, directory in names_in(folder):
                yield Extra(remote / name, directory, (*inside, name), base, parts)


@dataclass(slots=True)
class RemoteSurplus:
    """What stands on the storage and not here."""

    run: Run
    trust_empty: bool = False
    found: list[Extra] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def compare(self, departure: Departure, others: list[Entry]) -> None:
        """Take the entries of a collection that the directory has not."""
        with self.lock:
            self.found += [_remote(entry, departure.inside) for entry in others]

    def extras(self) -> Iterator[Extra]:
        """All that is to be deleted; raises what the store raises."""
        for extra in self.found:
            yield from _doomed(extra, self, self.run.rules.filters)

    def below(self, extra: Extra) -> list[Extra] | None:
        """What lies in a collection; None where its listing is not to be trusted."""
        entries: list[Extra] = []
        each_of(self.run, extra.remote, lambda entry: entries.append(_remote(entry, extra.inside)))
        return entries if entries or self.trust_empty else None


def _remote(entry: Entry, above: tuple[str, ...]) -> Extra:
    return Extra(entry.path, entry.is_directory, (*above, entry.path.name))


def _doomed(extra: Extra, surplus: LocalSurplus | RemoteSurplus, filters: Filters) -> Generator[Extra, None, bool]:
    """The names to be deleted, deepest first; gives back whether nothing of it stays."""
    if extra.remote.name.startswith(MARK):
        return False
    if extra.directory:
        below = surplus.below(extra) if filters.enters(extra.inside) else None
        if below is None:
            return False
        goes = filters.takes_directory(extra.inside)
        for each in below:
            goes &= yield from _doomed(each, surplus, filters)
    else:
        goes = filters.takes(extra.inside)
    if goes:
        yield extra
    return goes
