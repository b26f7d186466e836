"""A run: the state that all its transfers share, the stop and the retries. Files fail one by one."""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Protocol, TypeVar

from ctadata import fibers
from ctadata.entries import Entry
from ctadata.errors import (
    Changed,
    CtadataError,
    Incomplete,
    IntegrityError,
    Interrupted,
    LoginNeeded,
    Stopped,
    TimedOut,
    Unnameable,
)
from ctadata.namespace.listing import report_each
from ctadata.namespace.name_check import NameCheck
from ctadata.namespace.remove import delete_file
from ctadata.paths import RemotePath
from ctadata.printable import escape_unprintable
from ctadata.resources import shortage_error
from ctadata.retry import Retries, retry
from ctadata.stores.base import Reader, Store
from ctadata.transfer.early_requests import EarlyListing, EarlyRead
from ctadata.transfer.equality import Pair
from ctadata.transfer.plan import Rules
from ctadata.transfer.rate_limit import RateLimiter, ThrottledReporter
from ctadata.transfer.records import Records
from ctadata.transfer.report import Outcome, Reporter, State, Summary, not_tried, passed_key
from ctadata.transfer.staging import Staging
from ctadata.transfer.stored_files import StoredFiles
from ctadata.transfer.worker_pool import WorkerPool

T = TypeVar("T")
log = logging.getLogger(__name__)

BROKEN_OFF = (Interrupted, IntegrityError, Changed, TimedOut)
"""Errors after which the engine tries again. The HTTP client has already retried failures before the first byte."""

SMALL = 1 << 20
"""Bytes below which a file counts as small: Python's own work takes longer than that of libraries and the system."""

PROGRESS = 1 << 16
"""Bytes that an attempt must add so that the next one counts as the first; a server that adds few is given up."""

TRIES, FIRST_PAUSE = 4, 0.5
"""The number of attempts, and the seconds before the second one at most; `ctadata.retry` has the rest."""


@dataclass(slots=True)
class Task:
    """The work on one file.

    Attributes:
        remote: The remote path.
        local: The local path; None if there is none.
        work: Does it, and returns its outcome or raises.
        size: Bytes that the reporter has received as planned.
        etag: The tag of the remote version; None if unknown.
        on_tape: Whether the task waits until the file is on disk.
        is_small: Whether most of the work is waiting for servers, so that many such tasks share a thread.
        item: What another process needs to do the work; None if only this one can do it.
    """

    remote: RemotePath
    local: Path | None
    work: Callable[[], Outcome]
    size: int = 0
    etag: str | None = None
    on_tape: bool = False
    is_small: bool = False
    item: Item | None = None

    def failed_outcome(self, error: CtadataError, seconds: float) -> Outcome:
        """Return the outcome of a failure, after so many seconds."""
        place = self.remote, self.local, self.size
        return Outcome(State.FAILED, *place, seconds, error=error, etag=self.etag, retries=error.retries)


class Item(Protocol):
    """What a worker in another process needs to know about one file; it can be pickled."""

    @property
    def local(self) -> Path:
        """The local file."""

    def absolute(self) -> Item:
        """Return the item with an absolute local path: a worker may have another current directory."""


class TaskRunner(Protocol):
    """Works on the tasks of a run in other processes."""

    keeps_rate: bool

    def run(self, run: Run, tasks: Iterable[Task]) -> None:
        """Work on the tasks, and report their outcomes to the run, until all are done or the run is stopped."""


@dataclass(slots=True)
class Run:
    """The state that all transfers of one run share.

    Attributes:
        store: The storage.
        rules: The rules.
        reporter: Receives the reports.
        stop: Set by the caller to end the run. Requests that wait notice it within a second.
        summary: The counts.
        pause: Waits for some seconds instead of the usual wait; for tests.
        leftovers: Temporaries to delete once the run has stopped.
        renamed: Remote names that `rules.normalize` has changed.
        has_odd_tags: Whether the store's listings and reads have different tags for one version.
        has_ranges: Whether the store sends ranges; False once it has answered one with the whole file.
        staging: Stages files from tape; None: such a file fails with NeedsStaging.
        records: The records of verified transfers.
        workers: Work on the tasks.
        names: Checks whether the door can handle a name.
        task_runner: Works on the tasks in other processes; None: `workers` do it here.
        stored: Asks what the server has stored.
        early: A read that has begun before the entry of its file was known; None: there is none.
        early_listing: A listing that has begun before it was certain that it is needed; None: there is none.
        found: What has the names that were looked up to understand the arguments; None: nothing.
        ended_by: Why no further file is tried: a login is needed. None: the files are tried.
    """

    store: Store
    rules: Rules
    reporter: Reporter
    stop: threading.Event
    summary: Summary = field(default_factory=Summary)
    pause: Callable[[float], object] | None = None
    leftovers: list[RemotePath] = field(default_factory=list)
    renamed: list[RemotePath] = field(default_factory=list)
    has_odd_tags: bool = False
    has_ranges: bool = True
    staging: Staging[Task] | None = None
    records: Records = field(default_factory=lambda: Records(""))
    task_runner: TaskRunner | None = None
    workers: WorkerPool[Task] = field(init=False)
    names: NameCheck = field(init=False)
    stored: StoredFiles = field(init=False)
    early: EarlyRead | None = None
    early_listing: EarlyListing | None = None
    found: dict[RemotePath, Entry | None] = field(default_factory=dict)
    ended_by: LoginNeeded | None = None

    def __post_init__(self) -> None:
        """Make the workers, and throttle the reporter if there is a rate limit."""
        self.workers = WorkerPool(self.stop)
        self.names = NameCheck(self.store)
        self.stored = StoredFiles(self)
        if self.rules.rate is not None and self.task_runner is None:
            self.reporter = ThrottledReporter(self.reporter, RateLimiter(self.rules.rate, sleep=self.stop.wait))

    def task(
        self, remote: RemotePath, local: Path | None, size: int, work: Callable[[], Outcome], etag: str | None = None
    ) -> Task:
        """Return the task of one file, and report it as planned at once, so that the totals are right early."""
        self.reporter.planned(1, size)
        return Task(remote, local, work, size, etag, is_small=size < SMALL)

    def open(self, remote: RemotePath) -> Reader:
        """Return a reader of a remote file: the early read, if it is of this file."""
        return self.early if self.early is not None and self.early.path == remote else self.store.open(remote)

    def digests(self, remote: RemotePath) -> Mapping[str, str]:
        """Return the digests that the store keeps of a remote file."""
        early = self.early if self.early is not None and self.early.path == remote else None
        return early.digests() if early else self.store.digests(remote)

    def list_directory(self, remote: RemotePath) -> Iterator[Entry]:
        """Yield the entries of a directory, once from the early listing if it is of this directory."""
        early, self.early_listing = self.early_listing, None
        if early is not None and early.path != remote:
            early.close()
        return iter(early) if early is not None and early.path == remote else self.store.list(remote)

    def pair(self, remote: RemotePath, counterpart: Path | str) -> Pair:
        """Return a remote file and its counterpart in a directory, with the place of their record.

        Args:
            remote: The remote file.
            counterpart: The local directory; or the directory of another storage, as an address.
        """
        folder = self.records.of(remote.parts[:-1], counterpart)
        look = functools.partial(self.store.info, remote)
        get_digests = functools.partial(self.store.digests, remote) if self.store.features.etag_may_be_md5 else None
        return Pair(self.records, folder, remote.parts[-1], look, get_digests, writes=not self.rules.dry_run)

    def end(self, outcome: Outcome) -> None:
        """Count and report an outcome."""
        self.summary.add(outcome)
        self.reporter.ended(outcome)

    def fail(self, error: CtadataError, remote: RemotePath, local: Path | None = None) -> None:
        """Count and report a failure; for an incomplete listing, one failure for each missing member.

        A key that no path can name is passed over, and counts as a failure.
        """
        if isinstance(error, Unnameable):
            report_each(error, lambda failure: self.end(passed_key(failure, remote, local)))
        elif isinstance(error, Incomplete):
            report_each(error, lambda failure: self.fail(failure, remote, local))
        else:
            self.end(Outcome(State.FAILED, remote, local, error=error))

    def discard(self, temporary: RemotePath) -> None:
        """Delete an unfinished upload, at once; if the run is being stopped, at its end. Errors are ignored."""
        if self.stop.is_set():
            self.leftovers.append(temporary)
            return
        with contextlib.suppress(CtadataError):
            delete_file(self.store, temporary)

    def delete_leftovers(self) -> None:
        """Delete the unfinished uploads of a stopped run. The stop is over then."""
        self.stop.clear()
        while self.leftovers:
            self.discard(self.leftovers.pop())

    def retry(
        self,
        attempt: Callable[[], T],
        *,
        progress: Callable[[], int] = lambda: 0,
        after: tuple[type[CtadataError], ...] = BROKEN_OFF,
    ) -> T:
        """Call `attempt`, and again after the errors `after`, at most `TRIES` times without progress.

        Args:
            attempt: Makes one attempt.
            progress: Returns the bytes that the next attempt need not move again. Their growth resets the count.
            after: The errors after which another attempt is made.

        Raises:
            Stopped: The run was stopped.
            CtadataError: The error of the last attempt.
        """
        best = 0

        def has_progressed() -> bool:
            nonlocal best
            if (kept := progress()) < best + PROGRESS:
                return False
            best = kept
            return True

        def wait(error: CtadataError, seconds: float) -> None:
            log.info("%s: again", error)
            self.wait(seconds)

        return retry(
            attempt,
            Retries(TRIES, first_pause=FIRST_PAUSE),
            may_retry=lambda error: isinstance(error, after) and error.retryable and not self.stop.is_set(),
            wait=wait,
            has_progressed=has_progressed,
        )

    def wait(self, seconds: float) -> None:
        """Wait for some seconds; raise Stopped if the run is stopped meanwhile."""
        self.pause(seconds) if self.pause else fibers.wait_for_event(self.stop, seconds)
        self.check_stop()

    def check_stop(self) -> None:
        """Raise Stopped if the run is to end."""
        if self.stop.is_set():
            raise Stopped("stopped")

    def check_ended(self) -> None:
        """Raise the error of a file that is not tried, if `ended_by` says that no further file is tried."""
        if self.ended_by is not None:
            raise not_tried(self.ended_by)

    def execute(self, tasks: Iterable[Task]) -> Summary:
        """Work on the tasks, `rules.jobs` or `rules.small_jobs` at a time, while they are still being found.

        After a needed login no further file is tried, because it would fail in the same way, and a door blocks clients
        that try again and again. Each of these files counts as failed.

        Args:
            tasks: The tasks; an iterator that takes long is read in a thread of its own.

        Returns:
            The summary, with each failure.

        Raises:
            KeyboardInterrupt: The user stopped the run; the workers have ended.
        """
        try:
            tasks = self.staging.release_when_online(tasks) if self.staging else tasks
            self.task_runner.run(self, tasks) if self.task_runner else self.work_here(tasks)
        except BaseException:
            self.stop.set()
            raise
        finally:
            self.workers.join()
            self.records.write()
            self.summary.stopped = self.stop.is_set()
            if self.staging:
                self.staging.end()
            if self.leftovers:
                self.delete_leftovers()
        return self.summary

    def work_here(self, tasks: Iterable[Task]) -> None:
        """Work on the tasks with the workers of this process."""
        rules, is_small = self.rules, attrgetter("is_small")
        jobs, small, streams = rules.jobs, rules.small_jobs, rules.streams
        self.workers.run(tasks, self._work_on, jobs=jobs, small_jobs=small, streams=streams, is_small=is_small)

    def _work_on(self, task: Task) -> None:
        if self.stop.is_set():
            return
        began = time.monotonic()
        if not task.is_small:
            self.reporter.started(str(task.remote), task.size)
        try:
            self.check_ended()
            outcome = task.work()
        except Stopped as error:
            self.summary.remarks += [f"{escape_unprintable(str(task.remote))}: {error.hint}"] if error.hint else []
            return
        except CtadataError as error:
            error.path = error.path or escape_unprintable(str(task.remote))
            outcome = task.failed_outcome(error, time.monotonic() - began)
            if isinstance(error, LoginNeeded):
                self.ended_by = self.ended_by or error
        except Exception as error:
            log.debug("unexpected", exc_info=error)
            words = f"unexpected {type(error).__name__}: {error}"
            failure = shortage_error(error) or CtadataError(words, hint="this is a fault of ctadata")
            outcome = task.failed_outcome(failure, time.monotonic() - began)
        if task.size and outcome.state is not State.DONE:
            self.reporter.planned(0, -task.size)
        self.end(outcome)
