"""The names that only the target of a sync has: collect them with their looks, look again, and delete them.

The look of a name is what the walk has seen of it. For a local name it is lstat(2); for a name on the storage it is the
entry of the listing. The contents of a directory that only the target has are looked at in the same moment.
"""

from __future__ import annotations

import abc
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ctadata.entries import Entry
from ctadata.errors import CtadataError, NotDeleted, Unnameable
from ctadata.paths import RemotePath
from ctadata.printable import escape_unprintable
from ctadata.transfer.local_entries import Look
from ctadata.transfer.run import Run


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
    """The extraneous names that were found, and the names that keys without a path protect.

    Attributes:
        untrusted: The number of collections that list as empty, and because of which nothing is deleted.
    """

    _is_local = False

    def __init__(self, run: Run, trust_empty: bool = False) -> None:
        """Start without names."""
        self.run, self.trust_empty = run, trust_empty
        self.untrusted = 0
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

    def _distrust(self) -> None:
        """Count a collection that lists as empty."""
        with self._lock:
            self.untrusted += 1

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
        if item.remote.is_temporary:
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
        if not item.directory or item.remote.is_temporary:
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
        name, shown = item.remote.name, escape_unprintable(str(item.local or item.remote))
        if name in look.at_source or self._is_kept(item.remote):
            raise NotDeleted("the source has it now, so it was kept", path=shown)
        if not self._delete_unchanged(item, look.at_target.get((name, item.directory))):
            raise NotDeleted("it has changed since the tree was compared, so it was kept", path=shown)

    @abc.abstractmethod
    def _delete_unchanged(self, item: Extraneous, listed: Entry | None) -> bool:
        """Delete a name; return False if it has changed. `listed` is its entry in the second look, if it has one."""
