"""How much memory Python allocates at most while something runs."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable


def peak(work: Callable[[], object]) -> int:
    """Return the bytes that Python has allocated at most while `work` ran, beyond those before."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def stays_below(limit: int, work: Callable[[], object]) -> bool:
    """Return whether the peak of one of three runs is below `limit`.

    A run can be above it by chance: Python's table of all names may have to grow (by 2 MB), and other threads allocate.
    """
    return any(peak(work) < limit for _ in range(3))
