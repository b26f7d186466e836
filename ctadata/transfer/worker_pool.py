"""The workers of a run: so many tasks at a time; who finds none left helps those whose work can be divided.

Small tasks are done by fibers in one thread, the others by threads: see `ctadata.fibers`.
"""

from __future__ import annotations

import contextlib
import functools
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Generic, Protocol, TypeVar

from ctadata.fibers import Condition, Fibers
from ctadata.resources import shortage_error

T = TypeVar("T")

AHEAD = 128
"""Tasks that wait for a worker at most; then the next ones are not looked for."""

LOOK = 0.05
"""Seconds between two looks at how the workers get on; and Ctrl-C must be heard."""

PATIENCE = 0.2
"""Seconds that somebody waits for word at most: a stop sends none."""


FEWEST = 3
"""Threads without which nothing can be done: one that finds tasks, one for small ones, one for large ones."""


class Divisible(Protocol):
    """Work of one worker that others can take a part of."""

    def help(self) -> bool:
        """Take a part and do it; False where nothing is left that is worth dividing. Never raises."""


class WorkerPool(Generic[T]):
    """Workers who do tasks as they are found: each takes the next one when it has done its last."""

    def __init__(self, stop: threading.Event) -> None:
        """No thread is started. `stop`: set by whoever wants the workers to end."""
        self._stop = stop
        self._ended = False
        self._fault: BaseException | None = None
        self._threads: list[threading.Thread] = []
        self._gone: set[str] = set()
        self._bell: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._tasks: Iterable[T] = ()
        self._jobs = 0
        self._small: deque[T] = deque()
        self._large: deque[T] = deque()
        self._all_found = False
        self._running = 0
        self._done = 0
        self._divisible: list[Divisible] = []
        self._fibers = Fibers()
        self._small_task_threads = SmallTaskThreads(0)
        self._lock = threading.Lock()
        self._for_fibers = Condition(self._lock)
        self._for_threads = Condition(self._lock)
        self._for_finder = Condition(self._lock)

    def run(
        self,
        tasks: Iterable[T],
        do: Callable[[T], None],
        *,
        jobs: int,
        is_small: Callable[[T], bool] = lambda task: False,  # noqa: ARG005
        small_task_threads: SmallTaskThreads | None = None,
    ) -> None:
        """Hand the tasks to `do`, so many at a time, until all are done, or the run has ended or was stopped.

        `tasks` is read in a thread of its own. What it raises, or `do`, ends the run and is raised here, once every
        worker has ended.  small_task_threads: says how many threads take small tasks beside the fibers.
        """
        self._tasks, self._jobs, self._all_found = tasks, jobs, False
        self._small_task_threads, self._fibers = small_task_threads or SmallTaskThreads(jobs - 1), Fibers()
        self._start("tasks", self._lead, do, is_small)
        self.join()
        if self._fault is not None:
            raise self._fault

    def _start(self, name: str, function: Callable[..., None], *given: object) -> bool:
        """Start a thread; False where the system gives no more, and there are some already."""

        def live() -> None:
            try:
                function(*given)
            finally:
                self._gone.add(name)
                self._bell.put(name)

        thread = threading.Thread(target=live, name=name, daemon=True)
        self._threads.append(thread)
        try:
            thread.start()
        except RuntimeError as error:
            self._threads.remove(thread)
            if len(self._threads) < FEWEST:
                raise shortage_error(error) or error from None
            return False
        return True

    def end(self) -> None:
        """No further task is begun."""
        self._ended = True

    def join(self) -> None:
        """Wait for the workers; tasks that nobody has asked for are given up."""
        looked, used = time.monotonic(), 0.0
        # neither threads nor events are waited for: of both CPython loses sight when Ctrl-C comes meanwhile (its issue
        # 90882); the first thread has started all others when it ends, and one that could not be started has no number
        while any(thread.ident and thread.name not in self._gone for thread in list(self._threads)):
            with contextlib.suppress(queue.Empty):
                self._bell.get(timeout=LOOK)
            if (passed := time.monotonic() - looked) >= LOOK:
                before, used = used, self._fibers.waited + self._fibers.worked
                self._look(passed, passed - (used - before))
                looked += passed
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        self._threads.clear()
        self._gone.clear()
        if isinstance(self._tasks, Generator):
            self._tasks.close()

    @contextlib.contextmanager
    def divisible(self, work: Divisible) -> Iterator[None]:
        """While this lasts, whoever has no task may help with `work`."""
        with self._lock:
            self._divisible.append(work)
            self._for_threads.notify_all()
        try:
            yield
        finally:
            with self._lock:
                self._divisible.remove(work)

    def wake_workers(self) -> None:
        """Work that was not ready to be divided is now."""
        with self._lock:
            self._for_threads.notify_all()

    def _is_over(self) -> bool:
        return self._ended or self._stop.is_set()

    def _look(self, passed: float, stuck: float) -> None:
        with self._lock:
            before = self._small_task_threads.threads
            self._small_task_threads.look(passed, stuck, self._done)
            self._done = 0
            if self._small_task_threads.threads > before:
                self._for_threads.notify_all()

    # Tasks are found

    def _lead(self, do: Callable[[T], None], is_small: Callable[[T], bool]) -> None:
        """Start the others, then find tasks for them."""
        try:
            small = [functools.partial(self._work_small, do, i) for i in range(self._jobs)]
            self._start("transfer-small", self._fibers.run, small)
            for i in range(self._jobs):
                if not self._start(f"transfer-{i}", self._work, do, i):
                    break  # those that there are do it all
            for task in self._tasks:
                if not self._put_down(task, small=is_small(task)):
                    break
        except BaseException as error:  # noqa: BLE001  (raised again by `run`)
            self._fail(error)
        with self._lock:
            self._all_found = True
            self._for_fibers.notify_all()
            self._for_threads.notify_all()

    def _put_down(self, task: T, *, small: bool) -> bool:
        """Put a task where a worker finds it; False where none will."""
        with self._lock:
            (self._small if small else self._large).append(task)
            self._call_one()
            if len(self._small) + len(self._large) >= AHEAD:
                while len(self._small) + len(self._large) > AHEAD // 2 and not self._is_over():
                    self._for_finder.wait(PATIENCE)
            return not self._is_over()

    # and done

    def _work_small(self, do: Callable[[T], None], place: int) -> None:
        """A fiber's life."""
        self._do_all(do, functools.partial(self._take_small, place), self._for_fibers)

    def _work(self, do: Callable[[T], None], place: int) -> None:
        """A thread's life."""
        self._do_all(do, functools.partial(self._take, place), self._for_threads)
        while not self._is_over() and self._help():
            pass

    def _do_all(self, do: Callable[[T], None], take: Callable[[], T | None], change: Condition) -> None:
        try:
            while (task := self._next(take, change)) is not None:
                try:
                    do(task)
                finally:
                    self._finish()
        except BaseException as error:  # noqa: BLE001  (raised again by `run`)
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self._fault, self._ended = error, True

    def _next(self, take: Callable[[], T | None], change: Condition) -> T | None:
        """The next task, once there is one and not too many are being done; None where no more will come."""
        with self._lock:
            while not self._is_over():
                task = take() if self._running < self._jobs else None
                if task is not None:
                    self._running += 1
                    self._taken()
                    return task
                if self._all_found and not self._small and not self._large:
                    break
                change.wait(PATIENCE)
        return None

    def _taken(self) -> None:
        waiting = len(self._small) + len(self._large)
        if waiting == AHEAD // 2:
            self._for_finder.notify()
        if waiting:
            self._call_one()
        elif self._all_found:
            self._for_fibers.notify_all()
            self._for_threads.notify_all()

    def _call_one(self) -> None:
        """Whoever could do the next task, if one more may be done."""
        if self._running < self._jobs:
            if self._large:
                self._for_threads.notify()
            elif self._small and self._small_task_threads.threads:  # not each may take it
                self._for_fibers.notify_all()
                self._for_threads.notify_all()
            elif self._small:
                self._for_fibers.notify()

    def _take_small(self, place: int) -> T | None:
        """A task for the fiber at this place; a large one takes longer, and goes first."""
        return (
            self._small.popleft()
            if self._small and not self._large and place >= self._small_task_threads.threads
            else None
        )

    def _take(self, place: int) -> T | None:
        """A task for the thread at this place: of the first ones also small tasks, where they relieve the fibers."""
        if self._large:
            return self._large.popleft()
        return self._small.popleft() if self._small and place < self._small_task_threads.threads else None

    def _finish(self) -> None:
        with self._lock:
            self._done += 1
            self._running -= 1
            self._call_one()
            if self._all_found and not self._running:  # who helps may go home
                self._for_threads.notify_all()

    def _help(self) -> bool:
        """Help once, or wait for a chance to; False where all tasks have ended."""
        with self._lock:
            candidates = list(self._divisible)
        if any(work.help() for work in candidates):
            return True
        with self._lock:
            if self._running and not self._is_over():
                self._for_threads.wait(PATIENCE)  # what was not worth dividing may be when a stream breaks off
            return bool(self._running)


STUCK = 0.4
"""Share of the time that has passed in which the fibers neither worked nor waited, from which threads are tried."""

FREE = 0.1
"""The same, below which half of the threads go."""

GAIN = 1.1
"""Of the files a second that were done before: what more threads must get done to stay."""

REST, LONGEST_REST = 4, 64
"""Looks until more are tried again, where they got no more done; twice as many each time, at most so many."""


class SmallTaskThreads:
    """The state of a crew; not for several threads. Times are in seconds.

    threads: how many may take small files.
    """

    def __init__(self, most: int) -> None:
        """None yet, and never more than so many."""
        self.threads = 0
        self._most = most
        self._before: tuple[int, float] | None = None  # the number before the trial, and its files a second
        self._rest, self._next_rest = 0, REST

    def look(self, passed: float, stuck: float, done: int) -> None:
        """In the time that has passed the fibers were stuck for so long, and so many files were done."""
        rate, (before, self._before) = done / passed, (self._before, None)
        self._rest = max(0, self._rest - 1)
        if before and rate < GAIN * before[1]:
            self.threads, self._rest = before[0], self._next_rest
            self._next_rest = min(LONGEST_REST, 2 * self._next_rest)
        elif stuck < FREE * passed:
            self.threads //= 2
        elif stuck > STUCK * passed and done and self.threads < self._most and not self._rest:
            self._before = (self.threads, rate)
            self.threads = min(self._most, max(1, 2 * self.threads))
