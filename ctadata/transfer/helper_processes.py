"""Work on the tasks of a run in this process, and in more processes as soon as they make it faster.

A second process costs its start, some 0.3 s of a processor, and each batch costs this process some work. It gains
nothing if this process waits for the server or the network, and it loses if all processors are busy, for example with
the server itself. So this process begins alone, with the whole limit of requests, and looks at what it measures. When
the others have worked for a while, it compares: if all together move fewer files a second than it did alone, they end.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from ctadata.resources import BusyMeter, IdleMeter
from ctadata.transfer.batches import Batches
from ctadata.transfer.run import Run, Task
from ctadata.transfer.task_queue import TaskQueue

BATCH_FILES = 1000
"""The largest number of files in a batch of another process of this machine. A batch begins and ends with few requests
under way, which costs one or two round trips: at 20 ms a tenth of the time of 500 small files."""

LOOK = 0.25
"""Seconds between two looks at what is measured."""

BUSY = 0.7
"""The processor time of this process, as a share of the time, from which its Python is what limits."""

IDLE = 0.5
"""Idle processors from which another process finds room."""

WORTH = 1.5
"""Seconds of work that have to be left; a shorter run ends before another process has gained what its start costs."""

LOOKS = 2
"""The number of looks in a row that have to show the demand. The first one measures the start of the run too."""

JUDGED_AFTER = 1.0
"""Seconds of work of all processes after which their rate is compared with the rate of this process alone."""

log = logging.getLogger(__name__)


class Demand(Protocol):
    """Decides how many more processes make a run faster, and then whether they did."""

    def count(self, taken: int, waiting: int) -> int:
        """Return the number of processes that should start now.

        Args:
            taken: The tasks that this process has taken so far.
            waiting: The tasks that were found and that nobody has taken.
        """

    def is_slower(self, files: int) -> bool:
        """Return whether the further processes make the run slower; it is asked when they have finished a batch.

        Args:
            files: The tasks that this process has taken and those that the others have finished, so far.
        """


class MeasuredDemand:
    """Decides by the use of the processors, and by the rate of this process, since the last look."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin to measure.

        Args:
            clock: Returns seconds.
        """
        self._busy, self._idle, self._taken = BusyMeter(), IdleMeter(), 0
        self._clock = clock
        self._looks = 0
        self._alone = 0.0  # files a second of this process before others have started
        self._helped_from: tuple[float, int] | None = None  # when the first batch had ended, and the files until then
        self._is_judged = False

    def count(self, taken: int, waiting: int) -> int:
        """Return the number of idle processors if this process is busy and enough work is left; else 0."""
        elapsed = self._busy.elapsed
        self._alone, self._taken = (taken - self._taken) / max(elapsed, 1e-6), taken
        busy, idle = self._busy.measure(), self._idle.measure()
        log.debug("%.2f processors used, %.2f idle, %.0f files/s, %d wait", busy, idle, self._alone, waiting)
        is_needed = busy >= BUSY and idle >= IDLE and waiting >= WORTH * self._alone
        self._looks = self._looks + 1 if is_needed else 0
        return max(1, round(idle)) if self._looks >= LOOKS else 0

    def is_slower(self, files: int) -> bool:
        """Compare the rates once, over the time between the ends of two batches; the first one includes the start."""
        now = self._clock()
        if self._helped_from is None:
            self._helped_from = now, files
        began, before = self._helped_from
        if self._is_judged or now - began < JUDGED_AFTER:
            return False
        self._is_judged = True
        rate = (files - before) / (now - began)
        log.debug("all processes: %.0f files/s; this one alone: %.0f files/s", rate, self._alone)
        return rate < self._alone


class HelperProcesses:
    """Works on the tasks here, and lets other processes help if that is faster. It replaces the workers of the run.

    Attributes:
        keeps_rate: False: the limit of bytes per second cannot be divided once the run has begun.
    """

    keeps_rate = False

    def __init__(
        self, most: int, start: Callable[[int], Batches], make_demand: Callable[[], Demand] = MeasuredDemand
    ) -> None:
        """Start no process yet.

        Args:
            most: The largest number of processes beside this one.
            start: Starts so many processes.
            make_demand: Makes what decides how many start.
        """
        self._most = most
        self._start = start
        self._make_demand = make_demand
        self._lock = threading.Lock()
        self._own_work_has_ended = threading.Event()
        self._batches: Batches | None = None
        self._is_closed = False

    def run(self, run: Run, tasks: Iterable[Task]) -> None:
        """Work on all tasks until they are done or the run is stopped.

        Args:
            run: The run.
            tasks: Its tasks; they are read in a thread of their own.

        Raises:
            BaseException: What `tasks` raises.
        """
        found = TaskQueue(BATCH_FILES)
        self._own_work_has_ended.clear()
        self._batches, self._is_closed = None, False
        with found.reading(tasks), ThreadPoolExecutor(1, "helpers") as thread:
            try:
                helped = thread.submit(self._help, run, found)
                run.work_here(found.take_all())
                self._end_own_work(is_complete=found.is_empty)
                helped.result()
            except BaseException:
                run.stop.set()
                self._end_own_work(is_complete=False)
                raise

    def _end_own_work(self, *, is_complete: bool) -> None:
        """Let no process start any more; if the work is not complete (a login is needed), begin no batch either."""
        self._own_work_has_ended.set()
        with self._lock:
            self._is_closed = not is_complete
            if self._batches and self._is_closed:
                self._batches.close()

    def _help(self, run: Run, found: TaskQueue) -> None:
        demand = self._make_demand()
        count = self._wait_for(demand, found)
        with self._lock:
            if not count or self._is_closed:
                return
            batches = self._batches = self._start(count)
        log.info("further processes that move files: %d; this one is busy, and processors are idle", count)
        batches.hand_out(run, found, lambda finished: demand.is_slower(found.taken + finished))

    def _wait_for(self, demand: Demand, found: TaskQueue) -> int:
        """Return the number of processes that should start; 0 if the work ends before any is needed."""
        count = 0
        while not (count or self._own_work_has_ended.wait(LOOK)):
            with found.change:
                taken, waiting = found.taken, found.waiting
            count = min(self._most, demand.count(taken, waiting))
        return count
