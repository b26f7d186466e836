"""So many bytes a second, over all streams together, up and down: what `--limit-rate` asks for.

Whoever has moved bytes tells the reporter; here he waits with it until their time has come. So the connection fills up
meanwhile, the sender slows down, and nobody takes the pause for a stall: bytes have moved since the last look.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ctadata.transfer.report import Outcome, Reporter

SAVED = 0.25
"""Seconds of unused allowance that may be used up later: no pause ends on the dot."""

SHORTEST = 0.01
"""Seconds below which nobody pauses."""


class RateLimiter:
    """Takes bytes and waits until the next ones may move: a virtual schedule, as in ITU-T I.371's GCRA; any thread."""

    def __init__(
        self,
        rate: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """`rate` in bytes a second; `clock` gives seconds, `sleep` waits for some, less where all is to stop."""
        self._rate = rate
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._paid_until = clock()

    def take(self, size: int) -> None:
        """So many bytes have moved; returns when the next ones may."""
        with self._lock:
            now = self._clock()
            self._paid_until = max(self._paid_until, now - SAVED) + size / self._rate
            wait = self._paid_until - now
        if wait > SHORTEST:
            self._sleep(wait)


class ThrottledReporter:
    """A reporter to whom bytes are told no faster than they may move."""

    def __init__(self, inner: Reporter, allowance: RateLimiter) -> None:
        """Everything goes to `inner`."""
        self._inner = inner
        self._allowance = allowance

    def moved(self, name: str, size: int) -> None:
        """Bytes went by; what turned out void has moved all the same."""
        self._inner.moved(name, size)
        if size > 0:
            self._allowance.take(size)

    def planned(self, files: int, size: int) -> None:
        """So many more."""
        self._inner.planned(files, size)

    def ended(self, outcome: Outcome) -> None:
        """One more has ended."""
        self._inner.ended(outcome)

    def remarked(self, words: str) -> None:
        """A sentence."""
        self._inner.remarked(words)
