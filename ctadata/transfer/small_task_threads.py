"""SmallTaskThreads: decide how many threads take small tasks beside the fibers."""

from __future__ import annotations

STUCK = 0.4
"""The share of time in which the process did not work and no fiber waited, from which more threads are tried."""

FREE = 0.1
"""The same share, below which half of the threads stop taking small tasks."""

GAIN = 1.1
"""The factor by which more threads must raise the files per second, or they stop again."""

REST, LONGEST_REST = 4, 64
"""Checks until more threads are tried again after a trial without gain; the rest doubles each time, up to the longest.
"""


class SmallTaskThreads:
    """Decides how many threads take small tasks beside the fibers. One thread at a time may call it.

    Attributes:
        threads: The number of these threads.
    """

    def __init__(self, most: int) -> None:
        """Start without threads; never allow more than `most`."""
        self.threads = 0
        self._most = most
        self._before: tuple[int, float] | None = None  # the number of threads before the trial, and its files a second
        self._rest, self._next_rest = 0, REST

    def adjust(self, elapsed: float, stuck: float, done: int) -> None:
        """Adjust the number of threads to what happened since the last call.

        Args:
            elapsed: Seconds since the last call.
            stuck: Seconds of these in which the process did not work and no fiber waited.
            done: Files done in this time.
        """
        rate, (before, self._before) = done / elapsed, (self._before, None)
        self._rest = max(0, self._rest - 1)
        if before and rate < GAIN * before[1]:
            self.threads, self._rest = before[0], self._next_rest
            self._next_rest = min(LONGEST_REST, 2 * self._next_rest)
        elif stuck < FREE * elapsed:
            self.threads //= 2
        elif stuck > STUCK * elapsed and done and self.threads < self._most and not self._rest:
            self._before = (self.threads, rate)
            self.threads = min(self._most, max(1, 2 * self.threads))
