"""Copies between two stores: a server moves the bytes, or this machine passes them on; verified, and named at the end.

A file goes to a hidden temporary name in the target's collection, is compared with its source by size and digest, and
is then moved to its own name: a server that copies deletes the old file before it knows whether the new one comes.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from ctadata.checksums import STRONGEST_FIRST
from ctadata.entries import Entry
from ctadata.errors import AlreadyExists, CtadataError, IntegrityError, NotFound, TemporaryError
from ctadata.namespace.walk import WALKERS, Node, walk
from ctadata.paths import RemotePath
from ctadata.stores.base import Store
from ctadata.stores.handover import each
from ctadata.transfer import temporaries
from ctadata.transfer.aliases import behind, note, standing, why_kept
from ctadata.transfer.arrival import arrived
from ctadata.transfer.plan import STATES, Step
from ctadata.transfer.report import Outcome, State, Summary
from ctadata.transfer.run import BROKEN_OFF, Run, Task
from ctadata.transfer.send import prove
from ctadata.transfer.staging import refuse_tape

AGAIN = (*BROKEN_OFF, TemporaryError)
"""A copy to a temporary name can always be begun anew."""


class Mover(Protocol):
    """What moves the bytes of one file."""

    def __call__(self, source: Entry, target: RemotePath, moved: Callable[[int], None]) -> None:
        """Copy `source` of the one store to `target` of the other; `moved` is told the bytes so far."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """Where one entry goes: a file to `target`, a collection's contents into it.

    inside: the names from the top of the tree, which filters are about.
    """

    entry: Entry
    target: RemotePath
    inside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ends:
    """The store that the files come from, and what moves them to that of the run."""

    origin: Store
    move: Mover


def copy(run: Run, ends: Ends, crossings: Iterable[Crossing]) -> Summary:
    """Copy files and trees to the store of the run; gives the summary, in which each failure has its place."""
    return run.execute(walk(crossings, functools.partial(_expand, run, ends), threads=WALKERS))


_Give = Callable[[Node[Crossing] | Task], object]


def _expand(run: Run, ends: Ends, crossing: Crossing, give: _Give) -> None:
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


def _children(run: Run, ends: Ends, crossing: Crossing, give: _Give) -> None:
    there = _listed(run, crossing.target)
    base = crossing.entry.path

    def take(entry: Entry) -> None:
        inside = (*crossing.inside, entry.path.name)
        if entry.path.is_temporary:
            return
        below = Crossing(entry, crossing.target / entry.path.name, inside)
        if entry.is_directory:
            if run.rules.filters.enters(inside):
                give(Node(below))
        elif run.rules.filters.takes(inside):
            give(_task(run, ends, below, there.get(entry.path.name)))

    each(ends.origin.list(base), take)


def _listed(run: Run, path: RemotePath) -> dict[str, Entry]:
    try:
        return {entry.path.name: entry for entry in run.store.list(path)}
    except NotFound:  # in a dry run nothing was made
        return {}


def _task(run: Run, ends: Ends, crossing: Crossing, there: Entry | None) -> Task:
    work = functools.partial(_cross, run, ends, crossing, there)
    task = run.task(crossing.target, None, crossing.entry.size or 0, work)
    task.is_small = False  # interfaces beside the store are asked as well, which know of no fibers
    return task


def _cross(run: Run, ends: Ends, crossing: Crossing, there: Entry | None) -> Outcome:
    began, entry = time.monotonic(), behind(ends.origin, crossing.entry)
    crossing = Crossing(entry, crossing.target)
    if there is not None and there.is_directory:
        raise AlreadyExists("it is a collection there", path=str(crossing.target))
    there = standing(run.store, there)
    step, verified, digest = _decide(run, entry, there), "", ""
    if step is Step.REPLACE and there is not None and there.alias_of is not None:
        return Outcome(State.KEPT, crossing.target, None, entry.size or 0, why=why_kept(there), etag=there.etag)
    if step not in STATES:
        run.names.check(crossing.target, tries=not run.rules.dry_run)
        refuse_tape(entry, hint="stage brings it back; copy anew when stage-status says that it is there")
        if not run.rules.dry_run:
            work = functools.partial(_once, run, ends, crossing, step)
            verified, digest = run.persist(work, after=AGAIN)
            prove(run, crossing.target, step)
    state, why = STATES.get(step, (State.DONE, ""))
    seconds = time.monotonic() - began
    size = entry.size or 0
    outcome = Outcome(state, crossing.target, None, size, seconds, verified=verified, why=why, digest=digest)
    return note(run.summary, entry, outcome)


def _decide(run: Run, entry: Entry, there: Entry | None) -> Step:
    if there is None:
        return Step.CREATE
    if _are_equal(entry, there):
        return Step.SKIP
    return Step.KEEP if run.rules.no_clobber else Step.REPLACE


def _are_equal(entry: Entry, there: Entry) -> bool:
    """Same size, and same digest where both listings tell one; else not older than its source: copies keep no mtime."""
    if entry.size is None or entry.size != there.size:
        return False
    common = [name for name in STRONGEST_FIRST if name in entry.checksums and name in there.checksums]
    if common:
        return entry.checksums[common[0]] == there.checksums[common[0]]
    return entry.mtime is not None and there.mtime is not None and there.mtime >= entry.mtime


def _once(run: Run, ends: Ends, crossing: Crossing, step: Step) -> tuple[str, str]:
    """One try, from the first byte to the final name; gives what was compared, and the digest."""
    temporary = crossing.target.parent / temporaries.new_name()
    gone = [0]

    def moved(so_far: int) -> None:
        run.reporter.moved(str(crossing.target), so_far - gone[0])
        gone[0] = so_far

    try:
        ends.move(crossing.entry, temporary, moved)
        verified = _compare(run, ends, crossing.entry, temporary)
        run.store.move(temporary, crossing.target, replace=step is Step.REPLACE)
    except BaseException as error:
        moved(0)
        run.discard(temporary)
        if isinstance(error, CtadataError):
            temporaries.tell_of(error, temporary, crossing.target)
        raise
    moved(crossing.entry.size or 0)
    return verified


def _compare(run: Run, ends: Ends, entry: Entry, temporary: RemotePath) -> tuple[str, str]:
    """IntegrityError where size or digest differ; what could be compared, and the digest."""
    try:
        there = arrived(run, temporary, entry.size)
    except NotFound as error:
        raise IntegrityError("the server says that it has copied the file, and there is none") from error
    if entry.size is not None and there.size != entry.size:
        raise IntegrityError(f"{there.size} bytes arrived instead of {entry.size}")
    here = entry.checksums or ends.origin.digests(entry.path)
    stored = there.checksums or run.store.digests(temporary)
    for name in STRONGEST_FIRST:
        if name in here and name in stored:
            _check(name, here, stored)
            return f"size, {name}", f"{name}:{here[name]}"
    return "size" if entry.size is not None else "", ""


def _check(name: str, here: Mapping[str, str], there: Mapping[str, str]) -> None:
    if here[name] != there[name]:
        raise IntegrityError(f"the {name} is {there[name]} instead of {here[name]}")
