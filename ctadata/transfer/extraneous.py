"""The names that only the target of a sync has: collect them with their looks, look again, and delete them.

The look of a name is what the walk has seen of it. For a local name it is lstat(2); for a name on the storage it is the
entry of the listing. The contents of a directory that only the target has are looked at in the same moment.
"""

from __future__ import annotations

import abc
import contextlib
import functools
import os
import threading
from collections import defaultdict
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ctadata.entries import Entry
from ctadata.errors import CtadataError, NotDeleted, NotFound, Unnameable, UsageError
from ctadata.namespace.remove import remove as remove_entry
from ctadata.paths import TEMPORARY_PREFIX, RemotePath, to_nfc
from ctadata.stores.channel import for_each
from ctadata.stores.optional import find_or_none
from ctadata.transfer.download_target import DownloadTarget
from ctadata.transfer.download_tree import for_each_entry
from ctadata.transfer.local_entries import NOT_EMPTY, Look, find_folder, looks_in, remove
from ctadata.transfer.local_tree import UploadSource
from ctadata.transfer.partial_file import local_errors
from ctadata.transfer.run import Run
from ctadata.versions import is_other_version


@dataclass(frozen=True, slots=True)
class Extraneous:
    """A name that the target has and the source has not.

    Attributes:
        remote: The name on the storage, or the one that the local name would have there.
        seen: What the walk has seen: the status of a local name, or the entry of a name on the storage.
        inside: The names from the top of the tree, for the filters.
        base: The local directory that the user named.
        parts: The names below `base`, of the directory that holds the local name, or would hold it.
        below: The contents of a directory; None if the filters keep them, or if an empty listing cannot be trusted.
    """

    remote: RemotePath
    seen: Look | Entry
    inside: tuple[str, ...]
    base: Path
    parts: tuple[str, ...] = ()
    below: Sequence[Extraneous] | None = ()

    @property
    def directory(self) -> bool:
        """Whether it is a directory."""
        return self.seen.is_directory

    @property
    def local(self) -> Path | None:
        """The local path; None if the name is on the storage."""
        return None if isinstance(self.seen, Entry) else self.base.joinpath(*self.parts, self.remote.name)


@dataclass(frozen=True, slots=True)
class SecondLook:
    """What source and target have, just before names of one directory are deleted.

    Attributes:
        at_source: The names that the source has now.
        at_target: The entries on the storage, by name and whether it is a directory; empty if the target is local.
    """

    at_source: set[str]
    at_target: Mapping[tuple[str, bool], Entry] = field(default_factory=dict)


class ExtraneousNames(abc.ABC):
    """The extraneous names that were found, and the names that keys without a path protect."""

    _is_local = False

    def __init__(self, run: Run, trust_empty: bool = False) -> None:
        """Start without names."""
        self.run, self.trust_empty = run, trust_empty
        self._found: list[Extraneous] = []
        self._error: CtadataError | None = None
        self._kept_names, self._kept_trees = set[tuple[str, ...]](), set[tuple[str, ...]]()
        self._lock = threading.Lock()

    def keep_counterparts(self, path: RemotePath, error: Unnameable) -> None:
        """Keep a collection with keys that no path can name, and the local names that may be their counterparts.

        If some of the keys are unknown, the whole local directory is kept. Any thread may call it.
        """
        with self._lock:
            self._kept_names.add(path.parts)
            if self._is_local and error.counterparts is None:
                self._kept_trees.add(path.parts)
            elif self._is_local:
                self._kept_names.update(error.counterparts or ())

    def _is_kept(self, path: RemotePath) -> bool:
        """Return whether a name is kept because of a key. The contents of a kept directory may still be deleted."""
        return path.parts in self._kept_names or any(
            path.parts[:depth] in self._kept_trees for depth in range(len(path.parts))
        )

    def to_delete(self) -> Iterator[Extraneous]:
        """Yield all names to delete, the contents of a directory before the directory.

        Raises:
            CtadataError: A directory that only the target has could not be listed.
        """
        if self._error is not None:
            raise self._error
        for item in self._found:
            yield from self._deletable(item)

    def _deletable(self, item: Extraneous) -> Generator[Extraneous, None, bool]:
        """Yield the names to delete, the deepest first; return whether nothing of `item` is kept."""
        filters = self.run.rules.filters
        if item.remote.name.startswith(TEMPORARY_PREFIX):
            return False
        if item.directory:
            if item.below is None:
                return False
            deletes = filters.takes_directory(item.inside)
            for each in item.below:
                deletes &= yield from self._deletable(each)
        else:
            deletes = filters.takes(item.inside)
        deletes = deletes and not self._is_kept(item.remote)
        if deletes:
            yield item
        return deletes

    def _add(self, items: Iterator[Extraneous]) -> None:
        """Take the names of a directory. Files that are transferred do not fail because one cannot be listed."""
        try:
            whole = [self._look_below(item) for item in items]
        except CtadataError as error:
            with self._lock:
                self._error = self._error or error
        else:
            with self._lock:
                self._found += whole

    def _look_below(self, item: Extraneous) -> Extraneous:
        """Return a name with its contents."""
        if not item.directory or item.remote.name.startswith(TEMPORARY_PREFIX):
            return item
        below = self._entries_below(item) if self.run.rules.filters.enters(item.inside) else None
        return replace(item, below=None if below is None else [self._look_below(each) for each in below])

    @abc.abstractmethod
    def _entries_below(self, item: Extraneous) -> list[Extraneous] | None:
        """Return the contents of a directory; None if its listing cannot be trusted."""

    @abc.abstractmethod
    def look_again(self, items: Sequence[Extraneous]) -> SecondLook:
        """Look at the source and at the target of some names of one directory; raise what a listing raises."""

    def delete(self, item: Extraneous, look: SecondLook) -> None:
        """Delete a name; a missing one is no error.

        Args:
            item: The name.
            look: The second look at its directory.

        Raises:
            NotDeleted: The source has it, it has changed since the tree was compared, or it is a directory that holds
                anything.
            CtadataError: The storage or the file system refuses.
        """
        name = item.remote.name
        if name in look.at_source or self._is_kept(item.remote):
            raise NotDeleted("the source has it now, so it was kept")
        if not self._delete_unchanged(item, look.at_target.get((name, item.directory))):
            raise NotDeleted("it has changed since the tree was compared, so it was kept")

    @abc.abstractmethod
    def _delete_unchanged(self, item: Extraneous, listed: Entry | None) -> bool:
        """Delete a name; return False if it has changed. `listed` is its entry in the second look, if it has one."""


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
        if names or self.trust_empty:
            self._add(_folder(target.entry.path, target.inside, target.base, target.parts, names))

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


class RemoteExtraneous(ExtraneousNames):
    """The names that exist on the storage and not locally."""

    def compare(self, source: UploadSource, others: list[Entry]) -> None:
        """Take the entries of a collection that its local directory has not.

        Args:
            source: The local directory and its collection.
            others: These entries.
        """
        assert source.tree is not None
        tree = source.tree
        self._add(_remote(entry, source.inside, tree) for entry in others)

    def _entries_below(self, item: Extraneous) -> list[Extraneous] | None:
        entries: list[Extraneous] = []
        parts = (*item.parts, item.remote.name)
        try:
            for_each_entry(
                self.run, item.remote, lambda entry: entries.append(_remote(entry, item.inside, item.base, parts))
            )
        except Unnameable as error:
            self.run.fail(error, item.remote)
            self.keep_counterparts(item.remote, error)
        return entries if entries or self.trust_empty else None

    def look_again(self, items: Sequence[Extraneous]) -> SecondLook:
        """List the local directory and the collection."""
        folder, wanted = items[0].base.joinpath(*items[0].parts), {item.remote.name for item in items}
        spell = to_nfc if self.run.rules.normalize else str
        at_source, at_target = set[str](), dict[tuple[str, bool], Entry]()
        with local_errors(folder), contextlib.suppress(FileNotFoundError, NotADirectoryError):
            at_source = wanted.intersection(map(spell, os.listdir(folder)))  # noqa: PTH208

        def take(entry: Entry) -> None:
            if entry.path.name in wanted:
                at_target[entry.path.name, entry.is_directory] = entry

        try:
            for_each(self.run.store.list(items[0].remote.parent), take)
        except Unnameable as error:
            self.keep_counterparts(items[0].remote.parent, error)
        except NotFound:
            pass
        return SecondLook(at_source, at_target)

    def _delete_unchanged(self, item: Extraneous, listed: Entry | None) -> bool:
        assert isinstance(item.seen, Entry)
        store = self.run.store
        if item.directory and item.seen.has_twin:
            listed = None  # `Store.delete` would delete the file
        now = listed or find_or_none(store, item.remote)  # a listing of dCache may be empty by mistake
        if now is None:
            return True
        if now.is_directory != item.directory or not (item.directory or _is_same(now, item.seen)):
            return False
        try:
            # `Store.delete` lists a directory once more, and refuses if it holds anything
            store.delete(item.remote) if item.directory else remove_entry(store, now, is_fresh=True)
        except NotFound:
            pass
        except UsageError as error:
            if not item.directory:
                raise
            raise NotDeleted(NOT_EMPTY) from error
        return True


def _is_same(now: Entry, seen: Entry) -> bool:
    return now.mtime == seen.mtime and not is_other_version(now, seen)


def _remote(entry: Entry, above: tuple[str, ...], base: Path, parts: tuple[str, ...] = ()) -> Extraneous:
    return Extraneous(entry.path, entry, (*above, entry.path.name), base, parts)
