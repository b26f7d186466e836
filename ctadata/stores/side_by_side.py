"""Several reads at a time in one thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from ctadata import fibers
from ctadata.errors import CtadataError

AT_ONCE = 16
"""Requests of one thread that are under way at a time, at most."""


def read_side_by_side(reads: Sequence[Callable[[], object]]) -> None:
    """Call each of the functions, some at a time, in fibers of this thread.

    Raises:
        CtadataError: The first error, after all functions have ended.
    """
    errors: list[CtadataError] = []

    def caught(read: Callable[[], object]) -> None:
        try:
            read()
        except CtadataError as error:
            errors.append(error)

    run_in_fibers(lambda read=read: caught(read) for read in reads)  # type: ignore[misc]
    if errors:
        raise errors[0]


def run_in_fibers(works: Iterable[Callable[[], object]]) -> None:
    """Call each function, `AT_ONCE` at a time, in fibers of this thread; what they raise beyond control ends all."""
    waiting = deque(works)

    def work() -> None:
        while waiting:
            waiting.popleft()()

    if len(waiting) < 2 or fibers.current_poller() is not None:
        work()
    else:
        fibers.Fibers().run([work] * min(len(waiting), AT_ONCE))
