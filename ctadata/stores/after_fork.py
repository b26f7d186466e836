"""Keep a forked child away from the connections that it has inherited.

The child shares the sockets of its parent. If the child used or closed a TLS connection, the connection of the parent
would end. So the child opens connections of its own, and keeps those of the parent untouched until it ends.
"""

from __future__ import annotations

import ctypes

from ctadata.system import call_after_fork


class _Forks:
    """The number of forks between this process and the one that imported this module."""

    count = 0


def generation() -> int:
    """Return a number that differs in each forked child."""
    return _Forks.count


def abandon(target: object) -> None:
    """Keep an object until the process has ended, so that none of its connections is closed."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(target))


def _count() -> None:
    _Forks.count += 1


call_after_fork(_count)
