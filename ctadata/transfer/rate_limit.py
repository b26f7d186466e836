"""Limit the bytes per second of all streams of a run together, in both directions: `--limit-rate`.

A thread that has moved bytes reports them, and `ThrottledReporter` lets it wait there until the next bytes may move.
Meanwhile the connection's buffers fill and the sender slows down. The stall check of the HTTP client is not disturbed:
bytes have moved since it last looked.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime

from ctadata.transfer.report import Outcome, Reporter
from ctadata.transfer.timetable import Rate, Timetable

SAVED = 0.25
"""Seconds of unused rate that may be used up later, because no pause ends exactly on time."""

SHORTEST = 0.01
"""Seconds below which no thread pauses."""


class RateLimiter:
    """Let bytes pass at a limited rate: a virtual schedule, as in ITU-T I.371's GCRA. Any thread may call `take`."""

    def __init__(
        self,
        rate: Rate,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        """Start with no bytes.

        Args:
            rate: Bytes per second, or a timetable.
            clock: Returns seconds of a monotonic clock.
            sleep: Waits for some seconds, or less if the run is stopped.
            now: Returns the local time, for the timetable.
        """
        self._rate = rate
        self._clock = clock
        self._sleep = sleep
        self._local_time = now
        self._lock = threading.Lock()
        self._free_at = clock()

    def take(self, size: int) -> None:
        """Count `size` bytes that have moved, and return when the next bytes may move."""
        rate = self._rate.at(self._local_time()) if isinstance(self._rate, Timetable) else self._rate
        if rate is None:
            return
        with self._lock:
            now = self._clock()
            self._free_at = max(self._free_at, now - SAVED) + size / rate
            wait = self._free_at - now
        if wait > SHORTEST:
            self._sleep(wait)


class ThrottledReporter:
    """A reporter that lets the caller of `moved` wait, so that the rate is kept."""

    def __init__(self, inner: Reporter, limiter: RateLimiter) -> None:
        """Pass everything on to `inner`."""
        self._inner = inner
        self._limiter = limiter

    def moved(self, name: str, size: int) -> None:
        """Pass on, and wait. Bytes that no longer count (a negative size) have moved all the same."""
        self._inner.moved(name, size)
        if size > 0:
            self._limiter.take(size)

    def started(self, name: str, size: int) -> None:
        """Pass on."""
        self._inner.started(name, size)

    def planned(self, files: int, size: int) -> None:
        """Pass on."""
        self._inner.planned(files, size)

    def ended(self, outcome: Outcome) -> None:
        """Pass on."""
        self._inner.ended(outcome)

    def remarked(self, words: str) -> None:
        """Pass on."""
        self._inner.remarked(words)

    def paused(self) -> AbstractContextManager[None]:
        """Pass on."""
        return self._inner.paused()
