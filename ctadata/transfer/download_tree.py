"""Download files and trees. A tree is walked while its files are already being downloaded."""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeGuard

from ctadata.entries import Entry
from ctadata.errors import AlreadyExists, CtadataError, LocalError, Unnameable, UsageError
from ctadata.local_names import check_local_name
from ctadata.namespace.walk import WALKERS, Node, walk
from ctadata.paths import RemotePath
from ctadata.printable import escape_unprintable
from ctadata.shards import Division
from ctadata.stores.channel import for_each
from ctadata.transfer.aliases import may_be_alias
from ctadata.transfer.dir_cache import DirCache
from ctadata.transfer.download_target import (
    DirectoryTarget,
    DownloadTarget,
    PendingTarget,
    Target,
    share_key,
    share_size,
)
from ctadata.transfer.download_task import download_task
from ctadata.transfer.equality import looks_equal
from ctadata.transfer.local_dir import LocalDir
from ctadata.transfer.local_entries import check_spelling, find_folder
from ctadata.transfer.plan import UNMOVED, Step, listed_digest
from ctadata.transfer.records import FolderRecords
from ctadata.transfer.report import InvalidPath, Outcome, Summary
from ctadata.transfer.resume_journal import is_resumable
from ctadata.transfer.run import Run, Task
from ctadata.transfer.run_receipt import is_receipt

log = logging.getLogger(__name__)


class ExtraneousCollector(Protocol):
    """Collects the local names that the storage has not, while a tree is downloaded."""

    def compare(self, target: DownloadTarget, names: set[str]) -> None:
        """Receive all names of a collection, listed in full."""

    def keep_counterparts(self, path: RemotePath, error: Unnameable) -> None:
        """Receive that a collection has keys that no path can name: their local counterparts are kept."""


def download(
    run: Run,
    targets: Iterable[Target],
    extraneous: ExtraneousCollector | None = None,
) -> Summary:
    """Download files and trees.

    Args:
        run: The run.
        targets: The remote entries, each with its local target.
        extraneous: Collects the names that only the local directories have.

    Returns:
        The summary, with each failure.
    """
    with DirCache() as folders:
        return run.execute(_find_tasks(run, folders, targets, extraneous))


_Divided = DownloadTarget | PendingTarget
_Give = Callable[[Node[Target] | Task], object]
_IsOwn = Callable[[_Divided], bool] | None
"""Returns whether this task of several moves a file; None: it moves all."""


def _find_tasks(
    run: Run, folders: DirCache, targets: Iterable[Target], extraneous: ExtraneousCollector | None
) -> Iterator[Task]:
    """Yield the tasks of the run's shard: first those that are known from the listing, then those that have waited."""
    division: Division[_Divided] = Division(run.rules.shard, key=share_key, size=share_size)
    own = _find_own(run, targets, division)
    is_own = division.take if run.rules.shard.count > 1 else None
    yield from walk(own, functools.partial(_expand, run, folders, extraneous, is_own), threads=WALKERS)
    if is_own:
        yield from walk(division.end(), functools.partial(_expand_own, run, folders), threads=WALKERS)


def _find_own(run: Run, targets: Iterable[Target], division: Division[_Divided]) -> Iterator[Target]:
    """Yield the targets without the files of other tasks. A list has many of those, so they cost no look at a disk."""
    takes = run.rules.filters.takes
    for target in targets:
        if run.stop.is_set():
            return
        if isinstance(target, DownloadTarget) and not target.entry.is_directory and not takes(target.inside):
            continue
        if not _is_one_file(target) or division.take(target):
            yield target


def _is_one_file(target: Target) -> TypeGuard[_Divided]:
    """Whether the target counts as one file when several tasks divide the targets, without a look at the storage."""
    if isinstance(target, DownloadTarget):
        return not target.entry.is_directory
    return isinstance(target, PendingTarget) and target.is_one_file


def _expand_own(run: Run, folders: DirCache, node: Target, give: _Give) -> None:
    if isinstance(node, DownloadTarget):
        give(download_task(run, folders, node))
    else:
        _expand(run, folders, None, None, node, give)


def _expand(
    run: Run,
    folders: DirCache,
    extraneous: ExtraneousCollector | None,
    is_own: _IsOwn,
    node: Target,
    give: _Give,
) -> None:
    """Give the tasks of one file or collection. A collection that cannot be listed or made is one failure."""
    run.check_stop()
    if isinstance(node, InvalidPath):
        run.fail(node.error, node.base)
        return
    if isinstance(node, DirectoryTarget):
        _make_directory(run, node)
        return
    if _is_one_file(node):
        is_own = None  # `_find_own` has looked
    remote, local = (
        (node.path, node.base.joinpath(*node.parts, node.name))
        if isinstance(node, PendingTarget)
        else (node.entry.path, node.local)
    )
    try:
        run.check_ended()
        target = _look_up(run, node) if isinstance(node, PendingTarget) else node
        with _open_folder(run, target) or contextlib.nullcontext() as folder:
            if target.entry.is_directory:
                _expand_collection(run, folders, extraneous, is_own, target, folder, give)
            elif run.rules.filters.takes(target.inside) and (is_own is None or is_own(target)):
                is_done = folder is not None and target.name == target.entry.path.name and _is_done(run, folder, target)
                if folder:
                    _remove_unneeded_part(run, folder, target.entry, target.name, is_done=is_done)
                if not is_done:
                    give(download_task(run, folders, target))
    except CtadataError as error:
        if isinstance(error, LocalError) and isinstance(node, DownloadTarget) and node.entry.is_directory:
            error = _only_unnameable_keys(run, remote) or error
        error.path = error.path or str(remote)
        run.fail(error, remote, local)


def _make_directory(run: Run, target: DirectoryTarget) -> None:
    is_wanted = run.rules.filters.takes_directory(target.parts) and run.rules.shard.owns(str(target.path))
    if is_wanted and not run.rules.dry_run:
        try:
            LocalDir.open(target.base, target.parts).close()
        except CtadataError as error:
            run.fail(error, target.path, target.base.joinpath(*target.parts))


def _only_unnameable_keys(run: Run, path: RemotePath) -> Unnameable | None:
    """Return the error if no path can name any key of a collection: it needs no local directory."""
    try:
        if next(run.store.list(path), None):
            return None
    except Unnameable as error:
        return error
    except CtadataError:
        pass
    return None


def _look_up(run: Run, pending: PendingTarget) -> DownloadTarget:
    entry = run.store.info(pending.path)
    if not entry.is_directory:
        return DownloadTarget(entry, pending.base, pending.parts, pending.name, (entry.path.name,))
    if not pending.recursive:
        raise UsageError("it is a directory", hint="-r downloads it with its contents", path=str(pending.path))
    return DownloadTarget(entry, pending.base, (*pending.parts, pending.name) if pending.name else pending.parts)


def _open_folder(run: Run, target: DownloadTarget) -> LocalDir | None:
    """Open the local directory of a target, and remove stale parts; make it if a collection needs it.

    Returns:
        The open directory; None if it is missing.
    """
    rules = run.rules
    make = target.entry.is_directory and not rules.dry_run and rules.filters.takes_directory(target.inside)
    folder = LocalDir.open(target.base, target.parts) if make else find_folder(target.base, target.parts)
    if folder is not None:
        try:
            if target.entry.is_directory and target.parts:
                _check_spelling(target)
            if not rules.dry_run:
                folder.remove_stale_parts()
        except BaseException:
            folder.close()
            raise
    return folder


def _check_spelling(target: DownloadTarget) -> None:
    above = find_folder(target.base, target.parts[:-1])
    if above is not None:
        with above:
            check_spelling(above, target.parts[-1])


def _expand_collection(
    run: Run,
    folders: DirCache,
    extraneous: ExtraneousCollector | None,
    is_own: _IsOwn,
    target: DownloadTarget,
    folder: LocalDir | None,
    give: _Give,
) -> None:
    filters, names, is_whole = run.rules.filters, set[str](), not run.rules.filters
    if folder and folder.is_empty:
        folder = None
    records = run.records.of(target.entry.path.parts, folder.path) if folder else None

    def take(entry: Entry) -> None:
        if entry.path.is_temporary:
            return
        name = entry.path.parts[-1]
        if extraneous:
            names.add(name)
        inside = (*target.inside, name)
        if entry.has_twin:
            _refuse_duplicate(run, entry, inside)
        elif not entry.is_directory:
            below = DownloadTarget(entry, target.base, target.parts, name, inside)
            if (is_whole or filters.takes(inside)) and (is_own is None or is_own(below)):
                is_done = (
                    folder is not None and records is not None and _is_equal_at_a_look(run, folder, records, entry)
                )
                if folder:
                    _remove_unneeded_part(run, folder, entry, name, is_done=is_done)
                if not is_done:
                    give(download_task(run, folders, below))
        elif filters.enters(inside):
            give(Node(DownloadTarget(entry, target.base, (*target.parts, name), inside=inside)))

    try:
        for_each_entry(run, target.entry.path, take)
    except Unnameable as error:
        run.fail(error, target.entry.path, target.local)
        if extraneous:
            extraneous.keep_counterparts(target.entry.path, error)
    if extraneous:
        extraneous.compare(target, names)


def _refuse_duplicate(run: Run, entry: Entry, inside: tuple[str, ...]) -> None:
    filters = run.rules.filters
    if filters.enters(inside) if entry.is_directory else filters.takes(inside):
        what = "a file and a directory have this name on the storage, and a local directory can hold only one of them"
        path = f"{entry.path}/" if entry.is_directory else str(entry.path)
        run.fail(AlreadyExists(what, hint="rename one of them", path=escape_unprintable(path)), entry.path)


def _is_done(run: Run, folder: LocalDir, target: DownloadTarget) -> bool:
    records = run.records.of(target.entry.path.parent.parts, folder.path)
    return _is_equal_at_a_look(run, folder, records, target.entry)


def _is_equal_at_a_look(run: Run, folder: LocalDir, records: FolderRecords, entry: Entry) -> bool:
    """Return whether a look at the local file is enough to skip the file; then its outcome is reported.

    Most files of a tree that is downloaded again are such, and a task for each would take as long as listing them.
    """
    name = entry.path.name
    if run.rules.update or may_be_alias(run.store, entry) or is_receipt(run.rules.receipt, folder.path, name):
        return False
    with contextlib.suppress(LocalError):
        status = folder.stat(check_local_name(name))
        if status is not None and looks_equal(entry, status, run.store.features, records.get(name), run.rules.compare):
            state, why = UNMOVED[Step.SKIP]
            run.reporter.planned(1, 0)
            digest = listed_digest(entry)
            local = folder.path / name
            run.end(Outcome(state, entry.path, local, entry.size or 0, why=why, digest=digest, etag=entry.etag))
            return True
    return False


def _remove_unneeded_part(run: Run, folder: LocalDir, entry: Entry, name: str, *, is_done: bool) -> None:
    """Remove the part that an earlier run has left, if the file is here or is downloaded in one go."""
    if folder.has_resumable(name) and (is_done or not (is_resumable(entry) or may_be_alias(run.store, entry))):
        folder.remove_resumable(name)


def for_each_entry(run: Run, path: RemotePath, take: Callable[[Entry], object]) -> None:
    """Give the entries of a collection to `take`. List an empty one once more, and count it if it stays empty.

    A dCache door lists a collection as empty if it may not be read, or if its listing fails inside the server.

    Args:
        run: The run.
        path: The collection.
        take: Receives each entry.

    Raises:
        CtadataError: What the store raises.
    """
    for _ in range(2):
        if for_each(run.store.list(path), take):
            return
    run.summary.add_empty(hides=run.store.features.hides_forbidden)
    log.info("%s: lists as empty, twice", path)
