"""Aliases among the files that are moved: a listing shows them as empty, and the store tells what they stand for."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Iterable

from ctadata.entries import Entry
from ctadata.errors import NotFound, Untrusted
from ctadata.paths import RemotePath, escape_unprintable
from ctadata.stores.base import Store
from ctadata.transfer.report import InvalidPath, Outcome, State, Summary
from ctadata.transfer.run import Run, Task

BECAME_FILES = "aliases became files of their own, one for each name"
"""What a run says once where its target cannot keep what it has read through an alias."""


def resolve_alias(store: Store, entry: Entry) -> Entry:
    """The entry with what its bytes are: of an alias those of its file. NotFound, Untrusted (it leads nowhere good)."""
    return store.info(entry.path) if may_be_alias(store, entry) else entry


def may_be_alias(store: Store, entry: Entry) -> bool:
    """Whether the store has to be asked what the entry stands for."""
    return store.features.has_aliases and entry.size == 0 and entry.alias_of is None


def resolve_existing_alias(store: Store, entry: Entry | None) -> Entry | None:
    """The same for a name that is to be replaced, which may stand for nothing."""
    if entry is not None:
        with contextlib.suppress(NotFound, Untrusted):
            return resolve_alias(store, entry)
    return entry


def with_alias_remark(summary: Summary, entry: Entry, outcome: Outcome) -> Outcome:
    """The outcome, after it was said that what was an alias is none where it has gone."""
    if entry.alias_of is not None and outcome.state is State.DONE and BECAME_FILES not in summary.remarks:
        summary.remarks.append(BECAME_FILES)
    return outcome


def why_kept(entry: Entry) -> str:
    """Why no file replaces an alias: its other names would go on telling of another one."""
    return f"it differs, and is an alias of {escape_unprintable(entry.alias_of or '')}: put that, or rm the alias first"


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
