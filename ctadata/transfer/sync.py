"""Syncs: a tree made like another one, and what only the target has deleted at the end, if that is asked for.

Nothing is deleted before everything else is done; nothing at all where anything failed, or where more is to be deleted
than the limit.
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
from ctadata.transfer.download_tree import DownloadTarget, download, for_each_entry
from ctadata.transfer.local_entries import find_folder, names_in, remove
from ctadata.transfer.plan import Compare
from ctadata.transfer.report import Outcome, State, Summary
from ctadata.transfer.run import Run, Task
from ctadata.transfer.upload_tree import UploadSource, upload

LIMIT = 100
"""Names that are deleted at most, unless more are asked for."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """That what only the target has is deleted, and how carefully.

    confirm:     asked once, with all names and the stop of the run, before the first one is deleted.
    limit:       where there are more names than this, none is deleted.
    trust_empty: a collection that listed as empty is taken to be so.
    """

    confirm: Callable[[Sequence[Extraneous], threading.Event], bool]
    limit: int = LIMIT
    trust_empty: bool = False


def sync_down(run: Run, landing: DownloadTarget, deletion: Deletion | None = None) -> Summary:
    """Make a local folder like a collection; gives the summary, in which each failure has its place. UsageError."""
    _check_comparable(run)
    if deletion is None:
        return download(run, [landing])
    surplus = LocalExtraneous(run, deletion.trust_empty)
    download(run, [landing], surplus)
    return _delete(run, surplus, deletion, landing.entry.path)


def sync_up(run: Run, departure: UploadSource, deletion: Deletion | None = None) -> Summary:
    """Make a collection like a local directory; gives the summary, in which each failure has its place. UsageError."""
    _check_comparable(run)
    refuse_undecodable(departure.target)
    if deletion is None:
        return upload(run, [departure])
    surplus = RemoteExtraneous(run, deletion.trust_empty)
    upload(run, [departure], surplus)
    return _delete(run, surplus, deletion, departure.target)


def _check_comparable(run: Run) -> None:
    features = run.store.features
    if run.rules.compare is Compare.CHECKSUM and not (features.lists_checksums or features.etag_may_be_md5):
        raise UsageError("this storage tells no checksums in its listings", hint="leave --checksum out")


def _delete(run: Run, surplus: LocalExtraneous | RemoteExtraneous, deletion: Deletion, top: RemotePath) -> Summary:
    if run.stop.is_set():
        return run.summary
    if run.summary.failed:
        run.summary.remarks.append("nothing was deleted, because something failed")
        return run.summary
    try:
        extras = list(surplus.extras())
        _check(extras, deletion)
    except CtadataError as error:
        run.fail(error, top)
        return run.summary
    if extras and not run.rules.dry_run and not deletion.confirm(extras, run.stop):
        run.summary.remarks.append("nothing was deleted")
        return run.summary
    extras.sort(key=_depth)
    for _, level in groupby(extras, key=_depth):
        run.execute([Task(extra.remote, extra.local, functools.partial(_do, run, extra)) for extra in level])
    return run.summary


def _depth(extra: Extraneous) -> int:
    return -len(extra.remote.parts)


def _check(extras: Sequence[Extraneous], deletion: Deletion) -> None:
    if len(extras) > deletion.limit:
        raise UsageError(
            f"{len(extras)} names would be deleted, more than {deletion.limit}: nothing was deleted",
            hint=f"look at them with --dry-run, allow them with --max-delete {len(extras)}",
        )


def _do(run: Run, extra: Extraneous) -> Outcome:
    if run.rules.dry_run:
        pass
    elif extra.base is not None:
        remove(extra.base, extra.parts, extra.remote.name, directory=extra.directory)
    else:
        with contextlib.suppress(NotFound):
            run.store.delete(extra.remote)
    return Outcome(State.DELETED, extra.remote, extra.local)


@dataclass(frozen=True, slots=True)
class Extraneous:
    """A name that the source does not have.

    remote: the name on the storage, or the one that a local name would have there.
    inside: the names from the top of the tree, which filters are about.
    base, parts: the local folder it stands in, as in `DownloadTarget`; None where it stands on the storage.
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
        if extra.remote.name.startswith(TEMPORARY_PREFIX):
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
            for_each_entry(self.run, extra.remote, lambda entry: entries.append(_remote(entry, extra.inside)))
        except Unnameable as error:
            self.run.fail(error, extra.remote)
            self.spare(extra.remote, error)
        return entries if entries or self.trust_empty else None


def _remote(entry: Entry, above: tuple[str, ...]) -> Extraneous:
    return Extraneous(entry.path, entry.is_directory, (*above, entry.path.name))
