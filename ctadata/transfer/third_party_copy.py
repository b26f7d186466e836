"""Copies between two stores: a server moves the bytes, or this machine passes them on; verified, and named at the end.

A file goes to a hidden temporary name in the target's collection, is compared with its source by size and digest, and
is then moved to its own name: a server that copies deletes the old file before it knows whether the new one comes.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from ctadata.checksums import STRONGEST_FIRST
from ctadata.entries import NO_CHECKSUMS, Entry
from ctadata.errors import AlreadyExists, CtadataError, IntegrityError, NotFound, TemporaryError, Unnameable
from ctadata.namespace.walk import WALKERS, Node, walk
from ctadata.paths import RemotePath
from ctadata.stores.base import Store
from ctadata.stores.channel import for_each
from ctadata.transfer import temp_names
from ctadata.transfer.aliases import resolve_alias, resolve_existing_alias, why_kept, with_alias_remark
from ctadata.transfer.equality import Pair, RemoteFile, is_equal
from ctadata.transfer.name_collisions import refuse_other_spelling
from ctadata.transfer.plan import ENDS, STATES, Step, plan_for_taken_name
from ctadata.transfer.read_after_write import wait_for_entry
from ctadata.transfer.records import Version, remote_version
from ctadata.transfer.report import Outcome, State, Summary
from ctadata.transfer.run import BROKEN_OFF, Run, Task
from ctadata.transfer.staging import refuse_tape
from ctadata.transfer.upload_file import prove

AGAIN = (*BROKEN_OFF, TemporaryError)
"""A copy to a temporary name can always be begun anew."""


class Mover(Protocol):
    """What moves the bytes of one file."""

    def __call__(self, source: Entry, target: RemotePath, moved: Callable[[int], None]) -> None:
        """Copy `source` of the one store to `target` of the other; `moved` is told the bytes so far."""


@dataclass(frozen=True, slots=True)
class CopyItem:
    """Where one entry goes: a file to `target`, a collection's contents into it.

    inside: the names from the top of the tree, which filters are about.
    """

    entry: Entry
    target: RemotePath
    inside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ends:
    """The store that the files come from, its address for records, and what moves the files to the store of the run."""

    origin: Store
    move: Mover
    address: str = ""


def copy(run: Run, ends: Ends, crossings: Iterable[CopyItem]) -> Summary:
    """Copy files and trees to the store of the run; gives the summary, in which each failure has its place."""
    return run.execute(walk(crossings, functools.partial(_expand, run, ends), threads=WALKERS))


_Give = Callable[[Node[CopyItem] | Task], object]


def _expand(run: Run, ends: Ends, crossing: CopyItem, give: _Give) -> None:
    run.check_stop()
    try:
        if not crossing.entry.is_directory:
            there = _look(run, crossing.target)
            if not run.rules.dry_run:
                run.store.mkdir(crossing.target.parent)
            give(_task(run, ends, crossing, there))
            return
        run.names.check(crossing.target, tries=not run.rules.dry_run)
        if not run.rules.dry_run:
            run.store.mkdir(crossing.target)
        _children(run, ends, crossing, give)
    except CtadataError as error:
        error.path = error.path or str(crossing.target)
        run.fail(error, crossing.target)


def _look(run: Run, path: RemotePath) -> Entry | None:
    try:
        return run.store.info(path)
    except NotFound:
        return None


def _children(run: Run, ends: Ends, crossing: CopyItem, give: _Give) -> None:
    there = _listed(run, crossing.target)
    base = crossing.entry.path

    def take(entry: Entry) -> None:
        inside = (*crossing.inside, entry.path.name)
        if entry.path.is_temporary:
            return
        below = CopyItem(entry, crossing.target / entry.path.name, inside)
        if entry.is_directory:
            if run.rules.filters.enters(inside):
                give(Node(below))
        elif run.rules.filters.takes(inside):
            give(_task(run, ends, below, there.get(entry.path.name)))

    for_each(ends.origin.list(base), take)


def _listed(run: Run, path: RemotePath) -> dict[str, Entry]:
    there: dict[str, Entry] = {}
    with contextlib.suppress(NotFound, Unnameable):  # a dry run makes nothing; such a key is in no file's way
        for entry in run.store.list(path):
            there[entry.path.name] = entry
    return there


def _task(run: Run, ends: Ends, crossing: CopyItem, there: Entry | None) -> Task:
    work = functools.partial(_cross, run, ends, crossing, there)
    task = run.task(crossing.target, None, crossing.entry.size or 0, work)
    task.is_small = False  # interfaces beside the store are asked as well, which know of no fibers
    return task


def _cross(run: Run, ends: Ends, crossing: CopyItem, there: Entry | None) -> Outcome:
    began, entry = time.monotonic(), resolve_alias(ends.origin, crossing.entry)
    crossing = CopyItem(entry, crossing.target)
    if there is not None and there.is_directory:
        raise AlreadyExists("it is a collection there", path=str(crossing.target))
    there = resolve_existing_alias(run.store, there)
    date = functools.partial(mtime_of, ends.origin, entry)
    side = RemoteFile(entry, date, ends.origin.features.etag_may_be_md5)
    pair = run.pair(crossing.target, f"{ends.address}{entry.path.parent}")
    step, verified, digest = _decide(run, side, there, pair), "", ""
    end: Step | None = step
    if step is Step.REPLACE and there is not None and there.alias_of is not None:
        return Outcome(State.KEPT, crossing.target, None, entry.size or 0, why=why_kept(there), etag=there.etag)
    if step not in STATES:
        run.names.check(crossing.target, tries=not run.rules.dry_run)
        refuse_tape(entry, hint="stage brings it back; copy anew when stage-status says that it is there")
        if not run.rules.dry_run:
            moving = _Moving(run, ends, crossing, side)
            end = run.retry(functools.partial(moving.once, step), after=AGAIN)
            verified, digest = moving.verified, moving.digest
            prove(run, crossing.target, end)
            if end not in ENDS and moving.temporary_entry is not None:
                pair.note(side.version, _version(run.store, moving.temporary_entry, crossing.target), moving.digests)
    state, why = ENDS.get(end, (State.DONE, ""))
    seconds = time.monotonic() - began
    size = entry.size or 0
    outcome = Outcome(state, crossing.target, None, size, seconds, verified=verified, why=why, digest=digest)
    return with_alias_remark(run.summary, entry, outcome)


def mtime_of(origin: Store, entry: Entry) -> float | None:
    """The mtime of the file that was uploaded, where the store tells one; else that of the entry."""
    if entry.kept_mtime is None and origin.features.mtime_in_metadata:
        entry = origin.info(entry.path)
    return entry.mtime if entry.kept_mtime is None else entry.kept_mtime


def _version(store: Store, entry: Entry, target: RemotePath) -> Version:
    """What a listing will tell of the file at `target`, which was looked at under another name.

    A copy within S3 keeps the tag; the checksum of a listing tells it too. Else it has to be looked at again.
    """
    size, mtime, etag = remote_version(entry)
    if store.features.etag_may_be_md5:
        return size, None, etag
    return (size, mtime, None) if store.features.lists_checksums else remote_version(store.info(target))


def _decide(run: Run, side: RemoteFile, there: Entry | None, pair: Pair) -> Step:
    if there is None:
        return Step.CREATE
    if is_equal(side, there, run.store.features, pair):
        return Step.SKIP
    return Step.KEEP if run.rules.no_clobber else Step.REPLACE


class _Moving:
    """One file on its way.

    arrived: the entry under the temporary name.   digests: of the bytes, as both sides tell.
    """

    def __init__(self, run: Run, ends: Ends, crossing: CopyItem, side: RemoteFile) -> None:
        self.run, self.ends, self.crossing, self.side = run, ends, crossing, side
        self.verified = self.digest = ""
        self.temporary_entry: Entry | None = None
        self.digests: Mapping[str, str] = NO_CHECKSUMS
        self._gone = 0

    def _moved(self, so_far: int) -> None:
        self.run.reporter.moved(str(self.crossing.target), so_far - self._gone)
        self._gone = so_far

    def once(self, step: Step) -> Step | None:
        """One try, from the first byte to the final name."""
        run, target, self._gone = self.run, self.crossing.target, 0
        temporary = target.parent / temp_names.new_name()
        try:
            self.ends.move(self.crossing.entry, temporary, self._moved)
            self._compare(temporary)
            end = self._name(temporary, step)
        except BaseException as error:
            self._moved(0)
            run.discard(temporary)
            if isinstance(error, CtadataError):
                temp_names.name_target_in(error, temporary, target)
            raise
        self._moved(self.crossing.entry.size or 0)
        return end

    def _name(self, temporary: RemotePath, step: Step) -> Step | None:
        """Give it its name; where that was taken since the plan, the content of what stands there decides."""
        run, target = self.run, self.crossing.target
        try:
            run.store.move(temporary, target, replace=step is Step.REPLACE)
        except AlreadyExists:
            if step is Step.REPLACE:
                raise
            refuse_other_spelling(run.store, target)
            there = run.store.info(target)
            if there.is_directory:
                raise
            again = plan_for_taken_name(self.side, there, run.rules)
            if again in ENDS:
                run.discard(temporary)
                return again
            run.store.move(temporary, target, replace=True)
        return step

    def _compare(self, temporary: RemotePath) -> None:
        """IntegrityError where size or digest differ; keeps what could be compared."""
        entry, run = self.crossing.entry, self.run
        try:
            self.temporary_entry = there = wait_for_entry(run, temporary, entry.size)
        except NotFound as error:
            raise IntegrityError("the server says that it has copied the file, and there is none") from error
        if entry.size is not None and there.size != entry.size:
            raise IntegrityError(f"{there.size} bytes arrived instead of {entry.size}")
        here = entry.checksums or self.ends.origin.digests(entry.path)
        stored = there.checksums or run.store.digests(temporary)
        self.verified, self.digest = "size" if entry.size is not None else "", ""
        self.digests = {**stored, **here}
        for name in STRONGEST_FIRST:
            if name in here and name in stored:
                _check(name, here, stored)
                self.verified, self.digest = f"size, {name}", f"{name}:{here[name]}"
                return


def _check(name: str, here: Mapping[str, str], there: Mapping[str, str]) -> None:
    if here[name] != there[name]:
        raise IntegrityError(f"the {name} is {there[name]} instead of {here[name]}")
