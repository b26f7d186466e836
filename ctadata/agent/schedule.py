"""The time of the next refresh, and the pause after a failure. All times are in seconds."""

from __future__ import annotations

from ctadata.errors import TemporaryError
from ctadata.tokens.token import Token

ASSUMED_LIFE = 300.0
"""The assumed life of a token that does not say its own. It is short, because one refresh too many does no harm."""

SHORTEST_PAUSE = 0.5
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 300.0
LEAST_LONGEST_PAUSE = 30.0


def refresh_at(token: Token, now: float, jitter: float) -> float:
    """Return the time of the next refresh: after two thirds of the token's life, and at least 60 s before its end.

    It is also at least a fifth of the life before the end. Tokens that live a few minutes or less are refreshed after a
    third of their life at the earliest.

    Args:
        token: The token.
        now: The local time in seconds since 1970.
        jitter: A number in [0, 1). It makes the refresh earlier by up to a tenth, so that many agents do not ask at
            once.
    """
    life = token.lifetime or ASSUMED_LIFE
    begun = now if token.expires_at is None else token.expires_at - life
    latest = life - max(60.0, life / 5)
    due = begun + max(min(life * 2 / 3 * (1 - jitter / 10), latest), life / 3)
    return max(due, now + SHORTEST_PAUSE)


def pause_after(failures: int, retry_after: float | None, jitter: float, margin: float = LONGEST_PAUSE) -> float:
    """Return the seconds to wait after a failure. They double from 1 s to 5 min, and half of them is random.

    Args:
        failures: How many failures there were in a row.
        retry_after: The seconds that the issuer named (Retry-After), which count up to 5 min. None if it named none.
        jitter: A random number in [0, 1).
        margin: Seconds that the token still lived at the first failure. A pause is not longer (except for 30 s), so
            that the token is not missing longer than the issuer was.
    """
    longest = min(max(margin, LEAST_LONGEST_PAUSE), LONGEST_PAUSE)
    pause = min(FIRST_PAUSE * 2.0 ** min(failures - 1, 20), longest) * (0.5 + jitter / 2)
    return max(pause, min(retry_after or 0.0, LONGEST_PAUSE))


def require_unexpired(token: Token, now: float) -> Token:
    """Return the token, unless the issuer sent one that has already expired.

    Raises:
        TemporaryError: It has expired. It is worse than the previous one, and an immediate retry would never end.
    """
    if token.life_left(now) <= 0:
        raise TemporaryError("the issuer sent a token that has already expired", hint="is one of the clocks wrong?")
    return token
