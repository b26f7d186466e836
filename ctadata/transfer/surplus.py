"""What stands at the target of a sync and not at its source: found while the tree is walked, deleted after it.

Nothing is taken for surplus that a filter leaves out, that bears our mark, or that is missing at the source on the word
of a collection that listed as empty: a dCache door lists those so that may not be read. A collection of the target that
lists as empty is not deleted, for the same reason. `trust_empty` takes such listings for the truth.
"""

from __future__ import annotations

import abc
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from ctadata.entries import Entry
from ctadata.errors import Unnameable
from ctadata.paths import MARK, RemotePath
from ctadata.transfer.download_tree import DownloadTarget, each_of
from ctadata.transfer.local_entries import find_folder, names_in
from ctadata.transfer.run import Run
from ctadata.transfer.upload_tree import UploadSource


@dataclass(frozen=True, slots=True)
class Extraneous:
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


class _Surplus(abc.ABC):
    """What has been found, and what stays because of keys that no path can name."""

    _is_local = False

    def __init__(self, run: Run, trust_empty: bool = False) -> None:
        """Nothing yet."""
        self.run, self.trust_empty = run, trust_empty
        self._found: list[Extraneous] = []
        self._names, self._trees = set[tuple[str, ...]](), set[tuple[str, ...]]()
        self._lock = threading.Lock()

    def spare(self, path: RemotePath, error: Unnameable) -> None:
        """Keep a collection with keys that no path can name, and here what these could stand for; any thread.

        If not all of the keys are known, all of the local folder stays.
        """
        with self._lock:
            self._names.add(path.parts)
            if self._is_local and error.counterparts is None:
                self._trees.add(path.parts)
            elif self._is_local:
                self._names.update(error.counterparts or ())

    def extras(self) -> Iterator[Extraneous]:
        """All that is to be deleted, what lies in a directory before itself; raises what listing it raises."""
        for extra in self._found:
            yield from self._doomed(extra)

    def _is_spared(self, path: RemotePath) -> bool:
        """Whether a name stays for a key; what lies in a directory that stays is still looked through."""
        return path.parts in self._names or any(path.parts[:depth] in self._trees for depth in range(len(path.parts)))

    def _doomed(self, extra: Extraneous) -> Generator[Extraneous, None, bool]:
        """The names to be deleted, deepest first; gives back whether nothing of it stays."""
        filters = self.run.rules.filters
        if extra.remote.name.startswith(MARK):
            return False
        if extra.directory:
            below = self._below(extra) if filters.enters(extra.inside) else None
            if below is None:
                return False
            goes = filters.takes_directory(extra.inside)
            for each in below:
                goes &= yield from self._doomed(each)
        else:
            goes = filters.takes(extra.inside)
        goes = goes and not self._is_spared(extra.remote)
        if goes:
            yield extra
        return goes

    @abc.abstractmethod
    def _below(self, extra: Extraneous) -> list[Extraneous] | None:
        """What lies in a directory; None where its listing is not to be trusted."""


class LocalExtraneous(_Surplus):
    """What stands here and not on the storage."""

    _is_local = True

    def compare(self, landing: DownloadTarget, names: set[str]) -> None:
        """Look at the folder of a collection whose names are known; LocalError."""
        if names or self.trust_empty:
            here = _folder(landing.entry.path, landing.inside, landing.base, landing.parts)
            with self._lock:
                self._found += [extra for extra in here if extra.remote.name not in names]

    def _below(self, extra: Extraneous) -> list[Extraneous]:
        assert extra.base is not None
        return list(_folder(extra.remote, extra.inside, extra.base, (*extra.parts, extra.remote.name)))


def _folder(remote: RemotePath, inside: tuple[str, ...], base: Path, parts: tuple[str, ...]) -> Iterator[Extraneous]:
    folder = find_folder(base, parts)
    if folder is not None:
        with folder:
            for name, directory in names_in(folder):
                yield Extraneous(remote / name, directory, (*inside, name), base, parts)


class RemoteExtraneous(_Surplus):
    """What stands on the storage and not here."""

    def compare(self, departure: UploadSource, others: list[Entry]) -> None:
        """Take the entries of a collection that the directory has not."""
        with self._lock:
            self._found += [_remote(entry, departure.inside) for entry in others]

    def _below(self, extra: Extraneous) -> list[Extraneous] | None:
        entries: list[Extraneous] = []
        try:
            each_of(self.run, extra.remote, lambda entry: entries.append(_remote(entry, extra.inside)))
        except Unnameable as error:
            self.run.fail(error, extra.remote)
            self.spare(extra.remote, error)
        return entries if entries or self.trust_empty else None


def _remote(entry: Entry, above: tuple[str, ...]) -> Extraneous:
    return Extraneous(entry.path, entry.is_directory, (*above, entry.path.name))
