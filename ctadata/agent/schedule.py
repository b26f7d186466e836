"""When to refresh, and how long to wait after a failure. All times in seconds."""

from __future__ import annotations

from ctadata.errors import TemporaryError
from ctadata.tokens.token import Token

ASSUMED_LIFE = 300.0
"""What a token is taken to live where nobody said; short, since a refresh too many does no harm."""

SHORTEST_PAUSE = 0.5
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 300.0
LEAST_LONGEST_PAUSE = 30.0


def refresh_at(token: Token, now: float, jitter: float) -> float:
    """When to refresh: at two thirds of its life, and at least 60 s and a fifth of its life before its end.

    Tokens that live for a few minutes or less are refreshed at a third of their life at the earliest.
    jitter: in [0, 1), brings it forward by up to a tenth, so that a thousand agents do not ask at once.
    """
    life = token.lifetime or ASSUMED_LIFE
    begun = now if token.expires_at is None else token.expires_at - life
    latest = life - max(60.0, life / 5)
    due = begun + max(min(life * 2 / 3 * (1 - jitter / 10), latest), life / 3)
    return max(due, now + SHORTEST_PAUSE)


def pause_after(failures: int, retry_after: float | None, jitter: float, margin: float = LONGEST_PAUSE) -> float:
    """Seconds to wait after so many failures in a row: doubling from 1 s to 5 min, half of it random.

    margin: seconds that the token had left at the first of them. No pause is longer (but for 30 s), so that nobody is
    without a token for longer than the issuer was away.
    What the issuer asked for (Retry-After) comes first, up to the same 5 min.
    """
    longest = min(max(margin, LEAST_LONGEST_PAUSE), LONGEST_PAUSE)
    pause = min(FIRST_PAUSE * 2.0 ** min(failures - 1, 20), longest) * (0.5 + jitter / 2)
    return max(pause, min(retry_after or 0.0, LONGEST_PAUSE))


def require_unexpired(token: Token, now: float) -> Token:
    """The token, unless the issuer says that it is over already (TemporaryError): it is worse than the one before it,
    and asking again at once would go on for ever.
    """
    if token.life_left(now) <= 0:
        raise TemporaryError("the issuer gave a token that has expired already", hint="is one of the clocks wrong?")
    return token
