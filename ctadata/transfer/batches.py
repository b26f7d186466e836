"""Hand the files of a run to an executor, in batches: other processes, or other machines, move them.

This process lists the names and decides which files have to move. A worker receives a batch of files with the entries
of the listing, moves them, and returns their outcomes. A worker that dies costs its batch again, and not the run.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import dataclass, field

from ctadata.errors import CtadataError, LoginNeeded
from ctadata.namespace.filters import Filters
from ctadata.shards import WHOLE
from ctadata.transfer.plan import Rules
from ctadata.transfer.records import NotedRecord
from ctadata.transfer.report import Outcome, State, not_tried
from ctadata.transfer.run import Item, Run, Task
from ctadata.transfer.task_queue import CHECK, TaskQueue
from ctadata.transfer.timetable import Timetable

TRIES = 4
"""How often a batch is handed out if its worker dies each time."""

_BROKEN = "the executor is broken, so this process moves the remaining files"

log = logging.getLogger(__name__)


@dataclass(slots=True)
class BatchResult:
    """The end of the work on one batch.

    Attributes:
        outcomes: The outcomes. Files without one were not begun.
        remarks: Further sentences for the end of the run.
        records: The records of verified transfers, for the cache of the caller.
        error: Why the worker could not begin; every further batch would fail in the same way.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    records: list[NotedRecord] = field(default_factory=list)
    error: CtadataError | None = None


Work = Callable[[Sequence[Item], Rules], BatchResult]
"""Moves the files of one batch, in a worker. It can be pickled, and it raises nothing."""


@dataclass(slots=True, eq=False)
class _Batch:
    tasks: list[Task]
    items: list[Item]
    tries: int = 0


class Batches:
    """Hands the tasks of a run to an executor. It replaces the workers of the run.

    Attributes:
        keeps_rate: Whether the workers keep the limit of bytes per second, each one its share.
    """

    keeps_rate = True

    def __init__(
        self,
        work: Work,
        executor: Executor,
        at_once: int,
        make: Callable[[], Executor] | None = None,
        stop_workers: Callable[[], object] | None = None,
        *,
        shares: int | None = None,
    ) -> None:
        """Prepare to hand out batches of one run.

        Args:
            work: Moves the files of a batch, in a worker.
            executor: Runs `work`.
            at_once: The number of batches in work at the same time.
            make: Makes another executor if one is broken; the executors are then shut down at the end. None: the caller
                keeps the executor, and if it is broken, this process moves the remaining files.
            stop_workers: Stops the workers in the middle of their batches; None: they cannot be stopped.
            shares: The number of processes that share the jobs and the rate of the run; None: `at_once`.
        """
        self._shares = shares or at_once
        self._work = work
        self._make = make
        self._executor: Executor | None = executor
        self._at_once = at_once
        self._stop_workers = stop_workers
        self._found = TaskQueue()
        self._ended: deque[tuple[_Batch, Future[BatchResult]]] = deque()
        self._repeated: deque[_Batch] = deque()
        self._running: dict[_Batch, Future[BatchResult]] = {}
        self._is_closed = False
        self._ended_by: CtadataError | None = None
        self._is_slower = False
        self._finished = 0
        self._are_small = True
        self._has_succeeded = False

    def run(self, run: Run, tasks: Iterable[Task]) -> None:
        """Hand out all tasks, and report their outcomes, until all are done or the run is stopped.

        Args:
            run: The run.
            tasks: Its tasks; they are read in a thread of their own.

        Raises:
            BaseException: What `tasks` raises.
        """
        with self._found.reading(tasks):
            self.hand_out(run, self._found)
            self._fail_untried(run, self._found.take_all())

    def hand_out(self, run: Run, found: TaskQueue, is_slower: Callable[[int], bool] = lambda finished: False) -> None:  # noqa: ARG005
        """Hand out the tasks that somebody else reads, until all are done, or the run is stopped or `close` is called.

        If no worker can do any work, no further batch is handed out, and somebody else takes the other tasks.

        Args:
            run: The run.
            found: The tasks.
            is_slower: Whether the workers make the run slower; it receives the number of files that they have finished.
                If it returns True, they end after the batches that they have, and somebody else takes the other tasks.
                It is asked as long as all files are small, because the number of large ones is no measure of work.
        """
        self._found = found
        try:
            while self._executor is not None and not self._is_over(run):
                self._fill_workers(run)
                finished = self._finished
                self._take_results(run)
                if self._finished > finished and self._are_small and not self._is_slower and is_slower(self._finished):
                    log.info("the further processes end: the run is slower with them")
                    self._is_slower = True
            if self._executor is None and not self._is_over(run):
                log.warning(_BROKEN)
                run.summary.remarks.append(_BROKEN)
                run.reporter.remarked(_BROKEN)
                run.work_here(self._remaining_tasks())
            self._fail_untried(run, itertools.chain.from_iterable(batch.tasks for batch in self._repeated))
        finally:
            self._end(run)

    def close(self) -> None:
        """Hand out no further batch. Any thread may call it."""
        self._is_closed = True

    def _is_over(self, run: Run) -> bool:
        if run.stop.is_set() or (not self._may_hand_out(run) and not self._running):
            return True
        with self._found.change:
            is_all_handed_out = self._is_slower or self._found.is_empty
            return is_all_handed_out and not (self._running or self._repeated or self._ended)

    def _may_hand_out(self, run: Run) -> bool:
        return not (self._is_closed or self._ended_by or run.ended_by)

    def _fill_workers(self, run: Run) -> None:
        while self._may_hand_out(run) and len(self._running) < self._at_once and self._executor is not None:
            batch = self._repeated.popleft() if self._repeated else self._cut()
            if batch is None:
                return
            self._submit(run, batch)

    def _cut(self) -> _Batch | None:
        if self._is_slower:
            return None
        with self._found.change:
            tasks = self._found.cut(self._shares)
        return _Batch(tasks, [task.item.absolute() for task in tasks if task.item is not None]) if tasks else None

    def _submit(self, run: Run, batch: _Batch) -> None:
        assert self._executor is not None
        try:
            future = self._executor.submit(self._work, batch.items, share_of(run.rules, self._shares))
        except (BrokenExecutor, RuntimeError, OSError) as error:  # it is broken, was shut down, or starts no process
            self._repeated.append(batch) if self._running else self._repeat(run, batch, error)
            self._replace_executor(run, error)
            return
        self._running[batch] = future
        future.add_done_callback(lambda done: self._note_end(batch, done))

    def _note_end(self, batch: _Batch, future: Future[BatchResult]) -> None:
        with self._found.change:
            self._ended.append((batch, future))
            self._found.change.notify_all()

    def _replace_executor(self, run: Run, error: Exception) -> None:
        """Make another executor. A broken one finishes none of its batches, so they are put back."""
        running = list(self._running)
        self._running.clear()
        for batch in running:
            self._repeat(run, batch, error)
        broken, self._executor = self._executor, None
        if self._make is not None:
            if broken is not None:
                broken.shutdown(wait=False, cancel_futures=True)
            self._executor = self._make()

    def _take_results(self, run: Run) -> None:
        with self._found.change:
            if not self._ended:
                self._found.change.wait(CHECK)
            ended = [self._ended.popleft() for _ in range(len(self._ended))]
        broken: Exception | None = None
        for batch, future in ended:
            if self._running.get(batch) is not future:
                continue  # of an executor that was replaced
            del self._running[batch]
            try:
                result = future.result()
            except Exception as error:  # noqa: BLE001  (the worker has died, or the executor could not run the batch)
                broken = error if isinstance(error, BrokenExecutor) else broken
                self._repeat(run, batch, error)
            else:
                self._has_succeeded = self._has_succeeded or result.error is None
                self._finished += len(batch.tasks)
                self._are_small = self._are_small and all(task.is_small for task in batch.tasks)
                self._report(run, batch, result)
        if broken is not None:
            self._replace_executor(run, broken)

    def _repeat(self, run: Run, batch: _Batch, error: BaseException) -> None:
        """Put a batch back; if it has cost too many workers, its files fail."""
        batch.tries += 1
        if batch.tries < TRIES:
            self._repeated.append(batch)
            return
        words = f"no worker has finished it: {type(error).__name__}: {error}"
        hint = "a script that starts processes needs: if __name__ == '__main__':"
        for task in batch.tasks:
            failure = CtadataError(words, hint="" if self._has_succeeded else hint, path=str(task.remote))
            self._report_one(run, task, task.failed_outcome(failure, 0.0))
            if not self._has_succeeded:
                self._ended_by = self._ended_by or failure

    def _report(self, run: Run, batch: _Batch, result: BatchResult) -> None:
        outcomes = {(outcome.remote, outcome.local): outcome for outcome in result.outcomes}
        for task, item in zip(batch.tasks, batch.items, strict=True):
            outcome = outcomes.get((task.remote, item.local))
            if outcome is not None:
                self._report_one(run, task, dataclasses.replace(outcome, local=task.local))
            elif result.error is not None:
                self._report_one(run, task, task.failed_outcome(result.error, 0.0))
            elif not (run.stop.is_set() or self._is_closed):
                self._report_one(run, task, task.failed_outcome(CtadataError("the worker has not tried it"), 0.0))
        run.records.note_all(result.records)
        run.summary.remarks += [words for words in result.remarks if words not in run.summary.remarks]
        self._ended_by = self._ended_by or result.error

    def _fail_untried(self, run: Run, tasks: Iterable[Task]) -> None:
        """Report the tasks that were found and that nobody has tried."""
        reason = run.ended_by or self._ended_by
        if reason is None or run.stop.is_set():
            return
        for task in tasks:
            failure = not_tried(reason)
            failure.path = str(task.remote)
            self._report_one(run, task, task.failed_outcome(failure, 0.0))
            if run.stop.is_set():
                return

    def _report_one(self, run: Run, task: Task, outcome: Outcome) -> None:
        if isinstance(outcome.error, LoginNeeded):
            run.ended_by = run.ended_by or outcome.error
        if outcome.state is State.DONE:
            run.reporter.moved(str(task.remote), task.size)
        elif task.size:
            run.reporter.planned(0, -task.size)
        run.end(outcome)

    def _remaining_tasks(self) -> Iterator[Task]:
        yield from itertools.chain.from_iterable(batch.tasks for batch in self._repeated)
        yield from self._found.take_all()

    def _end(self, run: Run) -> None:
        """End the batches that still run, and the executor if it was made here."""
        self._is_closed = True
        for future in self._running.values():
            future.cancel()
        if self._stop_workers is not None:
            self._stop_workers()
        if self._make is not None and self._executor is not None:
            self._executor.shutdown(wait=self._stop_workers is not None, cancel_futures=True)
            for batch, future in self._running.items():
                with contextlib.suppress(Exception):  # it was cancelled, or its worker has died
                    self._report(run, batch, future.result(timeout=0))


def share_of(rules: Rules, at_once: int) -> Rules:
    """Return the rules for one of several workers: its share of the jobs and the rate, and all its names.

    Args:
        rules: The rules of the run.
        at_once: The number of workers at the same time.
    """
    rate = rules.rate.shared(at_once) if isinstance(rules.rate, Timetable) else rules.rate and rules.rate / at_once
    rules = dataclasses.replace(rules, rate=rate, filters=Filters(), stage=False, shard=WHOLE)
    jobs, streams = max(1, rules.jobs // at_once), rules.streams and max(1, rules.streams // at_once)
    return dataclasses.replace(rules, jobs=jobs, streams=streams)
