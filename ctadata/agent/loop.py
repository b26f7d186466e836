"""The loop of the agent: refresh ahead of expiry, for as long as the login lasts."""

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
"""Seconds after which a wait looks at the clock: while a machine sleeps, waits do not go on, and tokens expire."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoopStatus:
    """How the loop is: the published token, when it will be refreshed (None: never), and what went wrong last."""

    token: Token
    next_refresh: float | None
    error: CtadataError | None = None


class RenewToken(Protocol):
    """Gets a newer token than the known one, and publishes it."""

    def __call__(self, known: Token, stop: Event | None = None) -> Token:
        """The newer one; raises what `Renewal.renew` does."""


def keep_fresh(
    token: Token,
    renew: RenewToken,
    tell: Callable[[LoopStatus], None],
    stop: Event,
    *,
    now: Callable[[], float] = time.time,
    wait: Callable[[float], object] | None = None,
    jitter: Callable[[], float] = random.random,
) -> CtadataError | None:
    """Renew `token` and its successors until `stop` is set (then None), or only a person can help (then why).

    tell: is told of every change.
    wait: passes some seconds, and returns early once `stop` is set; `stop.wait` unless told otherwise.
    Trouble that passes changes nothing but the time of the next try: the published token stays while it is valid.
    """
    failures, margin, error = 0, 0.0, None
    due = refresh_at(token, now(), jitter())
    while True:
        tell(LoopStatus(token, due, error))
        if not _passed(due, stop, now, wait or stop.wait):
            return None
        if not failures:
            margin = token.life_left(now())
        try:
            token = require_unexpired(renew(token, stop), now())
        except Stopped:
            return None
        except (LoginNeeded, ConfigError) as ended:
            log.error("the agent ends: %s", ended)  # noqa: TRY400  (a traceback says nothing more)
            tell(LoopStatus(token, None, ended))
            return ended
        except Exception as raised:  # noqa: BLE001
            trouble = _known(raised)
            failures, error = failures + 1, trouble
            due = now() + pause_after(failures, trouble.retry_after, jitter(), margin)
            log.warning("failure %d in a row: %s; next try in %.0f s", failures, trouble, due - now())
        else:
            failures, error = 0, None
            due = refresh_at(token, now(), jitter())
            log.info("renewed: %.0f s to live, next in %.0f s", token.life_left(now()), due - now())


def _known(raised: Exception) -> CtadataError:
    """What was raised; a fault of our own is logged, and passes as well: an agent that has died renews nothing."""
    if isinstance(raised, CtadataError):
        return raised
    log.error("unexpected", exc_info=raised)
    return CtadataError(f"unexpected {type(raised).__name__}", hint="this is a fault of ctadata: agent-log shows it")


def _passed(due: float, stop: Event, now: Callable[[], float], wait: Callable[[float], object]) -> bool:
    """Wait until `due` by the clock on the wall, and never longer than it seemed at first, should that be set back.

    False where `stop` was set.
    """
    left = due - now()
    while left > 0 and not stop.is_set():
        step = min(left, LONGEST_STEP)
        wait(step)
        left = min(left - step, due - now())
    return not stop.is_set()
