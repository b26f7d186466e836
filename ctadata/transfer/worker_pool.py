"""A pool of workers. Each worker takes the next task when it has finished its last one.

A worker that finds no task left helps another one whose work can be divided: a large file. Small tasks run in fibers,
all in one thread; the others run in threads. `ctadata.fibers` says why. If the fibers do not get on, for example
because the disk is slow, some threads take small tasks too (`SmallTaskThreads`).
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Generic, Protocol, TypeVar

from ctadata.fibers import Condition, Fibers
from ctadata.resources import seconds_runnable, shortage_error
from ctadata.transfer.small_task_threads import SmallTaskThreads

T = TypeVar("T")

AHEAD = 128
"""The largest number of tasks that wait for a worker; then no further tasks are looked for."""

CHECK = 0.05
"""Seconds between two checks of how the workers get on. Ctrl-C is noticed within this time."""

LONGEST_WAIT = 0.2
"""The longest wait of a thread for a notification, in seconds. A stop sends none."""

QUEUED = 8
"""Fibers that wait for their turn at a server, from which no further small task is begun: it would wait too."""

LARGE, FIBER, THREAD = range(3)
"""The kinds of a task in work: a large one, which a thread has; a small one in a fiber; a small one in a thread."""

FEWEST_THREADS = 3
"""Threads without which nothing works: one that finds tasks, one for small ones, one for large ones."""


class Divisible(Protocol):
    """The work of one worker that other workers can help with."""

    def help(self) -> bool:
        """Do a part of the work; return False if no part is left to do. It must raise nothing."""


class WorkerPool(Generic[T]):
    """A pool of workers. Each worker takes the next task when it has finished its last one."""

    def __init__(self, stop: threading.Event) -> None:
        """Start no thread yet; `stop` is set by the caller to end the workers."""
        self._stop = stop
        self._closed = False
        self._error: BaseException | None = None
        self._threads: list[threading.Thread] = []
        self._ended_threads: set[str] = set()
        self._thread_ended: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._tasks: Iterable[T] = ()
        self._most = 0
        self._small: deque[T] = deque()
        self._large: deque[T] = deque()
        self._all_found = False
        self._running = [0, 0, 0]  # the tasks of each kind in work
        self._done = 0
        self._divisible: list[Divisible] = []
        self._most_helpers = self._helpers = 0  # threads that help and take no task
        self._helper_numbers = itertools.count()
        self._fibers = Fibers()
        self._small_threads = SmallTaskThreads(0)
        self._lock = threading.Lock()
        self._for_fibers = Condition(self._lock, last=True)
        self._for_threads = Condition(self._lock)
        self._for_finder = Condition(self._lock)

    def run(
        self,
        tasks: Iterable[T],
        do: Callable[[T], None],
        *,
        jobs: int,
        small_jobs: int | None = None,
        streams: int | None = None,
        is_small: Callable[[T], bool] = lambda task: False,  # noqa: ARG005
        small_task_threads: SmallTaskThreads | None = None,
    ) -> None:
        """Call `do` with each task, some at a time, until all are done, or the pool is closed or stopped.

        Args:
            tasks: The tasks; they are read in a thread of their own.
            do: Works on one task.
            jobs: The largest number of tasks in work at a time that are not small.
            small_jobs: The largest number of tasks in work at a time in all; None: `jobs`.
            streams: The largest number of threads that work on tasks and help; None: `jobs`.
            is_small: Whether a task may run in a fiber.
            small_task_threads: Decides how many threads take small tasks; None: the usual one.

        Raises:
            BaseException: What `tasks` or `do` raises, once every worker has ended.
        """
        self._tasks, self._most, self._all_found = tasks, max(jobs, small_jobs or jobs), False
        self._most_helpers = max(0, (streams or jobs) - jobs)
        self._small_threads, self._fibers = small_task_threads or SmallTaskThreads(jobs - 1), Fibers()
        self._fibers.left_queue = self._wake_next
        self._start("tasks", self._find_tasks, do, jobs, is_small)
        self.join()
        if self._error is not None:
            raise self._error

    def _start(self, name: str, function: Callable[..., None], *arguments: object) -> bool:
        """Start a thread; return False if the system refuses another thread and some threads run already."""

        def run_and_note_end() -> None:
            try:
                function(*arguments)
            except BaseException as error:  # noqa: BLE001  (a lack of memory, anywhere; raised again by `run`)
                self._error, self._closed = error, True
            finally:
                self._ended_threads.add(name)
                self._thread_ended.put(name)

        thread = threading.Thread(target=run_and_note_end, name=name, daemon=True)
        self._threads.append(thread)
        try:
            thread.start()
        except RuntimeError as error:
            self._threads.remove(thread)
            if len(self._threads) < FEWEST_THREADS:
                raise shortage_error(error) or error from None
            return False
        return True

    def join(self) -> None:
        """Wait for the workers to end. Tasks that were not begun are given up."""
        looked, used = time.monotonic(), 0.0
        # This waits for a queue, not for threads or events: CPython may lose track of those when Ctrl-C arrives (its
        # issue 90882). The first thread has started all others before it ends. One that was not started has no `ident`.
        while any(thread.ident and thread.name not in self._ended_threads for thread in list(self._threads)):
            with contextlib.suppress(queue.Empty):
                self._thread_ended.get(timeout=CHECK)
            if (elapsed := time.monotonic() - looked) >= CHECK:
                before, used = used, self._fibers.waited + time.process_time() + seconds_runnable(self._fibers.thread)
                # while another thread works, the fibers may wait for the interpreter; their wait for a socket and the
                # thread's wait for a processor may be the same time
                self._adjust_threads(elapsed, max(0.0, elapsed - (used - before)))
                looked += elapsed
            if self._is_over():
                with self._lock:
                    self._for_fibers.notify_all()  # an idle fiber does not look by itself
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        self._threads.clear()
        self._ended_threads.clear()
        if isinstance(self._tasks, Generator):
            self._tasks.close()

    @contextlib.contextmanager
    def divisible(self, work: Divisible) -> Iterator[None]:
        """Let idle workers help with `work` while the block lasts."""
        with self._lock:
            self._divisible.append(work)
            self._for_threads.notify_all()
        self._start_helpers()
        try:
            yield
        finally:
            with self._lock:
                self._divisible.remove(work)

    def _start_helpers(self) -> None:
        with self._lock:
            missing, self._helpers = self._most_helpers - self._helpers, self._most_helpers
        for _ in range(missing):
            if not self._start(f"transfer-helper-{next(self._helper_numbers)}", self._help_until_done):
                break

    def _help_until_done(self) -> None:
        while not self._is_over() and self._help():
            pass
        with self._lock:
            self._helpers -= 1

    def wake_workers(self) -> None:
        """Wake the idle workers, because work that was not ready to be divided is now."""
        with self._lock:
            self._for_threads.notify_all()

    def _is_over(self) -> bool:
        return self._closed or self._stop.is_set()

    def _adjust_threads(self, elapsed: float, stuck: float) -> None:
        with self._lock:
            before = self._small_threads.threads
            self._small_threads.adjust(elapsed, stuck, self._done)
            self._done = 0
            if self._small_threads.threads > before:
                self._for_threads.notify_all()

    # The first thread finds tasks

    def _find_tasks(self, do: Callable[[T], None], jobs: int, is_small: Callable[[T], bool]) -> None:
        """Start the other threads, then queue the tasks."""
        try:
            small = [functools.partial(self._work, do, in_fiber=True)] * self._most
            self._start("transfer-small", self._fibers.run, small)
            for i in range(jobs):
                if not self._start(f"transfer-{i}", self._work, do):
                    break  # the threads that run do all the work
            for task in self._tasks:
                if not self._queue(task, small=is_small(task)):
                    break
        except BaseException as error:  # noqa: BLE001  (raised again by `run`)
            self._error, self._closed = error, True
        with self._lock:
            self._all_found = True
            self._wake_all()

    def _queue(self, task: T, *, small: bool) -> bool:
        """Queue a task, and wait while too many are waiting; return False if the pool ends."""
        with self._lock:
            (self._small if small else self._large).append(task)
            self._wake_idle()
            if len(self._small) + len(self._large) >= AHEAD:
                while len(self._small) + len(self._large) > AHEAD // 2 and not self._is_over():
                    self._for_finder.wait(LONGEST_WAIT)
            return not (self._closed or self._stop.is_set())

    # The others work on them

    def _work(self, do: Callable[[T], None], *, in_fiber: bool = False) -> None:
        """Work on tasks; a thread then helps others."""
        kind: int | None = None
        try:
            while (taken := self._next(kind, in_fiber=in_fiber)) is not None:
                task, kind = taken
                do(task)
        except BaseException as error:  # noqa: BLE001  (raised again by `run`)
            self._error, self._closed = error, True
        while not in_fiber and not self._is_over() and self._help():
            pass

    def _next(self, ended: int | None, *, in_fiber: bool) -> tuple[T, int] | None:
        """Wait for the next task, and return it with its kind; None if there will be none.

        Args:
            ended: The kind of the task that this worker has ended; None if it begins its first one.
            in_fiber: Whether the worker is a fiber.
        """
        with self._lock:
            if ended is not None:
                self._done += 1
                self._running[ended] -= 1
            while not (self._closed or self._stop.is_set()):
                if (taken := self._take(in_fiber)) is not None:
                    waiting = len(self._small) + len(self._large)
                    if waiting == AHEAD // 2:
                        self._for_finder.notify()
                    if waiting:
                        self._wake_idle()
                    elif self._all_found:
                        self._wake_all()
                    return taken
                if not self._small and not self._large and self._all_found:
                    if not sum(self._running):  # threads that wait to help may end
                        self._for_threads.notify_all()
                    break
                if ended is not None:
                    self._wake_idle()  # this worker has made room that it cannot use itself
                    ended = None
                (self._for_fibers if in_fiber else self._for_threads).wait(None if in_fiber else LONGEST_WAIT)
        return None

    def _take(self, in_fiber: bool) -> tuple[T, int] | None:
        """Return a task that may begin, with its kind; None if there is none for this kind of worker.

        Large tasks take longer, so they are taken first. `SmallTaskThreads` says how many small tasks threads take.
        """
        small, large, running, threads = self._small, self._large, self._running, self._small_threads.threads
        if not (small or large) or sum(running) >= self._most:
            return None
        if in_fiber:
            if large or running[FIBER] >= self._most - threads or self._fibers.queued >= QUEUED:
                return None
            running[FIBER] += 1
            return small.popleft(), FIBER
        if large:
            running[LARGE] += 1
            return large.popleft(), LARGE
        if running[THREAD] >= threads:
            return None
        running[THREAD] += 1
        return small.popleft(), THREAD

    def _wake_idle(self) -> None:
        """Wake a thread and a fiber, if each may begin a task that waits; see `_take`."""
        running, threads = self._running, self._small_threads.threads
        if not (self._small or self._large) or sum(running) >= self._most:
            return
        if self._large or running[THREAD] < threads:
            self._for_threads.notify()
        if not self._large and running[FIBER] < self._most - threads and self._fibers.queued < QUEUED:
            self._for_fibers.notify()

    def _wake_next(self) -> None:
        with self._lock:
            self._wake_idle()

    def _wake_all(self) -> None:
        self._for_fibers.notify_all()
        self._for_threads.notify_all()

    def _help(self) -> bool:
        """Help once, or wait until help may be needed; return False if all tasks have ended."""
        with self._lock:
            candidates = list(self._divisible)
        if any(work.help() for work in candidates):
            return True
        with self._lock:
            if sum(self._running) and not self._is_over():
                self._for_threads.wait(LONGEST_WAIT)  # a stream that breaks off leaves a range to help with
            return bool(sum(self._running))
