"""The tasks that were found and wait for a batch, and the size of the next batch."""

from __future__ import annotations

import contextlib
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

BATCHES_AHEAD = 8
"""As many full batches of small files may wait; then no further files are looked for."""

CHECK = 0.05
"""Seconds between two looks at the stop of the run."""


class TaskQueue:
    """The tasks that wait for a worker. A thread finds them.

    Attributes:
        change: Notified when the last task is found. The caller holds it for `cut` and `is_empty`.
        taken: The number of tasks that `take_all` has yielded.
    """

    def __init__(self, most_files: int | None = None) -> None:
        """Start without tasks.

        Args:
            most_files: The largest number of files in a batch; None: `MOST_FILES`.
        """
        self.change = threading.Condition()
        self.taken = 0
        self._most_files = most_files or MOST_FILES
        self._tasks: deque[Task] = deque()
        self._size = 0
        self._is_closed = False
        self._all_found = False
        self._idle_since: float | None = None
        self._error: BaseException | None = None

    @contextlib.contextmanager
    def reading(self, tasks: Iterable[Task]) -> Iterator[None]:
        """Read the tasks in a thread of their own, while the block lasts; then raise what `tasks` has raised."""
        reader = threading.Thread(target=self._read, args=(tasks,), name="tasks", daemon=True)
        reader.start()
        try:
            yield
        finally:
            with self.change:
                self._is_closed = True
                self.change.notify_all()
            reader.join()
        if self._error is not None:
            raise self._error

    def _read(self, tasks: Iterable[Task]) -> None:
        try:
            for task in tasks:
                if not self._add(task):
                    break
            if isinstance(tasks, Generator):
                tasks.close()
        except BaseException as error:  # noqa: BLE001  (raised again in the thread of the caller)
            self._error = error
        with self.change:
            self._all_found = True
            self.change.notify_all()

    def _add(self, task: Task) -> bool:
        with self.change:
            while len(self._tasks) >= BATCHES_AHEAD * self._most_files and not self._is_closed:
                self.change.wait(CHECK)
            self._tasks.append(task)
            self._size += task.size
            return not self._is_closed

    @property
    def is_empty(self) -> bool:
        """Whether there is no task, and there will be none."""
        return self._all_found and not self._tasks

    @property
    def waiting(self) -> int:
        """The number of tasks that were found and that nobody has taken."""
        return len(self._tasks)

    def cut(self, at_once: int) -> list[Task]:
        """Return the tasks of the next batch; none if a fuller batch may be had soon.

        Args:
            at_once: The number of batches that are in work at the same time.
        """
        is_full = len(self._tasks) >= self._most_files or self._size >= MOST_BYTES
        if not (is_full or self._all_found or self._has_waited()):
            return []
        self._idle_since = None
        most, most_bytes = self._most_files, MOST_BYTES
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
            with self.change:
                while not self._tasks and not self._all_found:
                    self.change.wait(CHECK)
                if not self._tasks:
                    return
                task = self._tasks.popleft()
                self._size -= task.size
                self.taken += 1
            yield task
