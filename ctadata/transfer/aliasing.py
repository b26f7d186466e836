"""Many aliases made, as files are moved: a number at a time, each with an outcome of its own."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable

from ctadata.paths import RemotePath
from ctadata.transfer.download_tree import InvalidPath
from ctadata.transfer.report import Outcome, State, Summary
from ctadata.transfer.run import Run, Task

Make = Callable[[RemotePath, RemotePath], bool]
"""Makes the first stand for the second; False where it does already."""


def make_aliases(run: Run, make: Make, pairs: Iterable[tuple[RemotePath, RemotePath] | InvalidPath]) -> Summary:
    """Make each alias of its file, `(alias, file)`; gives the summary, in which each failure has its place."""
    return run.execute(_tasks(run, make, pairs))


def _tasks(run: Run, make: Make, pairs: Iterable[tuple[RemotePath, RemotePath] | InvalidPath]) -> Iterable[Task]:
    for pair in pairs:
        if isinstance(pair, InvalidPath):
            run.fail(pair.error, pair.base)
        else:
            yield Task(pair[0], None, functools.partial(_make_one, make, *pair))


def _make_one(make: Make, alias: RemotePath, file: RemotePath) -> Outcome:
    began = time.monotonic()
    made = make(alias, file)
    return Outcome(
        State.DONE if made else State.SKIPPED,
        alias,
        seconds=time.monotonic() - began,
        verified="alias" if made else "",
        why="" if made else "equal",
    )
