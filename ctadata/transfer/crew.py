"""The workers of a run: so many tasks at a time; who finds none left helps those whose work can be divided."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

from ctadata.transfer.crowding import Crowding

T = TypeVar("T")

LOOK = 0.05
"""Seconds between two looks at how the workers get on; and Ctrl-C must be heard."""

PATIENCE = 0.2
"""Seconds that a worker without a task waits for word at most: a stop sends none."""


class Divisible(Protocol):
    """Work of one worker that others can take a part of."""

    def help(self) -> bool:
        """Take a part and do it; False where nothing is left that is worth dividing. Never raises."""


class Crew(Generic[T]):
    """Threads that work off tasks as they are found: each takes the next one when it has done its last."""

    def __init__(self, stop: threading.Event) -> None:
        """No thread is started. `stop`: set by whoever wants the workers to end."""
        self._stop = stop
        self._ended = False
        self._fault: BaseException | None = None
        self._threads: list[threading.Thread] = []
        self._tasks: Iterator[T] = iter(())
        self._taking = threading.Lock()
        self._lock = threading.Lock()
        self._change = threading.Condition(self._lock)
        self._crowding = Crowding(0)
        self._unfinished = 0
        self._done = 0
        self._worked = 0.0
        self._all_taken = False
        self._divisible: list[Divisible] = []

    def work_off(
        self, tasks: Iterable[T], do: Callable[[T], None], *, threads: int, crowding: Crowding | None = None
    ) -> None:
        """Hand the tasks to `do`, so many at a time, until all are done, or the run has ended or was stopped.

        `tasks` is read in the workers. What it raises, or `do`, ends the run and is raised here, once every worker
        has ended. crowding: says how many of them take tasks; None: all.
        """
        self._tasks, self._all_taken = iter(tasks), False
        self._crowding = crowding or Crowding(threads, pinned=True)
        for i in range(threads):
            thread = threading.Thread(target=self._work, args=(do, i), name=f"transfer-{i}", daemon=True)
            self._threads.append(thread)
            thread.start()
        self.join()
        if self._fault is not None:
            raise self._fault

    def end(self) -> None:
        """No further task is begun."""
        self._ended = True

    def join(self) -> None:
        """Wait for the workers; tasks that nobody has asked for are given up."""
        looked = time.monotonic()
        # one that an interrupt kept from being started cannot be waited for
        while alive := next((thread for thread in self._threads if thread.is_alive()), None):
            alive.join(LOOK)
            if (passed := time.monotonic() - looked) >= LOOK:
                self._look(passed)
                looked += passed
        self._threads.clear()
        if isinstance(self._tasks, Generator):
            self._tasks.close()

    @contextmanager
    def divisible(self, work: Divisible) -> Iterator[None]:
        """While this lasts, whoever has no task may help with `work`."""
        with self._lock:
            self._divisible.append(work)
            self._change.notify_all()
        try:
            yield
        finally:
            with self._lock:
                self._divisible.remove(work)

    def rouse(self) -> None:
        """Work that was not ready to be divided is now."""
        with self._lock:
            self._change.notify_all()

    def _is_over(self) -> bool:
        return self._ended or self._stop.is_set()

    def _look(self, passed: float) -> None:
        with self._lock:
            before = self._crowding.width
            self._crowding.look(passed, self._worked, self._done)
            self._worked, self._done = 0.0, 0
            if self._crowding.width > before:
                self._change.notify_all()

    def _work(self, do: Callable[[T], None], place: int) -> None:
        try:
            while (task := self._take(place)) is not None:
                began = time.thread_time()
                do(task)
                self._count(time.thread_time() - began)
        except BaseException as error:  # noqa: BLE001  (raised again by `work_off`)
            self._fault, self._ended = error, True
        while not self._is_over() and self._help():
            pass

    def _take(self, place: int) -> T | None:
        if place >= self._crowding.width:
            self._step_back(place)
        with self._taking:
            task = None if self._is_over() else next(self._tasks, None)
            with self._lock:
                if task is not None:
                    self._unfinished += 1
                else:
                    self._all_taken = True
                    self._change.notify_all()
            return task

    def _step_back(self, place: int) -> None:
        """Wait until there is room for this worker; no longer than there are tasks, for then it helps."""
        with self._lock:
            while place >= self._crowding.width and not self._all_taken and not self._is_over():
                self._change.wait(PATIENCE)

    def _count(self, worked: float) -> None:
        with self._lock:
            self._worked += worked
            self._done += 1
            self._unfinished -= 1
            if self._all_taken and not self._unfinished:  # who helps may go home; others would be woken in vain
                self._change.notify_all()

    def _help(self) -> bool:
        """Help once, or wait for a chance to; False where all tasks have ended."""
        with self._lock:
            candidates = list(self._divisible)
        if any(work.help() for work in candidates):
            return True
        with self._lock:
            if self._unfinished and not self._is_over():
                self._change.wait(PATIENCE)  # what was not worth dividing may be when a stream breaks off
            return bool(self._unfinished)
