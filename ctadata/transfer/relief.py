"""How many threads relieve the fibers of small files: none, but where the disk holds the fibers up.

Fibers go on while one waits for the network, and stand still while one waits for the disk: a distant file system takes
milliseconds for each file. Whether threads get more done shows when they are tried.
"""

from __future__ import annotations

STUCK = 0.4
"""Share of the time that has passed in which the fibers neither worked nor waited, from which threads are tried."""

FREE = 0.1
"""The same, below which half of the threads go."""

GAIN = 1.1
"""Of the files a second that were done before: what more threads must get done to stay."""

REST, LONGEST_REST = 4, 64
"""Looks until more are tried again, where they got no more done; twice as many each time, at most so many."""


class ReliefThreads:
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
