"""Handle aliases among the files that are moved. A listing shows an alias as an empty file."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Iterable

from ctadata.entries import Entry
from ctadata.errors import NotFound, Untrusted
from ctadata.paths import RemotePath
from ctadata.printable import escape_unprintable
from ctadata.stores.base import Store
from ctadata.transfer.report import InvalidPath, Outcome, State, Summary
from ctadata.transfer.run import Run, Task

BECAME_FILES = "aliases became files of their own, one for each name"
"""The remark of a run whose target cannot keep aliases: their bytes were moved instead."""


def resolve_alias(store: Store, entry: Entry) -> Entry:
    """Return the entry; for an alias, return the entry of the file that it points to.

    Raises:
        NotFound: The alias points to nothing.
        Untrusted: The alias points to a place that it must not point to.
    """
    return store.info(entry.path) if may_be_alias(store, entry) else entry


def may_be_alias(store: Store, entry: Entry) -> bool:
    """Return whether the store has to be asked whether the entry is an alias."""
    return store.features.has_aliases and entry.size == 0 and entry.alias_of is None


def resolve_existing_alias(store: Store, entry: Entry | None) -> Entry | None:
    """Return the entry of a name that is to be replaced; an alias that points to nothing stays as it is."""
    if entry is not None:
        with contextlib.suppress(NotFound, Untrusted):
            return resolve_alias(store, entry)
    return entry


def with_alias_remark(summary: Summary, entry: Entry, outcome: Outcome) -> Outcome:
    """Return the outcome; add the remark to the summary if an alias was moved as a file."""
    if entry.alias_of is not None and outcome.state is State.DONE and BECAME_FILES not in summary.remarks:
        summary.remarks.append(BECAME_FILES)
    return outcome


def why_kept(entry: Entry) -> str:
    """Return why no file replaces an alias: the other aliases of its target would still have the old content."""
    return f"it differs, and is an alias of {escape_unprintable(entry.alias_of or '')}: put that, or rm the alias first"


Make = Callable[[RemotePath, RemotePath], bool]
"""Makes an alias (the first path) of a file (the second); returns False if it exists already."""


def make_aliases(run: Run, make: Make, pairs: Iterable[tuple[RemotePath, RemotePath] | InvalidPath]) -> Summary:
    """Make aliases.

    Args:
        run: The run.
        make: Makes one alias.
        pairs: Each an alias and its file.

    Returns:
        The summary, with each failure.
    """
    return run.execute(_tasks(run, make, pairs))


def _tasks(run: Run, make: Make, pairs: Iterable[tuple[RemotePath, RemotePath] | InvalidPath]) -> Iterable[Task]:
    for pair in pairs:
        if isinstance(pair, InvalidPath):
            run.fail(pair.error, pair.base)
        else:
            yield Task(pair[0], None, functools.partial(_make_one, make, *pair))


def _make_one(make: Make, alias: RemotePath, file: RemotePath) -> Outcome:
    began = time.monotonic()
    is_new = make(alias, file)
    return Outcome(
        State.DONE if is_new else State.SKIPPED,
        alias,
        seconds=time.monotonic() - began,
        verified="alias" if is_new else "",
        why="" if is_new else "equal",
    )
