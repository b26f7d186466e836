"""Which requests may be sent again; how often, and after which pause, says `ctadata.retry`."""

from __future__ import annotations

from ctadata.errors import Busy, CtadataError, ServerTrouble, TimedOut, Unreachable
from ctadata.retry import Retries

__all__ = ["Retries", "is_repeatable"]

_SAFE = frozenset({"GET", "HEAD", "PROPFIND", "OPTIONS"})
_IDEMPOTENT = _SAFE | {"PUT"}


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
