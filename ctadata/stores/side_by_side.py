"""Run several reads at the same time in the thread of the caller, in fibers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from ctadata import fibers
from ctadata.errors import CtadataError
from ctadata.resources import limit_workers

AT_ONCE = 128
"""The largest number of functions at the same time. The HTTP client decides how many requests a server gets at a time
(`http.congestion`)."""


def read_side_by_side(reads: Sequence[Callable[[], object]]) -> None:
    """Call each of the functions in fibers of this thread, some at the same time.

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
    """Call each function in fibers of this thread, up to `AT_ONCE` at the same time, fewer where few files may be open.

    A function has to handle its own errors; an exception that leaves it ends all.
    """
    waiting = deque(works)

    def work() -> None:
        while waiting:
            waiting.popleft()()

    if len(waiting) < 2 or fibers.is_in_fiber():
        work()
    else:
        fibers.Fibers().run([work] * min(len(waiting), limit_workers(AT_ONCE, asked=False)))
