"""A run: what its parts share, the stop, trying again, and that one file's failure does not stop the others."""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from ctadata import fibers
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
from ctadata.paths import RemotePath, escape_unprintable
from ctadata.resources import shortage_error
from ctadata.retry import Retries, retry
from ctadata.stores.base import Store
from ctadata.transfer.equality import Pair
from ctadata.transfer.plan import Rules
from ctadata.transfer.rate_limit import RateLimiter, ThrottledReporter
from ctadata.transfer.records import Records
from ctadata.transfer.report import Outcome, Reporter, State, Summary
from ctadata.transfer.staging import Staging
from ctadata.transfer.worker_pool import WorkerPool

T = TypeVar("T")
log = logging.getLogger(__name__)

BROKEN_OFF = (Interrupted, IntegrityError, Changed, TimedOut)
"""What the engine tries again. Failures before the first byte were tried again by the HTTP client already."""

SMALL = 1 << 20
"""Bytes below which the work on a file is more Python's than that of libraries and the system."""

MORE = 1 << 16
"""Bytes that a try has to bring, so that the next one counts as the first: a server that gives some at a time ends."""

TRIES = 4
FIRST_PAUSE = 0.5
"""Seconds before the second try at most; the rest is as `ctadata.retry` has it."""


@dataclass(slots=True)
class Task:
    """The work on one file; `work` gives its outcome or raises.

    size:    bytes of it that the reporter was told of as planned.
    etag:    of the version on the storage that is to come; None where it is not known.
    on_tape: it waits for the file to be on disk.
    is_small: most of it is waiting for servers, so that many of them share a thread.
    """

    remote: RemotePath
    local: Path | None
    work: Callable[[], Outcome]
    size: int = 0
    etag: str | None = None
    on_tape: bool = False
    is_small: bool = False

    def failed(self, error: CtadataError, seconds: float) -> Outcome:
        """Its end, where it came to nothing."""
        return Outcome(
            State.FAILED,
            self.remote,
            self.local,
            self.size,
            seconds,
            error=error,
            etag=self.etag,
            retries=error.retries,
        )


@dataclass(slots=True)
class Run:
    """What the parts of one run share.

    stop: set by whoever wants the run to end; requests that wait notice within a second.
    renamed: names that `rules.normalize` has changed, as they are on the storage.
    has_odd_tags: listings and reads of the store have tags of two kinds, which say nothing about each other.
    staging: brings files from tape; without it such a file is a failure (NeedsStaging).
    records: of verified transfers; without a folder of the cache, none.
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
    staging: Staging[Task] | None = None
    records: Records = field(default_factory=lambda: Records(""))
    workers: WorkerPool[Task] = field(init=False)
    names: NameCheck = field(init=False)

    def __post_init__(self) -> None:
        """Workers end when the run is stopped."""
        self.workers = WorkerPool(self.stop)
        self.names = NameCheck(self.store)
        if self.rules.rate is not None:
            self.reporter = ThrottledReporter(self.reporter, RateLimiter(self.rules.rate, sleep=self.stop.wait))

    def task(
        self, remote: RemotePath, local: Path | None, size: int, work: Callable[[], Outcome], etag: str | None = None
    ) -> Task:
        """A task on a file of that size, as soon as it is found: the totals are to be true early."""
        self.reporter.planned(1, size)
        return Task(remote, local, work, size, etag, is_small=size < SMALL)

    def pair(self, remote: RemotePath, counterpart: Path | str) -> Pair:
        """A file of the storage and its counterpart in that folder, local or at another storage."""
        folder = self.records.of(remote.parent, counterpart)
        look = functools.partial(self.store.info, remote)
        return Pair(self.records, folder, remote.name, look, writes=not self.rules.dry_run)

    def end(self, outcome: Outcome) -> None:
        """Count an outcome and tell of it."""
        self.summary.add(outcome)
        self.reporter.ended(outcome)

    def fail(self, error: CtadataError, remote: RemotePath, local: Path | None = None) -> None:
        """Count a failure and tell of it; of an incomplete listing each member that is missing.

        Keys that no path can name are passed over, and count as not done.
        """
        if isinstance(error, Unnameable):
            report_each(error, lambda failure: self.end(_passed_key(failure, remote, local)))
            return
        if isinstance(error, Incomplete):
            report_each(error, lambda failure: self.fail(failure, remote, local))
            return
        self.end(Outcome(State.FAILED, remote, local, error=error))

    def discard(self, temporary: RemotePath) -> None:
        """Delete an upload that came to nothing; at once, or at the end of a run that is being stopped."""
        if self.stop.is_set():
            self.leftovers.append(temporary)
            return
        with contextlib.suppress(CtadataError):
            self.store.delete(temporary)

    def tidy(self) -> None:
        """Delete what a stop has left on the storage; the stop is over."""
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
        """Do `attempt`, again `after` such errors; at most `TRIES` times while `progress` (bytes kept) hardly grows."""
        best = 0

        def has_progressed() -> bool:
            nonlocal best
            if (kept := progress()) < best + MORE:
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
        """Wait; Stopped if the run is to end meanwhile."""
        self.pause(seconds) if self.pause else fibers.wait_for_event(self.stop, seconds)
        self.check_stop()

    def check_stop(self) -> None:
        """Stopped, where the run is to end."""
        if self.stop.is_set():
            raise Stopped("stopped")

    def execute(self, tasks: Iterable[Task]) -> Summary:
        """Do the tasks, `rules.jobs` at a time, as they are found; gives the summary.

        KeyboardInterrupt stops the workers, then goes on to the caller. A login that is needed ends the run: every
        further file would fail the same way, and a door blocks clients that keep knocking.
        """
        try:
            tasks = self.staging.feed(tasks) if self.staging else tasks
            self.workers.run(tasks, self._do, jobs=self.rules.jobs, is_small=lambda task: task.is_small)
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
                self.tidy()
        return self.summary

    def _do(self, task: Task) -> None:
        if self.stop.is_set():
            return
        began = time.monotonic()
        try:
            outcome = task.work()
        except Stopped:
            return
        except CtadataError as error:
            error.path = error.path or escape_unprintable(str(task.remote))
            outcome = task.failed(error, time.monotonic() - began)
            if isinstance(error, LoginNeeded):
                self.workers.end()
        except Exception as error:
            log.debug("unexpected", exc_info=error)
            said = f"unexpected {type(error).__name__}: {error}"
            wrong = shortage_error(error) or CtadataError(said, hint="this is a fault of ctadata")
            outcome = task.failed(wrong, time.monotonic() - began)
        if task.size and outcome.state is not State.DONE:
            self.reporter.planned(0, -task.size)
        self.end(outcome)


def _passed_key(error: CtadataError, collection: RemotePath, local: Path | None) -> Outcome:
    why = f"{error.what}; {error.hint}" if error.hint else error.what
    return Outcome(State.PASSED, collection, local, why=why, error=error, key=error.path or str(collection))
