"""Copy files between two stores: a server moves the bytes, or this machine passes them on.

A file goes to a hidden temporary name in the target's collection. Size and digest are compared with those of the
source, and the temporary is moved to the final name. It does not go to the final name at once, because a server that
copies deletes the old file before it knows whether the new one arrives.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from ctadata.checksums import STRONGEST_FIRST
from ctadata.entries import NO_CHECKSUMS, Entry
from ctadata.errors import AlreadyExists, CtadataError, IntegrityError, NotFound, TemporaryError, Unnameable
from ctadata.namespace.walk import WALKERS, Node, walk
from ctadata.paths import RemotePath
from ctadata.shards import Division
from ctadata.stores.base import Store, Written
from ctadata.stores.channel import for_each
from ctadata.stores.optional import find_or_none
from ctadata.transfer import temp_names
from ctadata.transfer.aliases import resolve_alias, resolve_existing_alias, why_kept, with_alias_remark
from ctadata.transfer.copy_in_place import CopyInPlace, InPlaceAttempts
from ctadata.transfer.equality import RemoteFile
from ctadata.transfer.name_collisions import find_other_spelling, folded, keep_apart, refuse_other_spelling
from ctadata.transfer.plan import UNMOVED, Step, plan_copy, plan_for_taken_name
from ctadata.transfer.read_after_write import wait_for_entry
from ctadata.transfer.records import Version, remote_version
from ctadata.transfer.report import Outcome, State, Summary
from ctadata.transfer.run import BROKEN_OFF, Run, Task
from ctadata.transfer.staging import refuse_tape
from ctadata.transfer.upload_file import check_name_works

RETRIED = (*BROKEN_OFF, TemporaryError)
"""Errors after which a copy is tried again; a copy to a temporary name can always be repeated."""


@dataclass(frozen=True, slots=True)
class PassedFile:
    """A file whose bytes this machine has passed on.

    Attributes:
        digests: The digests of the bytes: those that were compared with the source, and those of the upload.
        sent: The digest of the upload, for the receipt.
        written: What the target's store said about the upload.
    """

    digests: Mapping[str, str]
    sent: str
    written: Written


class CopyFile(Protocol):
    """Copies the bytes of one file between two stores."""

    def __call__(self, source: Entry, target: RemotePath, moved: Callable[[int], None]) -> PassedFile | None:
        """Copy one file.

        Args:
            source: The file of the one store.
            target: Its path at the other store.
            moved: Receives the number of bytes copied so far.

        Returns:
            The file that this machine has passed on; None if the servers copied it.
        """


@dataclass(frozen=True, slots=True)
class CopyItem:
    """An entry and its target: the new path of a file, or the collection for the contents of a collection.

    Attributes:
        entry: The entry.
        target: The path.
        inside: The names from the top of the tree, for the filters.
    """

    entry: Entry
    target: RemotePath
    inside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CopySource:
    """The store that files are copied from.

    Attributes:
        store: The store.
        copy: Copies one file to the store of the run.
        address: The store's address, for records.
        in_place: Copies one file inside the store of the run, which has the source too; it is used instead of `copy`.
    """

    store: Store
    copy: CopyFile
    address: str = ""
    in_place: CopyInPlace | None = None


def copy(run: Run, source: CopySource, items: Iterable[CopyItem]) -> Summary:
    """Copy files and trees to the store of the run.

    Args:
        run: The run.
        source: The store that they come from.
        items: The entries, each with its target.

    Returns:
        The summary, with each failure.
    """
    return run.execute(_find_tasks(run, source, items))


_Give = Callable[[Node[CopyItem] | Task], object]
_IsOwn = Callable[[CopyItem], bool]


def _find_tasks(run: Run, source: CopySource, items: Iterable[CopyItem]) -> Iterator[Task]:
    """Yield the tasks of the run's shard: first those that are known from the listing, then those that have waited."""
    division: Division[CopyItem] = Division(
        run.rules.shard, key=lambda item: str(item.entry.path), size=lambda item: item.entry.size
    )
    yield from walk(items, functools.partial(_expand, run, source, division.take), threads=WALKERS)
    if run.rules.shard.count > 1:
        yield from walk(division.end(), functools.partial(_expand, run, source, _take_all), threads=WALKERS)


def _take_all(item: CopyItem) -> bool:  # noqa: ARG001
    return True


def _expand(run: Run, source: CopySource, is_own: _IsOwn, item: CopyItem, give: _Give) -> None:
    run.check_stop()
    try:
        run.check_ended()
        if not item.entry.is_directory:
            if not is_own(item):
                return
            if item.target not in run.found:
                run.found[item.target] = find_or_none(run.store, item.target)
            if run.store.features.has_directories and not run.rules.dry_run:
                run.store.mkdir(item.target.parent)
            give(_task(run, source, item, run.found[item.target]))
            return
        run.names.check(item.target, tries=not run.rules.dry_run)
        if run.store.features.has_directories and not run.rules.dry_run:
            run.store.mkdir(item.target)
        _expand_collection(run, source, is_own, item, give)
    except CtadataError as error:
        error.path = error.path or str(item.target)
        run.fail(error, item.target)


def _expand_collection(run: Run, source: CopySource, is_own: _IsOwn, item: CopyItem, give: _Give) -> None:
    existing = _list_by_name(run, item.target)
    base, is_empty = item.entry.path, True
    folders: dict[str, RemotePath] = {}

    def take(entry: Entry) -> None:
        nonlocal is_empty
        is_empty = False
        inside = (*item.inside, entry.path.name)
        if entry.path.is_temporary:
            return
        below = CopyItem(entry, item.target / entry.path.name, inside)
        if entry.is_directory:
            if not run.rules.filters.enters(inside):
                return
            other = folders.setdefault(folded(entry.path.name), below.target)
            if other == below.target or keep_apart(run, other, below.target):
                give(Node(below))
        elif run.rules.filters.takes(inside) and is_own(below):
            give(_task(run, source, below, existing.get(entry.path.name)))

    for_each(source.store.list(base), take)
    if is_empty and not run.store.features.has_directories and not run.rules.dry_run:
        run.store.mkdir(item.target)  # no file makes this directory


def _list_by_name(run: Run, path: RemotePath) -> dict[str, Entry]:
    existing: dict[str, Entry] = {}
    with contextlib.suppress(NotFound, Unnameable):  # a dry run makes no collection; such a key has no file's name
        for entry in run.store.list(path):
            existing[entry.path.name] = entry
    return existing


def _task(run: Run, source: CopySource, item: CopyItem, existing: Entry | None) -> Task:
    work = functools.partial(_copy_one, run, source, item, existing)
    task = run.task(item.target, None, item.entry.size or 0, work)
    task.is_small = False  # a copy also calls interfaces beside the store, which do not work in fibers
    return task


def _copy_one(run: Run, source: CopySource, item: CopyItem, existing: Entry | None) -> Outcome:
    began, entry = time.monotonic(), resolve_alias(source.store, item.entry)
    item = CopyItem(entry, item.target)
    if existing is not None and existing.is_directory:
        raise AlreadyExists("a directory has this name at the target", path=str(item.target))
    existing = resolve_existing_alias(run.store, existing)
    get_mtime = functools.partial(mtime_of, source.store, entry)
    side = RemoteFile(entry, get_mtime, source.store.features.etag_may_be_md5)
    pair = run.pair(item.target, f"{source.address}{entry.path.parent}")
    step, verified, digest = plan_copy(side, existing, run.store.features, run.rules, pair), "", ""
    end: Step = step
    if step is Step.REPLACE and existing is not None and existing.alias_of is not None:
        return Outcome(State.KEPT, item.target, None, entry.size or 0, why=why_kept(existing), etag=existing.etag)
    if step not in UNMOVED:
        run.names.check(item.target, tries=not run.rules.dry_run)
        refuse_tape(entry, hint="stage brings it back; copy anew when stage-status says that it is there")
        if not run.rules.dry_run:
            attempts = (
                InPlaceAttempts(run, source.in_place, item.target, side)
                if source.in_place
                else _CopyAttempts(run, source, item, side)
            )
            with run.stored.new_names.adding(item.target) if step is Step.CREATE else contextlib.nullcontext():
                end = run.retry(functools.partial(attempts.attempt, step), after=RETRIED)
            verified, digest = attempts.verified, attempts.digest
            check_name_works(run, item.target, end)
            if end not in UNMOVED and attempts.stored_entry is not None:
                version = _version(run, attempts.stored_entry, item.target)
                if version is not None:
                    pair.save(side.version, version, attempts.digests)
    state, why = UNMOVED.get(end, (State.DONE, ""))
    seconds = time.monotonic() - began
    size = entry.size or 0
    outcome = Outcome(state, item.target, None, size, seconds, verified=verified, why=why, digest=digest)
    return with_alias_remark(run.summary, entry, outcome)


def mtime_of(origin: Store, entry: Entry) -> float | None:
    """Return the mtime of the file that was uploaded, if the store knows it; else that of the entry.

    It may cost a request.
    """
    if entry.kept_mtime is None and origin.features.mtime_in_metadata:
        entry = origin.info(entry.path)
    return entry.mtime if entry.kept_mtime is None else entry.kept_mtime


def _version(run: Run, entry: Entry, target: RemotePath) -> Version | None:
    """Return the version that listings will show of the file at `target`, whose `entry` has a temporary name.

    A copy within S3 keeps the tag, and the checksum of a listing says the same. None: the version is not known.
    """
    size, mtime, etag = remote_version(entry)
    if run.store.features.etag_may_be_md5:
        return size, None, etag
    return (size, mtime, None) if run.store.features.lists_checksums else run.stored.moved.find_version(entry, target)


class _CopyAttempts:
    """The attempts to copy one file.

    Attributes:
        stored_entry: The entry under the temporary name.
        digests: The digests that both sides state, and those of the bytes that this machine has passed on.
    """

    def __init__(self, run: Run, source: CopySource, item: CopyItem, side: RemoteFile) -> None:
        self.run, self.source, self.item, self.side = run, source, item, side
        self.verified = self.digest = ""
        self.stored_entry: Entry | None = None
        self.digests: Mapping[str, str] = NO_CHECKSUMS
        self._reported = 0

    def _moved(self, so_far: int) -> None:
        self.run.reporter.moved(str(self.item.target), so_far - self._reported)
        self._reported = so_far

    def attempt(self, step: Step) -> Step:
        """Make one attempt, from the first byte to the final name; return the step that was taken."""
        run, target, self._reported = self.run, self.item.target, 0
        temporary = target.parent / temp_names.new_name()
        try:
            passed = self.source.copy(self.item.entry, temporary, self._moved)
            self._compare(temporary, passed)
            end = self._publish(temporary, step)
        except BaseException as error:
            self._moved(0)
            run.discard(temporary)
            if isinstance(error, CtadataError):
                temp_names.name_target_in(error, temporary, target)
            raise
        self._moved(self.item.entry.size or 0)
        return end

    def _publish(self, temporary: RemotePath, step: Step) -> Step:
        """Move the temporary to the final name. If the name was taken since the plan, plan again, by the content."""
        run, target = self.run, self.item.target
        try:
            run.store.move(temporary, target, replace=step is Step.REPLACE)
        except AlreadyExists:
            if step is Step.REPLACE:
                raise
            refuse_other_spelling(run.store, target, find_other_spelling(self.source.store, self.item.entry.path))
            existing = run.store.info(target)
            if existing.is_directory:
                raise
            again = plan_for_taken_name(self.side, existing, run.rules)
            if again in UNMOVED:
                run.discard(temporary)
                return again
            run.stored.new_names.refuse_misplaced(run.store, target)
            run.store.move(temporary, target, replace=True)
        return step

    def _compare(self, temporary: RemotePath, passed: PassedFile | None) -> None:
        """Compare size and digest with the source, and with the bytes that have passed; raise IntegrityError."""
        entry, run = self.item.entry, self.run
        try:
            self.stored_entry = stored_entry = wait_for_entry(run, temporary, entry.size)
        except NotFound as error:
            raise IntegrityError("the server reports the copy as done, but the file is missing") from error
        if entry.size is not None and stored_entry.size != entry.size:
            raise IntegrityError(f"{stored_entry.size} bytes arrived instead of {entry.size}")
        self.verified, self.digest = "size" if entry.size is not None else "", passed.sent if passed else ""
        if passed is None:
            expected = entry.checksums or self.source.store.digests(entry.path)
            stored = stored_entry.checksums or run.store.digests(temporary)
        elif run.store.features.digests_uploads:  # the store compares by itself, and keeps the digest that it was sent
            self.digests = passed.digests
            self.verified = f"size, {passed.written.checked}" if passed.written.checked else self.verified
            return
        else:
            expected = {**passed.digests, **entry.checksums}
            stored = stored_entry.checksums or passed.written.digests or run.store.digests(temporary)
        self.digests = {**stored, **expected}
        for name in STRONGEST_FIRST:
            if name in expected and name in stored:
                _check(name, expected, stored)
                self.verified, self.digest = f"size, {name}", f"{name}:{expected[name]}"
                return


def _check(name: str, expected: Mapping[str, str], stored: Mapping[str, str]) -> None:
    if expected[name] != stored[name]:
        raise IntegrityError(f"the {name} is {stored[name]} instead of {expected[name]}")
