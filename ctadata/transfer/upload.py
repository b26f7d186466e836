"""Uploads: local trees walked while their files are already on the way, each collection looked at once."""

from __future__ import annotations

import contextlib
import functools
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ctadata.entries import Entry
from ctadata.errors import AlreadyExists, CtadataError, NotFound
from ctadata.paths import MARK, RemotePath
from ctadata.transfer import temporaries
from ctadata.transfer.download import WALKERS
from ctadata.transfer.part import local_words
from ctadata.transfer.report import Outcome, State, Summary
from ctadata.transfer.run import Run, Task
from ctadata.transfer.send import send_file
from ctadata.transfer.walk import Node, walk


@dataclass(frozen=True, slots=True)
class Departure:
    """What goes up into one collection.

    target: the collection.
    tree:   the local directory whose contents go there, or None where `files` are named one by one.
    files:  local file and the name it gets.
    above:  (device, inode) of the directories walked through, so that links never lead round in a circle.
    """

    target: RemotePath
    tree: Path | None = None
    files: tuple[tuple[Path, str], ...] = ()
    above: frozenset[tuple[int, int]] = frozenset()


def upload(run: Run, departures: Sequence[Departure]) -> Summary:
    """Upload files and trees; gives the summary, in which each failure has its place."""
    return run.execute(walk(departures, functools.partial(_expand, run), threads=WALKERS))


def _expand(run: Run, departure: Departure) -> Iterator[Node[Departure] | Task]:
    run.check_stop()
    try:
        folders, files = _read(run, departure) if departure.tree else ([], list(departure.files))
        above = departure.above | {_identity(departure.tree)} if departure.tree else departure.above
        there = _look(run, departure.target, {name for _, name in (*files, *folders)})
    except CtadataError as error:
        run.fail(error, departure.target, departure.tree)
        return
    for local, name in files:
        target = departure.target / name
        yield Task(target, local, functools.partial(send_file, run, local, target, there.get(name)))
    for local, name in folders:
        yield from _descend(run, Departure(departure.target / name, local, above=above), there.get(name))


def _descend(run: Run, departure: Departure, there: Entry | None) -> Iterator[Node[Departure]]:
    if there is None or there.is_directory:
        yield Node(departure)
        return
    path = departure.target
    run.fail(AlreadyExists("it is a file on the storage, and a directory here", path=str(path)), path, departure.tree)


def _identity(directory: Path) -> tuple[int, int]:
    with local_words(directory):
        found = directory.stat()
    return found.st_dev, found.st_ino


Named = list[tuple[Path, str]]


def _read(run: Run, departure: Departure) -> tuple[Named, Named]:
    """The subdirectories and the files of a local directory; what cannot be copied is told of."""
    tree = departure.tree or Path()
    folders: Named = []
    files: Named = []
    with local_words(tree), os.scandir(tree) as entries:
        for entry in sorted(entries, key=lambda e: e.name):
            local = tree / entry.name
            why = _why_not(run, entry, departure)
            if why:
                run.end(Outcome(State.PASSED, departure.target, local, why=why))
            elif entry.is_dir():
                folders.append((local, entry.name))
            elif not entry.name.startswith(MARK):
                files.append((local, entry.name))
    return folders, files


def _why_not(run: Run, entry: os.DirEntry[str], departure: Departure) -> str:
    """Why this local name is passed over; empty where it is copied."""
    try:
        entry.name.encode()
        found = entry.stat()
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    except FileNotFoundError:
        return "a link that leads nowhere"
    except OSError as error:
        return f"{error.strerror}"
    if stat.S_ISDIR(found.st_mode):
        if not entry.is_symlink():
            return ""
        if not run.rules.follow_links:
            return "a link to a directory (-L follows them)"
        round_trip = (found.st_dev, found.st_ino) in departure.above | {_identity(Path(entry.path).parent)}
        return "a link that leads round in a circle" if round_trip else ""
    return "" if stat.S_ISREG(found.st_mode) else "not a regular file"


def _look(run: Run, collection: RemotePath, names: set[str]) -> Mapping[str, Entry]:
    """What stands under `names` in the collection, which is made where it is missing; clears it of dead uploads."""
    found: dict[str, Entry] = {}
    try:
        for entry in run.store.list(collection):
            if entry.path.name in names:
                found[entry.path.name] = entry
            elif entry.path.is_temporary and temporaries.is_dead(entry):
                with contextlib.suppress(CtadataError):
                    run.store.delete(entry.path)
    except NotFound:
        run.store.mkdir(collection)
    return found
