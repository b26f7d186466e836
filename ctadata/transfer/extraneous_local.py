"""The names that only the local directory of a sync has."""

from __future__ import annotations

import functools
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ctadata.entries import Entry
from ctadata.errors import NotDeleted, NotFound, Unnameable
from ctadata.paths import RemotePath
from ctadata.stores.channel import for_each
from ctadata.transfer.download_target import DownloadTarget
from ctadata.transfer.extraneous import Extraneous, ExtraneousNames, SecondLook
from ctadata.transfer.local_entries import Look, find_folder, looks_in, remove
from ctadata.transfer.run import Run


class LocalExtraneous(ExtraneousNames):
    """The names that exist locally and not on the storage."""

    _is_local = True

    def __init__(self, run: Run, trust_empty: bool = False) -> None:
        """Start without names."""
        super().__init__(run, trust_empty)
        self._tops_at_source = dict[RemotePath, set[str]]()
        self._look_lock = threading.Lock()

    def compare(self, target: DownloadTarget, names: set[str]) -> None:
        """Compare a local directory with the names of its collection.

        Args:
            target: The collection and its local directory.
            names: All names of the collection.
        """
        extraneous = _folder(target.entry.path, target.inside, target.base, target.parts, names)
        if names or self.trust_empty:
            self._add(extraneous)
        elif any(True for _ in extraneous):
            self._distrust()

    def _entries_below(self, item: Extraneous) -> list[Extraneous]:
        return list(_folder(item.remote, item.inside, item.base, (*item.parts, item.remote.name)))

    def look_again(self, items: Sequence[Extraneous]) -> SecondLook:
        """Look at the source: the storage. If it still has not got a directory, nothing below it is asked for."""
        parent = items[0].remote.parent
        top = self._find_top(parent)
        if top is not None:
            with self._look_lock:
                if top.parent not in self._tops_at_source:
                    self._tops_at_source[top.parent] = self._at_source(top.parent, self._tops[top.parent])
            if top.name not in self._tops_at_source[top.parent]:
                return SecondLook(set())
        return SecondLook(self._at_source(parent, {item.remote.name for item in items}))

    @functools.cached_property
    def _tops(self) -> Mapping[RemotePath, set[str]]:
        """The names that were found in collections which the source has, by collection."""
        tops = defaultdict[RemotePath, set[str]](set)
        for item in self._found:
            tops[item.remote.parent].add(item.remote.name)
        return tops

    def _find_top(self, path: RemotePath) -> RemotePath | None:
        """Return the outermost directory of a path that the source had not; None if the source had all of them."""
        above = (RemotePath(path.parts[:depth]) for depth in range(1, len(path.parts) + 1))
        return next((each for each in above if each.name in self._tops.get(each.parent, ())), None)

    def _at_source(self, path: RemotePath, wanted: set[str]) -> set[str]:
        """Return the wanted names that a collection has. An empty listing proves nothing and is repeated."""
        found = set[str]()
        try:
            for _ in range(2):
                if for_each(self.run.store.list(path), lambda entry: found.update(wanted & {entry.path.name})):
                    return found
        except Unnameable as error:
            self.keep_counterparts(path, error)
            return found
        except NotFound:
            return found
        if not self.trust_empty:
            raise NotDeleted("the storage lists its directory as empty now, so it was kept")
        return found

    def _delete_unchanged(self, item: Extraneous, _: Entry | None) -> bool:
        assert isinstance(item.seen, Look)
        return remove(item.base, item.parts, item.remote.name, item.seen)


def _folder(
    remote: RemotePath, inside: tuple[str, ...], base: Path, parts: tuple[str, ...], but: set[str] | None = None
) -> Iterator[Extraneous]:
    """Yield the names of a local directory but those in `but`."""
    folder = find_folder(base, parts)
    if folder is not None:
        with folder:
            for name, look in looks_in(folder, but or set()):
                yield Extraneous(remote / name, look, (*inside, name), base, parts)
