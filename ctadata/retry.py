"""Retry: how often and how patiently anything is tried again, and the one loop that does it.

Loops nest: a file's transfer holds requests, and each of both may be tried again. What one of them has given up, no
other one begins anew (`CtadataError.given_up`), so that attempts add up and never multiply.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from ctadata.errors import Busy, CtadataError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Retries:
    """How often and how patiently something is tried.

    attempts: attempts at most, the first included.
    busy:     the same at a server that is busy, which has done nothing: more than the 10 s for which a dCache door
              shuts out an address that somebody has made suspicious (dcache.md 3).
    within:   seconds from the first failure in which another attempt may start.
    first, longest: the pause in seconds before the second attempt, doubling up to the longest; half of it is random.
    """

    attempts: int = 4
    busy_attempts: int = 7
    time_limit: float = 120.0
    first_pause: float = 0.5
    longest_pause: float = 20.0

    def pause(self, attempt: int, error: CtadataError, elapsed: float, jitter: float) -> float | None:
        """Seconds to wait after attempt number `attempt` (from 1) failed; None for giving up. `jitter` is in [0, 1)."""
        usual = min(self.first_pause * 2 ** (attempt - 1), self.longest_pause) * (0.5 + jitter / 2)
        # never all at the same moment after what the server named (Retry-After comes in whole seconds)
        seconds = usual if error.retry_after is None else error.retry_after + jitter * self.first_pause
        attempts = self.busy_attempts if isinstance(error, Busy) else self.attempts
        return seconds if attempt < attempts and elapsed + seconds <= self.time_limit else None


def retry(
    attempt: Callable[[], T],
    retries: Retries,
    *,
    may_retry: Callable[[CtadataError], bool],
    wait: Callable[[CtadataError, float], object],
    has_progressed: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.monotonic,
    jitter: Callable[[], float] = random.random,
) -> T:
    """Do `attempt`, and again after errors that pass; raises the last one, which says how often it was begun anew.

    may:  whether this error may be tried again; what an inner loop has given up never is.
    wait: is given the error and the seconds to wait, and may prepare the next attempt; what it raises ends the loop.
    has_progressed: whether something was kept since it was last asked: then the attempts are counted anew.
    """
    number, count = 1, 0
    failing_since: float | None = None
    while True:
        try:
            return attempt()
        except CtadataError as error:
            error.retries = count
            if error.given_up or not may_retry(error):
                raise
            if has_progressed():
                number, failing_since = 0, None
            now = clock()
            failing_since = now if failing_since is None else failing_since
            pause = retries.pause(number, error, now - failing_since, jitter())
            if pause is None:
                error.given_up = True
                raise
            wait(error, pause)
        number, count = number + 1, count + 1
