"""Sync a tree, and delete at the end what only the target has, if the user asks for that.

Nothing is deleted before everything else is done. Nothing is deleted at all if anything failed, or if there are more
names to delete than the limit.
"""

from __future__ import annotations

import abc
import contextlib
import functools
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from ctadata.entries import Entry
from ctadata.errors import CtadataError, NotFound, Unnameable, UsageError
from ctadata.paths import TEMPORARY_PREFIX, RemotePath
from ctadata.stores.name_rules import refuse_undecodable
from ctadata.transfer.download_target import DownloadTarget
from ctadata.transfer.download_tree import download, for_each_entry
from ctadata.transfer.equality import Compare
from ctadata.transfer.local_entries import find_folder, names_in, remove
from ctadata.transfer.local_tree import UploadSource
from ctadata.transfer.report import Outcome, State, Summary, TooManyDeletions
from ctadata.transfer.run import Run, Task
from ctadata.transfer.upload_tree import upload

LIMIT = 100
"""The largest number of names that are deleted, unless the user sets another one."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """The conditions under which names that only the target has are deleted.

    Attributes:
        confirm: Called once with all names and the stop of the run, before the first one is deleted; returns whether to
            go on.
        limit: If there are more names than this, none is deleted.
        trust_empty: Whether a collection whose listing is empty is taken to be empty.
    """

    confirm: Callable[[Sequence[Extraneous], threading.Event], bool]
    limit: int = LIMIT
    trust_empty: bool = False


def sync_down(run: Run, target: DownloadTarget, deletion: Deletion | None = None) -> Summary:
    """Make a local directory like a collection.

    Args:
        run: The run.
        target: The collection and its local directory.
        deletion: The conditions of deletions; None: nothing is deleted.

    Returns:
        The summary, with each failure.

    Raises:
        UsageError: `Rules.compare` asks for checksums, and this storage lists none.
    """
    _check_comparable(run)
    if deletion is None:
        return download(run, [target])
    extraneous = LocalExtraneous(run, deletion.trust_empty)
    download(run, [target], extraneous)
    return _delete(run, extraneous, deletion, target.entry.path)


def sync_up(run: Run, source: UploadSource, deletion: Deletion | None = None) -> Summary:
    """Make a collection like a local directory.

    Args:
        run: The run.
        source: The local directory and its collection.
        deletion: The conditions of deletions; None: nothing is deleted.

    Returns:
        The summary, with each failure.

    Raises:
        UsageError: `Rules.compare` asks for checksums, and this storage lists none; or the target has a name that no
            storage can have.
    """
    _check_comparable(run)
    refuse_undecodable(source.target)
    if deletion is None:
        return upload(run, [source])
    extraneous = RemoteExtraneous(run, deletion.trust_empty)
    upload(run, [source], extraneous)
    return _delete(run, extraneous, deletion, source.target)


def _check_comparable(run: Run) -> None:
    features = run.store.features
    if run.rules.compare is Compare.CHECKSUM and not (features.lists_checksums or features.etag_may_be_md5):
        raise UsageError("this storage lists no checksums", hint="leave --checksum out")


def _delete(run: Run, extraneous: LocalExtraneous | RemoteExtraneous, deletion: Deletion, top: RemotePath) -> Summary:
    if run.stop.is_set():
        return run.summary
    if run.summary.failed:
        run.summary.remarks.append("nothing was deleted, because something failed")
        return run.summary
    try:
        names = list(extraneous.to_delete())
        _check(names, deletion)
    except CtadataError as error:
        run.fail(error, top)
        return run.summary
    if names and not run.rules.dry_run and not deletion.confirm(names, run.stop):
        run.summary.remarks.append("nothing was deleted")
        return run.summary
    names.sort(key=_depth)
    for _, level in groupby(names, key=_depth):
        run.execute([Task(item.remote, item.local, functools.partial(_delete_one, run, item)) for item in level])
    return run.summary


def _depth(item: Extraneous) -> int:
    return -len(item.remote.parts)


def _check(names: Sequence[Extraneous], deletion: Deletion) -> None:
    if len(names) > deletion.limit:
        raise TooManyDeletions(
            f"{len(names)} names would be deleted, more than {deletion.limit}: nothing was deleted",
            hint=f"look at them with --dry-run, allow them with --max-delete {len(names)}",
        )


def _delete_one(run: Run, item: Extraneous) -> Outcome:
    if run.rules.dry_run:
        pass
    elif item.base is not None:
        remove(item.base, item.parts, item.remote.name, directory=item.directory)
    else:
        with contextlib.suppress(NotFound):
            run.store.delete(item.remote)
    return Outcome(State.DELETED, item.remote, item.local)


@dataclass(frozen=True, slots=True)
class Extraneous:
    """A name that the target has and the source has not.

    Attributes:
        remote: The name on the storage, or the one that the local name would have there.
        directory: Whether it is a directory.
        inside: The names from the top of the tree, for the filters.
        base: The local directory that the user named; None if the name is on the storage.
        parts: The names below `base`, of the directory that holds the name.
    """

    remote: RemotePath
    directory: bool
    inside: tuple[str, ...]
    base: Path | None = None
    parts: tuple[str, ...] = ()

    @property
    def local(self) -> Path | None:
        """The local path; None if the name is on the storage."""
        return None if self.base is None else self.base.joinpath(*self.parts, self.remote.name)


class _Extraneous(abc.ABC):
    """The extraneous names that were found, and the names that keys without a path protect."""

    _is_local = False

    def __init__(self, run: Run, trust_empty: bool = False) -> None:
        """Start without names."""
        self.run, self.trust_empty = run, trust_empty
        self._found: list[Extraneous] = []
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

    def to_delete(self) -> Iterator[Extraneous]:
        """Yield all names to delete, the contents of a directory before the directory; raise what a listing raises."""
        for item in self._found:
            yield from self._deletable(item)

    def _is_kept(self, path: RemotePath) -> bool:
        """Return whether a name is kept because of a key. The contents of a kept directory are still looked at."""
        return path.parts in self._kept_names or any(
            path.parts[:depth] in self._kept_trees for depth in range(len(path.parts))
        )

    def _deletable(self, item: Extraneous) -> Generator[Extraneous, None, bool]:
        """Yield the names to delete, the deepest first; return whether nothing of `item` is kept."""
        filters = self.run.rules.filters
        if item.remote.name.startswith(TEMPORARY_PREFIX):
            return False
        if item.directory:
            below = self._entries_below(item) if filters.enters(item.inside) else None
            if below is None:
                return False
            deletes = filters.takes_directory(item.inside)
            for each in below:
                deletes &= yield from self._deletable(each)
        else:
            deletes = filters.takes(item.inside)
        deletes = deletes and not self._is_kept(item.remote)
        if deletes:
            yield item
        return deletes

    @abc.abstractmethod
    def _entries_below(self, item: Extraneous) -> list[Extraneous] | None:
        """Return the contents of a directory; None if its listing cannot be trusted."""


class LocalExtraneous(_Extraneous):
    """The names that exist locally and not on the storage."""

    _is_local = True

    def compare(self, target: DownloadTarget, names: set[str]) -> None:
        """Compare a local directory with the names of its collection. Raises LocalError.

        Args:
            target: The collection and its local directory.
            names: All names of the collection.
        """
        if names or self.trust_empty:
            entries = _folder(target.entry.path, target.inside, target.base, target.parts)
            with self._lock:
                self._found += [item for item in entries if item.remote.name not in names]

    def _entries_below(self, item: Extraneous) -> list[Extraneous]:
        assert item.base is not None
        return list(_folder(item.remote, item.inside, item.base, (*item.parts, item.remote.name)))


def _folder(remote: RemotePath, inside: tuple[str, ...], base: Path, parts: tuple[str, ...]) -> Iterator[Extraneous]:
    folder = find_folder(base, parts)
    if folder is not None:
        with folder:
            for name, directory in names_in(folder):
                yield Extraneous(remote / name, directory, (*inside, name), base, parts)


class RemoteExtraneous(_Extraneous):
    """The names that exist on the storage and not locally."""

    def compare(self, source: UploadSource, others: list[Entry]) -> None:
        """Take the entries of a collection that its local directory has not.

        Args:
            source: The local directory and its collection.
            others: These entries.
        """
        with self._lock:
            self._found += [_remote(entry, source.inside) for entry in others]

    def _entries_below(self, item: Extraneous) -> list[Extraneous] | None:
        entries: list[Extraneous] = []
        try:
            for_each_entry(self.run, item.remote, lambda entry: entries.append(_remote(entry, item.inside)))
        except Unnameable as error:
            self.run.fail(error, item.remote)
            self.keep_counterparts(item.remote, error)
        return entries if entries or self.trust_empty else None


def _remote(entry: Entry, above: tuple[str, ...]) -> Extraneous:
    return Extraneous(entry.path, entry.is_directory, (*above, entry.path.name))
