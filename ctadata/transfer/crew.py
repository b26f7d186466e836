"""The workers of a run: so many tasks at a time; who has none left helps those whose work can be divided."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


class Divisible(Protocol):
    """Work of one worker that others can take a part of."""

    def help(self) -> bool:
        """Take a part and do it; False where nothing is left that is worth dividing. Never raises."""


class Crew(Generic[T]):
    """Threads that work off tasks as they are found."""

    def __init__(self, stop: threading.Event) -> None:
        """No thread is started. `stop`: set by whoever wants the workers to end."""
        self._stop = stop
        self._ended = False
        self._fault: BaseException | None = None
        self._threads: list[threading.Thread] = []
        self._waiting: queue.Queue[T | None] = queue.Queue()
        self._change = threading.Condition()
        self._unfinished = 0
        self._divisible: list[Divisible] = []

    def work_off(self, tasks: Iterable[T], do: Callable[[T], None], *, threads: int) -> None:
        """Hand the tasks to `do`, so many at a time; `join` waits for the last ones."""
        self._waiting = queue.Queue(2 * threads)
        for i in range(threads):
            thread = threading.Thread(target=self._work, args=(do,), name=f"transfer-{i}", daemon=True)
            self._threads.append(thread)
            thread.start()
        try:
            self._hand_out(tasks)
        except BaseException:
            self.end()
            raise

    def _hand_out(self, tasks: Iterable[T]) -> None:
        for task in tasks:
            self._count(+1)
            if not self._put(task):
                return
        for _ in self._threads:
            self._put(None)

    def end(self) -> None:
        """No further task is begun."""
        self._ended = True

    def join(self) -> None:
        """Wait for the workers; those without a task end at once where the run has ended or was stopped.

        What `do` raised, if anything, is raised here.
        """
        while any(thread.is_alive() for thread in self._threads):
            for thread in self._threads:
                thread.join(0.2)  # in small steps: Ctrl-C must be heard
        self._threads.clear()
        if self._fault is not None:
            raise self._fault

    @contextmanager
    def divisible(self, work: Divisible) -> Iterator[None]:
        """While this lasts, whoever has no task may help with `work`."""
        with self._change:
            self._divisible.append(work)
            self._change.notify_all()
        try:
            yield
        finally:
            with self._change:
                self._divisible.remove(work)

    def _count(self, tasks: int) -> None:
        with self._change:
            self._unfinished += tasks
            self._change.notify_all()

    def _is_over(self) -> bool:
        return self._ended or self._stop.is_set()

    def _put(self, task: T | None) -> bool:
        """Wait for a place in the queue; False where the run ended meanwhile."""
        while not self._is_over():
            try:
                self._waiting.put(task, timeout=0.2)
            except queue.Full:
                continue
            return True
        return False

    def _work(self, do: Callable[[T], None]) -> None:
        while (task := self._take()) is not None:
            try:
                do(task)
            except BaseException as error:  # noqa: BLE001  (raised again by `join`)
                self._fault, self._ended = error, True
            self._count(-1)
        while not self._is_over() and self._help():
            pass

    def _take(self) -> T | None:
        while not self._is_over():
            try:
                task = self._waiting.get(timeout=0.2)
            except queue.Empty:
                continue
            return task
        return None

    def _help(self) -> bool:
        """Help once, or wait for a chance to; False where all tasks have ended."""
        with self._change:
            candidates = list(self._divisible)
        if any(work.help() for work in candidates):
            return True
        with self._change:
            if self._unfinished and not self._is_over():
                self._change.wait(0.2)
            return bool(self._unfinished)
