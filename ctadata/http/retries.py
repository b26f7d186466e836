"""When a request is repeated, and after which pause."""

from __future__ import annotations

from dataclasses import dataclass

from ctadata.errors import Busy, CtadataError, ServerTrouble, TimedOut, Unreachable

_SAFE = frozenset({"GET", "HEAD", "PROPFIND", "OPTIONS"})
_IDEMPOTENT = _SAFE | {"PUT"}


@dataclass(frozen=True, slots=True)
class Retries:
    """How often and how patiently a request is repeated.

    attempts: requests at most, the first included.
    busy:     the same to a server that is busy, which has done nothing: more than the 10 s for which a dCache door
              shuts out an address that somebody has made suspicious (dcache.md 3).
    within:   seconds from the first request in which a repetition may start.
    first, longest: the pause in seconds before the second attempt, doubling up to the longest; half of it is random.
    """

    attempts: int = 4
    busy: int = 7
    within: float = 120.0
    first: float = 0.5
    longest: float = 20.0

    def pause(self, attempt: int, error: CtadataError, elapsed: float, jitter: float) -> float | None:
        """Seconds to wait after attempt number `attempt` (from 1) failed; None for giving up. `jitter` is in [0, 1)."""
        usual = min(self.first * 2 ** (attempt - 1), self.longest) * (0.5 + jitter / 2)
        # never all at the same moment after what the server named (Retry-After comes in whole seconds)
        seconds = usual if error.retry_after is None else error.retry_after + jitter * self.first
        attempts = self.busy if isinstance(error, Busy) else self.attempts
        return seconds if attempt < attempts and elapsed + seconds <= self.within else None


def is_repeatable(method: str, error: CtadataError, *, sent: bool, begun: bool) -> bool:
    """Whether a request may be sent again after `error`.

    sent:  it had reached a server.
    begun: bytes of a body have come or gone: what follows is the caller's to decide.
    A busy server has done nothing. dCache's 500 is as often a time-out inside (its issue 6531) as an error.
    """
    if begun or not error.retryable:
        return False
    if isinstance(error, Busy) or not sent:
        return isinstance(error, Busy | Unreachable | TimedOut)
    if isinstance(error, ServerTrouble):
        return method in _SAFE and error.status >= 500  # not for what is no HTTP, or redirects in circles
    return isinstance(error, Unreachable) and method in _IDEMPOTENT
