"""The retry policy, and the one loop that applies it.

Loops are nested: a file's transfer sends requests, and both may be retried. An outer loop never repeats work that an
inner loop has given up (`CtadataError.given_up`), so that attempts add up and do not multiply.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from ctadata.errors import Busy, CtadataError

T = TypeVar("T")


class Retries(NamedTuple):
    """How often, and for how long, a failed attempt is repeated.

    Attributes:
        attempts: The largest number of attempts, with the first one.
        busy_attempts: The largest number of attempts at a busy server, which has not done anything. They take longer
            than the 10 s for which a dCache door shuts out an address after failed logins (dcache.md 3).
        time_limit: Seconds from the first failure within which another attempt may start.
        first_pause: Seconds before the second attempt. Each pause is twice the last one, and half of it is random.
        longest_pause: The longest pause in seconds.
    """

    attempts: int = 4
    busy_attempts: int = 7
    time_limit: float = 120.0
    first_pause: float = 0.5
    longest_pause: float = 20.0

    def pause(self, attempt: int, error: CtadataError, elapsed: float, jitter: float) -> float | None:
        """Return the seconds to wait after a failed attempt; None to give up.

        Args:
            attempt: The number of the attempt, from 1.
            error: Its error; a `retry_after` replaces the usual pause.
            elapsed: Seconds since the first failure.
            jitter: A random number in [0, 1).
        """
        usual = min(self.first_pause * 2 ** (attempt - 1), self.longest_pause) * (0.5 + jitter / 2)
        # clients must not return all at the same moment: Retry-After is in whole seconds
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
    """Call `attempt` until it succeeds, and return its result.

    Args:
        attempt: The work.
        retries: How often, and for how long, it is repeated.
        may_retry: Whether this error may be retried; an error that an inner loop has given up never is.
        wait: Receives the error and the seconds to wait. It may prepare the next attempt, and its exception ends the
            loop.
        has_progressed: Whether the attempts have kept any result since the last call; then the count starts again.
        clock: Return the seconds of a monotonic clock.
        jitter: Return a random number in [0, 1).

    Raises:
        CtadataError: The error of the last attempt; its `retries` says how often the work was repeated.
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
