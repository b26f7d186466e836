"""What a forked child does with the connections that it has inherited: nothing.

The child shares the sockets of its parent. A TLS connection that the child used, or only closed, would end the one of
the parent: so the child opens its own, and keeps those of the parent, untouched, until it ends.
"""

from __future__ import annotations

import ctypes
import os


class _Forks:
    """How many forks lie between this process and the one that imported this module."""

    count = 0


def generation() -> int:
    """Return a number that is another one in each forked child."""
    return _Forks.count


def abandon(thing: object) -> None:
    """Keep `thing` until the process has ended, so that nothing of it is ever closed."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def _count() -> None:
    _Forks.count += 1


os.register_at_fork(after_in_child=_count)
