"""Downloads: what lands where, and trees, walked while their files are already on the way."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ctadata.entries import Entry
from ctadata.errors import AlreadyExists, CtadataError, LocalError, Unnameable, UsageError
from ctadata.namespace.walk import WALKERS, Node, walk
from ctadata.paths import RemotePath, check_local_name, escape_unprintable
from ctadata.stores.channel import for_each
from ctadata.transfer.aliases import may_be_alias, resolve_alias, with_alias_remark
from ctadata.transfer.dir_cache import DirCache
from ctadata.transfer.download_file import download_file
from ctadata.transfer.local_dir import LocalDir
from ctadata.transfer.local_entries import check_spelling, find_folder
from ctadata.transfer.plan import NEWER, STATES, Step, digest_in, is_newer, looks_equal, plan_download
from ctadata.transfer.records import FolderRecords
from ctadata.transfer.report import InvalidPath, Outcome, State, Summary
from ctadata.transfer.resume_journal import is_resumable
from ctadata.transfer.run import Run, Task
from ctadata.transfer.staging import is_on_tape, refuse_tape

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DownloadTarget:
    """Where one remote entry goes.

    base:   the folder that the user named; it may be a link.
    parts:  the names below it, never through links, of the folder that takes the file or the collection's contents.
    name:   the file's local name; unused for a collection.
    inside: the names from the top of the tree, which filters are about; a file that was named has its own alone.
    """

    entry: Entry
    base: Path
    parts: tuple[str, ...] = ()
    name: str = ""
    inside: tuple[str, ...] = ()

    @property
    def local(self) -> Path:
        """The file, or the folder of a collection's contents."""
        return self.base.joinpath(*self.parts, self.name)


@dataclass(frozen=True, slots=True)
class PendingTarget:
    """A path that is still to be looked up, and then lands as `DownloadTarget` says; a collection needs `recursive`."""

    path: RemotePath
    base: Path
    parts: tuple[str, ...]
    name: str
    recursive: bool = False


class ExtraneousCollector(Protocol):
    """Who looks, while a tree comes down, for what stands locally and not on the storage."""

    def compare(self, landing: DownloadTarget, names: set[str]) -> None:
        """A collection has been listed in full: these are its names."""

    def spare(self, path: RemotePath, error: Unnameable) -> None:
        """A collection has keys that no path can name: what they would be here stays."""


def download(
    run: Run,
    landings: Iterable[DownloadTarget | PendingTarget | InvalidPath],
    surplus: ExtraneousCollector | None = None,
) -> Summary:
    """Download files and trees; gives the summary, in which each failure has its place."""
    with DirCache() as folders:
        return run.execute(walk(landings, functools.partial(_expand, run, folders, surplus), threads=WALKERS))


_Give = Callable[[Node[DownloadTarget | PendingTarget | InvalidPath] | Task], object]


def _expand(
    run: Run,
    folders: DirCache,
    surplus: ExtraneousCollector | None,
    node: DownloadTarget | PendingTarget | InvalidPath,
    give: _Give,
) -> None:
    """The tasks of one file or collection; a collection that cannot be listed or made is one failure."""
    run.check_stop()
    if isinstance(node, InvalidPath):
        run.fail(node.error, node.base)
        return
    remote, local = (
        (node.path, node.base.joinpath(*node.parts, node.name))
        if isinstance(node, PendingTarget)
        else (node.entry.path, node.local)
    )
    try:
        landing = _look_up(run, node) if isinstance(node, PendingTarget) else node
        with _make_ready(run, landing) or contextlib.nullcontext() as folder:
            if landing.entry.is_directory:
                _children(run, folders, surplus, landing, folder, give)
            elif run.rules.filters.takes(landing.inside):
                if folder:
                    _tidy(run, folder, landing.entry, landing.name, settled=False)
                give(_task(run, folders, landing))
    except CtadataError as error:
        if isinstance(error, LocalError) and isinstance(node, DownloadTarget) and node.entry.is_directory:
            error = _mere_keys(run, remote) or error
        error.path = error.path or str(remote)
        run.fail(error, remote, local)


def _mere_keys(run: Run, path: RemotePath) -> Unnameable | None:
    """The keys of a collection, where no path can name any of them: it needs no folder, and a file here may stay."""
    try:
        if next(run.store.list(path), None):
            return None
    except Unnameable as error:
        return error
    except CtadataError:
        pass
    return None


def _look_up(run: Run, wanted: PendingTarget) -> DownloadTarget:
    entry = run.store.info(wanted.path)
    if not entry.is_directory:
        return DownloadTarget(entry, wanted.base, wanted.parts, wanted.name, (entry.path.name,))
    if not wanted.recursive:
        raise UsageError("it is a directory", hint="-r downloads it with all it holds", path=str(wanted.path))
    return DownloadTarget(entry, wanted.base, (*wanted.parts, wanted.name) if wanted.name else wanted.parts)


def _make_ready(run: Run, landing: DownloadTarget) -> LocalDir | None:
    """Make a collection's folder, where it is meant for itself, and clear the folder of what dead runs have left.

    Gives the open folder, None where there is none.
    """
    rules = run.rules
    make = landing.entry.is_directory and not rules.dry_run and rules.filters.takes_directory(landing.inside)
    folder = LocalDir.open(landing.base, landing.parts) if make else find_folder(landing.base, landing.parts)
    if folder is not None:
        try:
            if landing.entry.is_directory and landing.parts:
                _check_spelling(landing)
            if not rules.dry_run:
                folder.sweep()
        except BaseException:
            folder.close()
            raise
    return folder


def _check_spelling(landing: DownloadTarget) -> None:
    above = find_folder(landing.base, landing.parts[:-1])
    if above is not None:
        with above:
            check_spelling(above, landing.parts[-1])


def _children(
    run: Run,
    folders: DirCache,
    surplus: ExtraneousCollector | None,
    landing: DownloadTarget,
    folder: LocalDir | None,
    give: _Give,
) -> None:
    filters, names = run.rules.filters, set[str]()
    if folder and folder.is_empty:
        folder = None
    records = run.records.of(landing.entry.path, folder.path) if folder else None

    def take(entry: Entry) -> None:
        name = entry.path.name
        if entry.path.is_temporary:
            return
        if surplus:
            names.add(name)
        inside = (*landing.inside, name)
        if entry.has_twin:
            _refuse_twin(run, entry, inside)
        elif not entry.is_directory:
            if filters.takes(inside):
                settled = folder is not None and records is not None and _is_settled(run, folder, records, entry)
                if folder:
                    _tidy(run, folder, entry, name, settled=settled)
                if not settled:
                    give(_task(run, folders, DownloadTarget(entry, landing.base, landing.parts, name, inside)))
        elif filters.enters(inside):
            give(Node(DownloadTarget(entry, landing.base, (*landing.parts, name), inside=inside)))

    try:
        for_each_entry(run, landing.entry.path, take)
    except Unnameable as error:
        run.fail(error, landing.entry.path, landing.local)
        if surplus:
            surplus.spare(landing.entry.path, error)
    if surplus:
        surplus.compare(landing, names)


def _refuse_twin(run: Run, entry: Entry, inside: tuple[str, ...]) -> None:
    filters = run.rules.filters
    if filters.enters(inside) if entry.is_directory else filters.takes(inside):
        what = "a file and a directory have this name on the storage, and only one of them could have it here"
        path = f"{entry.path}/" if entry.is_directory else str(entry.path)
        run.fail(AlreadyExists(what, hint="rename one of them", path=escape_unprintable(path)), entry.path)


def _is_settled(run: Run, folder: LocalDir, records: FolderRecords, entry: Entry) -> bool:
    """Whether a look at what stands there is enough to skip the file; then it has been told of.

    Most files of a tree that is fetched again are such, and a task for each would take as long as listing them.
    """
    name = entry.path.name
    if run.rules.update or may_be_alias(run.store, entry):
        return False
    with contextlib.suppress(LocalError):
        found = folder.look(check_local_name(name))
        if found is not None and looks_equal(entry, found, run.rules, run.store.features, records.get(name)):
            state, why = STATES[Step.SKIP]
            run.reporter.planned(1, 0)
            digest = digest_in(entry)
            local = folder.path / name
            run.end(Outcome(state, entry.path, local, entry.size or 0, why=why, digest=digest, etag=entry.etag))
            return True
    return False


def _tidy(run: Run, folder: LocalDir, entry: Entry, name: str, *, settled: bool) -> None:
    """Remove what an earlier run has begun of a file that needs it no more: it is here, or is fetched in one go."""
    if folder.has_begun(name) and (settled or not (is_resumable(entry) or may_be_alias(run.store, entry))):
        folder.abandon(name)


def for_each_entry(run: Run, path: RemotePath, take: Callable[[Entry], object]) -> None:
    """Hand the entries of a collection to `take`; one that lists as empty is asked once more, and counted.

    A dCache door lists a collection that may not be read, or whose listing fails inside, as an empty one.
    """
    empty = True

    def seen(entry: Entry) -> None:
        nonlocal empty
        empty = False
        take(entry)

    for _ in range(2):
        for_each(run.store.list(path), seen)
        if not empty:
            return
    run.summary.add_empty(hides=run.store.features.hides_forbidden)
    log.info("%s: lists as empty, twice", path)


def _task(run: Run, folders: DirCache, landing: DownloadTarget) -> Task:
    local = landing.local
    work = functools.partial(_fetch, run, folders, landing, local)
    task = run.task(landing.entry.path, local, landing.entry.size or 0, work, landing.entry.etag)
    if run.staging and is_on_tape(landing.entry) and not run.rules.dry_run:
        task.on_tape = _foretell(run, landing).state is State.DONE
    return task


def _fetch(run: Run, folders: DirCache, landing: DownloadTarget, local: Path) -> Outcome:
    entry = resolve_alias(run.store, landing.entry)
    if entry is not landing.entry:
        landing = dataclasses.replace(landing, entry=entry)
    if run.rules.dry_run or run.rules.update:
        outcome = _foretell(run, landing)
        if run.rules.dry_run or outcome.state is State.SKIPPED:
            return outcome
    with folders.borrow(landing.base, landing.parts) as folder:
        outcome = download_file(run, entry, folder, check_local_name(landing.name), local)
    return with_alias_remark(run.summary, entry, _with_version(outcome, entry))


def _foretell(run: Run, landing: DownloadTarget) -> Outcome:
    """What a download would end with; nothing is made or changed."""
    entry, name = landing.entry, check_local_name(landing.name)
    with find_folder(landing.base, landing.parts) or contextlib.nullcontext() as folder:
        found = folder.look(name) if folder else None
        if run.rules.update and found is not None and is_newer(found.st_mtime, entry.mtime):
            return Outcome(State.SKIPPED, entry.path, landing.local, entry.size or 0, why=NEWER)
        pair = run.pair(entry.path, landing.base.joinpath(*landing.parts))
        step = plan_download(entry, landing.local, found, run.rules, run.store.features, pair)
        if folder and step is Step.REPLACE:
            check_spelling(folder, name)
    state, why = STATES.get(step, (State.DONE, ""))
    if state is State.DONE and not run.staging:
        refuse_tape(entry)
    return _with_version(Outcome(state, entry.path, landing.local, entry.size or 0, why=why), entry)


def _with_version(outcome: Outcome, entry: Entry) -> Outcome:
    """The outcome with what the listing knows of the version, where nothing better is known."""
    etag, digest = outcome.etag or entry.etag, outcome.digest or digest_in(entry)
    if not outcome.digest and outcome.state is not State.SKIPPED and not _was_compared(outcome, digest):
        digest = ""
    if (etag, digest) == (outcome.etag, outcome.digest):
        return outcome
    return dataclasses.replace(outcome, etag=etag, digest=digest)


def _was_compared(outcome: Outcome, digest: str) -> bool:
    return digest.partition(":")[0] in outcome.verified.split(", ")
