"""The agent's loop: refresh the token before it expires, as long as the login lasts."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import Protocol

from ctadata.agent.schedule import pause_after, refresh_at, require_unexpired
from ctadata.errors import ConfigError, CtadataError, LoginNeeded, Stopped
from ctadata.tokens.token import Token

LONGEST_STEP = 30.0
"""The longest wait without a look at the clock, in seconds.

While a machine sleeps, waits stand still and tokens expire.
"""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoopStatus:
    """The status of the loop.

    Attributes:
        token: The published token.
        next_refresh: The time of the next refresh, in seconds since 1970. None after the end of the loop.
        error: The last failure. None after a success.
    """

    token: Token
    next_refresh: float | None
    error: CtadataError | None = None


class RenewToken(Protocol):
    """Gets a newer token than the known one, and publishes it."""

    def __call__(self, known: Token, stop: Event | None = None) -> Token:
        """Return the newer token.

        Raises:
            CtadataError: Any error that `Renewal.renew` raises.
        """


def keep_fresh(
    token: Token,
    renew: RenewToken,
    report: Callable[[LoopStatus], None],
    stop: Event,
    *,
    now: Callable[[], float] = time.time,
    wait: Callable[[float], object] | None = None,
    jitter: Callable[[], float] = random.random,
) -> CtadataError | None:
    """Renew a token and its successors until `stop` is set, or until only the user can help.

    A temporary failure changes only the time of the next attempt. The published token stays while it is valid.

    Args:
        token: The token to start with.
        renew: Gets and publishes a newer token.
        report: Receives the status after each change.
        stop: When set, the loop ends.
        now: Returns the local time in seconds since 1970.
        wait: Sleeps for some seconds, and returns early when `stop` is set. None uses `stop.wait`.
        jitter: Returns a random number in [0, 1), which spreads the refreshes of many agents.

    Returns:
        The error that only the user can mend. None if `stop` was set.
    """
    failures, margin, error = 0, 0.0, None
    due = refresh_at(token, now(), jitter())
    while True:
        report(LoopStatus(token, due, error))
        if not _wait_until(due, stop, now, wait or stop.wait):
            return None
        if not failures:
            margin = token.life_left(now())
        try:
            token = require_unexpired(renew(token, stop), now())
        except Stopped:
            return None
        except (LoginNeeded, ConfigError) as ended:
            log.error("the agent ends: %s", ended)  # noqa: TRY400  (a traceback says nothing more)
            report(LoopStatus(token, None, ended))
            return ended
        except Exception as raised:  # noqa: BLE001
            failure = _as_ctadata_error(raised)
            failures, error = failures + 1, failure
            due = now() + pause_after(failures, failure.retry_after, jitter(), margin)
            log.warning("failure %d in a row: %s; next try in %.0f s", failures, failure, due - now())
        else:
            failures, error = 0, None
            due = refresh_at(token, now(), jitter())
            log.info("renewed: %.0f s to live, next in %.0f s", token.life_left(now()), due - now())


def _as_ctadata_error(raised: Exception) -> CtadataError:
    """Return the failure.

    An error in this package is logged, and the loop goes on: an agent that died would renew nothing.
    """
    if isinstance(raised, CtadataError):
        return raised
    log.error("unexpected", exc_info=raised)
    return CtadataError(f"unexpected {type(raised).__name__}", hint="this is a bug in ctadata: agent-log shows it")


def _wait_until(due: float, stop: Event, now: Callable[[], float], wait: Callable[[float], object]) -> bool:
    """Wait until `due`, and return False if `stop` was set.

    If the clock is set back, the wait is not longer than it was planned.
    """
    left = due - now()
    while left > 0 and not stop.is_set():
        step = min(left, LONGEST_STEP)
        wait(step)
        left = min(left - step, due - now())
    return not stop.is_set()
