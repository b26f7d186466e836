"""A run: the workers, the stop, trying again, and that one file's failure does not stop the others."""

from __future__ import annotations

import contextlib
import logging
import queue
import random
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from ctadata.errors import CtadataError, IntegrityError, Interrupted, LoginNeeded, Stopped, TimedOut
from ctadata.paths import RemotePath, printable
from ctadata.stores.base import Store
from ctadata.transfer.plan import Rules
from ctadata.transfer.report import Outcome, Reporter, State, Summary

T = TypeVar("T")
log = logging.getLogger(__name__)

BROKEN_OFF = (Interrupted, IntegrityError, TimedOut)
"""What the engine tries again. Failures before the first byte were tried again by the HTTP client already."""

TRIES = 4
FIRST_PAUSE = 0.5
"""Seconds before the second try; each further pause is twice as long, give or take a half."""


@dataclass(slots=True)
class Task:
    """The work on one file; `work` gives its outcome or raises."""

    remote: RemotePath
    local: Path | None
    work: Callable[[], Outcome]


@dataclass(slots=True)
class Run:
    """What the parts of one run share.

    stop: set by whoever wants the run to end; requests that wait notice within a second.
    """

    store: Store
    rules: Rules
    reporter: Reporter
    stop: threading.Event
    summary: Summary = field(default_factory=Summary)
    pause: Callable[[float], object] | None = None
    leftovers: list[RemotePath] = field(default_factory=list)

    def end(self, outcome: Outcome) -> None:
        """Count an outcome and tell of it."""
        self.summary.add(outcome)
        self.reporter.ended(outcome)

    def fail(self, error: CtadataError, remote: RemotePath, local: Path | None = None) -> None:
        """Count a failure and tell of it."""
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

    def persist(
        self,
        attempt: Callable[[], T],
        *,
        progress: Callable[[], int] = lambda: 0,
        after: tuple[type[CtadataError], ...] = BROKEN_OFF,
    ) -> T:
        """Do `attempt`, again `after` such errors; `TRIES` times where `progress` (bytes kept so far) does not grow."""
        turn, best = 1, 0
        while True:
            try:
                return attempt()
            except after as error:
                turn, best = (1, progress()) if progress() > best else (turn + 1, best)
                if turn > TRIES or self.stop.is_set():
                    raise
                log.info("%s: again", error)
            seconds = FIRST_PAUSE * 2 ** (turn - 1) * random.uniform(0.5, 1.5)  # noqa: S311  (jitter)
            (self.pause or self.stop.wait)(seconds)
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
        waiting: queue.Queue[Task | None] = queue.Queue(2 * self.rules.jobs)
        ended = threading.Event()
        crew = [
            threading.Thread(target=self._work, args=(waiting, ended), name=f"transfer-{i}", daemon=True)
            for i in range(self.rules.jobs)
        ]
        for thread in crew:
            thread.start()
        try:
            self._hand_out(tasks, waiting, ended)
        except BaseException:
            self.stop.set()
            raise
        finally:
            if self.stop.is_set():
                ended.set()
            for _ in crew:
                _put(waiting, None, ended)
            for thread in crew:
                thread.join()
            if self.leftovers:
                self.tidy()
        return self.summary

    def _hand_out(self, tasks: Iterable[Task], waiting: queue.Queue[Task | None], ended: threading.Event) -> None:
        for task in tasks:
            if self.stop.is_set() or not _put(waiting, task, ended):
                return

    def _work(self, waiting: queue.Queue[Task | None], ended: threading.Event) -> None:
        while not ended.is_set():
            try:
                task = waiting.get(timeout=0.2)
            except queue.Empty:
                continue
            if task is None:
                return
            if not self.stop.is_set():
                self._do(task, ended)

    def _do(self, task: Task, ended: threading.Event) -> None:
        began = time.monotonic()
        try:
            outcome = task.work()
        except Stopped:
            return
        except CtadataError as error:
            error.path = error.path or printable(str(task.remote))
            outcome = Outcome(State.FAILED, task.remote, task.local, seconds=time.monotonic() - began, error=error)
            if isinstance(error, LoginNeeded):
                ended.set()
        except Exception as error:
            log.debug("unexpected", exc_info=error)
            wrong = CtadataError(f"unexpected {type(error).__name__}: {error}", hint="this is a fault of ctadata")
            outcome = Outcome(State.FAILED, task.remote, task.local, error=wrong)
        self.end(outcome)


def _put(waiting: queue.Queue[Task | None], task: Task | None, ended: threading.Event) -> bool:
    """Wait for a place in the queue; False where the run ended meanwhile."""
    while not ended.is_set():
        try:
            waiting.put(task, timeout=0.2)
        except queue.Full:
            continue
        return True
    return False
