"""Decide which requests may be sent again; `ctadata.retry` decides how often, and after which pause."""

from __future__ import annotations

from ctadata.errors import Busy, CtadataError, ServerTrouble, TimedOut, Unreachable
from ctadata.retry import Retries

__all__ = ["Retries", "is_repeatable"]

_SAFE = frozenset({"GET", "HEAD", "PROPFIND", "OPTIONS"})
_IDEMPOTENT = _SAFE | {"PUT"}


def is_repeatable(method: str, error: CtadataError, *, sent: bool, begun: bool) -> bool:
    """Whether a request may be sent again after `error`.

    A busy server has not done anything, so every method may be repeated. dCache answers 500 for time-outs inside (its
    issue 6531) as often as for errors, so a 500 is repeated for methods that change nothing.

    Args:
        method: The method of the request.
        error: The error of the last attempt.
        sent: Whether the request had reached a server.
        begun: Whether bytes of a body had been sent or received; then the caller decides how to go on.
    """
    if begun or not error.retryable:
        return False
    if isinstance(error, Busy) or not sent:
        return isinstance(error, Busy | Unreachable | TimedOut)
    if isinstance(error, ServerTrouble):
        return method in _SAFE and error.status >= 500  # below 500: no HTTP, or too many redirects
    return isinstance(error, Unreachable) and method in _IDEMPOTENT
