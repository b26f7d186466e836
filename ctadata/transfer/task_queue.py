"""The tasks that were found and wait for a batch, and the size of the next batch."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator

from ctadata.transfer.run import Task

MOST_FILES, MOST_BYTES = 500, 2 << 30
"""The largest number of files, and of their bytes, in a batch of more than one file."""

FEWEST_FILES, FEWEST_BYTES = 16, 64 << 20
"""A batch with so many files, or so many bytes, is not divided further when the last files are shared out."""

PATIENCE = 0.2
"""Seconds that an idle worker waits for a full batch."""

AHEAD = 8 * MOST_FILES
"""The largest number of files that wait for a batch; then no further files are looked for."""

CHECK = 0.05
"""Seconds between two looks at the stop of the run."""


class TaskQueue:
    """The tasks that wait for a batch. A thread finds them.

    Attributes:
        error: What the iterator of the tasks has raised; None if it has raised nothing.
    """

    def __init__(self, change: threading.Condition) -> None:
        """Start without tasks.

        Args:
            change: Notified when the last task is found; the caller holds it where a method does not say otherwise.
        """
        self._change = change
        self._tasks: deque[Task] = deque()
        self._size = 0
        self._is_closed = False
        self._all_found = False
        self._idle_since: float | None = None
        self.error: BaseException | None = None

    def read(self, tasks: Iterable[Task]) -> None:
        """Read the tasks, in a thread, until there are no more."""
        try:
            for task in tasks:
                if not self._add(task):
                    break
            if isinstance(tasks, Generator):
                tasks.close()
        except BaseException as error:  # noqa: BLE001  (raised again in the thread that hands out)
            self.error = error
        with self._change:
            self._all_found = True
            self._change.notify_all()

    def _add(self, task: Task) -> bool:
        with self._change:
            while len(self._tasks) >= AHEAD and not self._is_closed:
                self._change.wait(CHECK)
            self._tasks.append(task)
            self._size += task.size
            return not self._is_closed

    @property
    def is_empty(self) -> bool:
        """Whether there is no task, and there will be none."""
        return self._all_found and not self._tasks

    def cut(self, at_once: int) -> list[Task]:
        """Return the tasks of the next batch; none if a fuller batch may be had soon.

        Args:
            at_once: The number of batches that are in work at the same time.
        """
        is_full = len(self._tasks) >= MOST_FILES or self._size >= MOST_BYTES
        if not (is_full or self._all_found or self._has_waited()):
            return []
        self._idle_since = None
        most, most_bytes = MOST_FILES, MOST_BYTES
        if self._all_found or not is_full:  # every worker gets some, and all end at about the same time
            most = min(most, max(FEWEST_FILES, len(self._tasks) // (2 * at_once)))
            most_bytes = min(most_bytes, max(FEWEST_BYTES, self._size // (2 * at_once)))
        batch: list[Task] = []
        size = 0
        while self._tasks and len(batch) < most and (not batch or size + self._tasks[0].size <= most_bytes):
            batch.append(self._tasks.popleft())
            size += batch[-1].size
        self._size -= size
        return batch

    def _has_waited(self) -> bool:
        now = time.monotonic()
        if self._idle_since is None:
            self._idle_since = now
        return now - self._idle_since >= PATIENCE

    def take_all(self) -> Iterator[Task]:
        """Yield the tasks one by one, until no more are found."""
        while True:
            with self._change:
                while not self._tasks and not self._all_found:
                    self._change.wait(CHECK)
                if not self._tasks:
                    return
                task = self._tasks.popleft()
                self._size -= task.size
            yield task

    def close(self) -> None:
        """Let the thread that reads end."""
        with self._change:
            self._is_closed = True
            self._change.notify_all()
