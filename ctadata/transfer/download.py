"""Downloads: what lands where, and trees, walked while their files are already on the way."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ctadata.entries import Entry
from ctadata.errors import CtadataError
from ctadata.paths import RemotePath, local_name
from ctadata.stores.base import Store
from ctadata.transfer.fetch import fetch_file
from ctadata.transfer.landing import Folder
from ctadata.transfer.report import Outcome, Summary
from ctadata.transfer.run import Run, Task
from ctadata.transfer.walk import Node, walk

WALKERS = 4
"""Collections listed at a time."""


@dataclass(frozen=True, slots=True)
class Landing:
    """Where one remote entry goes.

    base:  the folder that the user named; it may be a link.
    parts: the names below it, never through links, of the folder that takes the file or the collection's contents.
    name:  the file's local name; unused for a collection.
    """

    entry: Entry
    base: Path
    parts: tuple[str, ...] = ()
    name: str = ""


def land(entry: Entry, local: Path | None, *, into: bool, contents: bool) -> Landing:
    """Where `entry` goes, as cp and rsync users expect it.

    local: what the user named, None for here.  into: it is a folder to put things in (a slash at its end, several
    sources).  contents: a collection was written with a slash at its end, so that its contents go, not itself.
    """
    if entry.is_directory:
        own = () if contents or not entry.path.name else (entry.path.name,)
        return Landing(entry, local or Path(), own)
    if local is None or into or local.is_dir():
        return Landing(entry, local or Path(), (), entry.path.name)
    return Landing(entry, local.parent, (), local.name)


def download(run: Run, landings: Sequence[Landing]) -> Summary:
    """Download files and trees; gives the summary, in which each failure has its place."""
    return run.execute(walk(landings, functools.partial(_expand, run), threads=WALKERS))


def _expand(run: Run, landing: Landing) -> Iterator[Node[Landing] | Task]:
    """The tasks of one file or collection; a collection that cannot be listed or made is one failure."""
    run.check_stop()
    remote = landing.entry.path
    try:
        with Folder.open(landing.base, landing.parts) as folder:
            folder.sweep()
        if landing.entry.is_directory:
            yield from _children(run, landing)
        else:
            yield _task(run, landing)
    except CtadataError as error:
        run.fail(error, remote)


def _children(run: Run, landing: Landing) -> Iterator[Node[Landing] | Task]:
    for entry in run.store.list(landing.entry.path):
        if entry.path.is_temporary:
            continue
        if entry.is_directory:
            yield Node(Landing(entry, landing.base, (*landing.parts, entry.path.name)))
        else:
            yield _task(run, Landing(entry, landing.base, landing.parts, entry.path.name))


def _task(run: Run, landing: Landing) -> Task:
    local = landing.base.joinpath(*landing.parts, landing.name)
    return Task(landing.entry.path, local, functools.partial(_fetch, run, landing))


def _fetch(run: Run, landing: Landing) -> Outcome:
    with Folder.open(landing.base, landing.parts) as folder:
        return fetch_file(run, landing.entry, folder, local_name(landing.name))


def listing(store: Store, path: RemotePath, *, threads: int = WALKERS) -> Iterator[Entry]:
    """Every entry below a collection, our temporaries left out; raises what the store raises."""

    def expand(node: RemotePath) -> Iterator[Node[RemotePath] | Entry]:
        for entry in store.list(node):
            if not entry.path.is_temporary:
                yield entry
                if entry.is_directory:
                    yield Node(entry.path)

    return walk([path], expand, threads=threads)
