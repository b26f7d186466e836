"""Uploads: local trees walked while their files are already on the way, each collection looked at once."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ctadata.entries import Entry
from ctadata.errors import (
    AlreadyExists,
    CtadataError,
    Forbidden,
    Incomplete,
    NotFound,
    Unnameable,
    Unsupported,
    UsageError,
)
from ctadata.namespace.walk import WALKERS, Node, walk
from ctadata.paths import TEMPORARY_PREFIX, RemotePath, escape_unprintable, to_nfc
from ctadata.transfer import temp_names, unicode_nfc
from ctadata.transfer.name_collisions import folded, refuse_other_spelling
from ctadata.transfer.partial_file import local_words
from ctadata.transfer.report import InvalidPath, Summary
from ctadata.transfer.run import Run, Task
from ctadata.transfer.source_file import planned_size
from ctadata.transfer.special_files import CIRCLE, NOT_UTF8, is_utf8, passed, status, why_entry_special, why_special
from ctadata.transfer.upload_file import Rights, upload_file

log = logging.getLogger(__name__)

FEW = 8
"""Files that are looked at one by one, where nothing in their collection has to be cleared: it may hold a million."""


@dataclass(frozen=True, slots=True)
class UploadSource:
    """What goes up into one collection.

    target: the collection.
    tree:   the local directory whose contents go there, or None where `files` are named one by one.
    files:  local file and the name it gets.
    above:  (device, inode) of the directories walked through, so that links never lead round in a circle.
    inside: the names from the top of the tree, which filters are about; a file that was named has its own alone.
    free:   the collection was missing in the listing of the one above.
    """

    target: RemotePath
    tree: Path | None = None
    files: tuple[tuple[Path, str], ...] = ()
    above: frozenset[tuple[int, int]] = frozenset()
    inside: tuple[str, ...] = ()
    free: bool = False


class ExtraneousCollector(Protocol):
    """Who looks, while a tree goes up, for what stands on the storage and not here."""

    def compare(self, departure: UploadSource, others: list[Entry]) -> None:
        """The collection has been listed in full: its entries whose names the directory has not."""

    def spare(self, path: RemotePath, error: Unnameable) -> None:
        """The collection has keys that no path can name: the paths that they begin with stay."""


def upload(
    run: Run, departures: Iterable[UploadSource | InvalidPath], surplus: ExtraneousCollector | None = None
) -> Summary:
    """Upload files and trees; gives the summary, in which each failure has its place."""
    expand = functools.partial(_expand, run, surplus, Rights())
    try:
        return run.execute(walk(_in_normal_form(run, departures), expand, threads=WALKERS))
    finally:
        unicode_nfc.remark(run)


def _in_normal_form(run: Run, departures: Iterable[UploadSource | InvalidPath]) -> Iterator[UploadSource | InvalidPath]:
    """The departures with targets in the form that the rules ask for; two that become one are refused."""
    before: dict[RemotePath, RemotePath] = {}
    for departure in departures:
        if not run.rules.normalize or isinstance(departure, InvalidPath):
            yield departure
            continue
        is_named_here = departure.tree is not None and departure.tree.name == departure.target.name
        rename = unicode_nfc.renamed_file if is_named_here else unicode_nfc.renamed_target
        target = rename(run, departure.target)
        if before.setdefault(target, departure.target) == departure.target:
            yield dataclasses.replace(departure, target=target)
        else:
            yield InvalidPath(
                UsageError("another directory has this name in NFC", path=escape_unprintable(str(target))), target
            )


_Give = Callable[[Node[UploadSource | InvalidPath] | Task], object]


def _expand(
    run: Run, surplus: ExtraneousCollector | None, rights: Rights, departure: UploadSource | InvalidPath, give: _Give
) -> None:
    run.check_stop()
    if isinstance(departure, InvalidPath):
        run.fail(departure.error, departure.base)
        return
    if departure.tree and not departure.inside and not is_utf8(departure.target.name):
        _pass_over(run, departure.target, departure.tree, NOT_UTF8)
        return
    try:
        here = _read(run, departure) if departure.tree else _named(run, departure)
        _normalize(run, departure.target, here)
        here.files = [each for each in here.files if _may_be_named(run, departure.target, *each)]
        above = departure.above | {_identity(departure.tree)} if departure.tree else departure.above
        there = _look(run, departure, here, surplus)
    except CtadataError as error:
        run.fail(_clearer(run, departure, error), departure.target, departure.tree)
        return
    for local, name in here.files:
        target = departure.target / name
        work = functools.partial(upload_file, run, rights, local, target, there.get(name))
        give(run.task(target, local, planned_size(local), work))
    alike = Counter(folded(name) for _, name in here.folders)
    for local, name in here.folders:
        inside, free = (*departure.inside, name), name not in there
        below = UploadSource(departure.target / name, local, above=above, inside=inside, free=free)
        if free and alike[folded(name)] > 1 and not run.rules.dry_run and not _make_alike(run, below):
            continue
        _descend(run, below, there.get(name), give)


def _make_alike(run: Run, departure: UploadSource) -> bool:
    """Make a collection whose name differs from that of another one in its spelling alone; whether it is one apart.

    The directory is made before the next one is looked at, so that two workers never take one collection for two.
    """
    try:
        if run.store.features.has_collections:
            run.store.mkdir(departure.target)
            refuse_other_spelling(run.store, departure.target)
    except CtadataError as error:
        run.fail(_clearer(run, departure, error), departure.target, departure.tree)
        return False
    return True


def _clearer(run: Run, departure: UploadSource, error: CtadataError) -> CtadataError:
    """The error, or that another name stands where the collection was missing."""
    try:
        if departure.free:
            refuse_other_spelling(run.store, departure.target)
    except AlreadyExists as other:
        return other
    return error


def _descend(run: Run, departure: UploadSource, there: Entry | None, give: _Give) -> None:
    if there is None or there.is_directory:
        give(Node(departure))
        return
    path = departure.target
    run.fail(AlreadyExists("it is a file on the storage, and a directory here", path=str(path)), path, departure.tree)


def _identity(directory: Path) -> tuple[int, int]:
    with local_words(directory):
        found = directory.stat()
    return found.st_dev, found.st_ino


Named = list[tuple[Path, str]]


@dataclass(slots=True)
class _Here:
    """What goes from one directory; `names` are all it has, also those that do not go."""

    folders: Named = field(default_factory=list)
    files: Named = field(default_factory=list)
    names: set[str] = field(default_factory=set)


def _named(run: Run, departure: UploadSource) -> _Here:
    """The files that were named one by one; those that cannot be copied are told of."""
    here = _Here()
    for local, name in departure.files:
        if run.rules.filters.takes((name,)):
            try:
                found = status(local)
                why = NOT_UTF8
                if is_utf8(name):
                    why = why_special(local, found, follow_links=run.rules.follow_links)
            except OSError:  # the words are those of opening it
                why = ""
            if why:
                _pass_over(run, departure.target / name, local, why)
            else:
                here.files.append((local, name))
    return here


def _pass_over(run: Run, target: RemotePath, local: Path, why: str) -> None:
    run.end(passed(target, local, why, skip_special=run.rules.skip_special))


def _may_be_named(run: Run, collection: RemotePath, local: Path, name: str) -> bool:
    """Whether a file may get this name; where not, that is told of before the collection is made for it."""
    try:
        run.names.check(collection / name, tries=False)
    except Unsupported as error:
        run.fail(error, collection / name, local)
        return False
    return True


def _normalize(run: Run, collection: RemotePath, here: _Here) -> None:
    if run.rules.normalize:
        folders = {local for local, _ in here.folders}
        both = unicode_nfc.renamed(run, collection, [*here.folders, *here.files])
        here.folders = [each for each in both if each[0] in folders]
        here.files = [each for each in both if each[0] not in folders]
        here.names = set(map(to_nfc, here.names))


def _read(run: Run, departure: UploadSource) -> _Here:
    """The subdirectories and the files of a local directory; what cannot be copied is told of."""
    tree, here = departure.tree or Path(), _Here()
    with local_words(tree), os.scandir(tree) as entries:
        for entry in sorted(entries, key=lambda e: e.name):
            here.names.add(entry.name)
            if not _is_meant(run, entry, departure):
                continue
            local, target = tree / entry.name, departure.target / entry.name
            why = why_entry_special(entry, follow_links=run.rules.follow_links)
            if not why and _is_circle(entry, departure):
                why = CIRCLE
            if why:
                _pass_over(run, target, local, why)
            elif _is_directory(entry):
                here.folders.append((local, entry.name))
            elif not entry.name.startswith(TEMPORARY_PREFIX):
                here.files.append((local, entry.name))
    return here


def _is_meant(run: Run, entry: os.DirEntry[str], departure: UploadSource) -> bool:
    inside = (*departure.inside, entry.name)
    return run.rules.filters.enters(inside) if _is_directory(entry) else run.rules.filters.takes(inside)


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that may not be followed: opening it will say so
        return False


def _is_circle(entry: os.DirEntry[str], departure: UploadSource) -> bool:
    """Whether an entry is a link to a directory that the walk has come through."""
    if not (entry.is_symlink() and _is_directory(entry)):
        return False
    found = entry.stat()
    return (found.st_dev, found.st_ino) in departure.above | {_identity(Path(entry.path).parent)}


def _look(run: Run, departure: UploadSource, here: _Here, surplus: ExtraneousCollector | None) -> Mapping[str, Entry]:
    """What stands in the collection under the names that go there; clears it of dead uploads.

    A collection that is missing is made, where it is meant for itself or something goes there.
    surplus: is told of the entries of other names, our temporaries left out.
    """
    names = {name for _, name in (*here.files, *here.folders)}
    if departure.tree is None and len(names) <= FEW and not run.store.features.has_collections:
        return _look_one_by_one(run, departure.target, names)
    found, others = dict[str, Entry](), list[Entry]()
    try:
        for entry in run.store.list(departure.target):
            if departure.free:
                refuse_other_spelling(run.store, departure.target)
                departure = dataclasses.replace(departure, free=False)
            if entry.path.name in names:
                found[entry.path.name] = entry
            elif entry.path.is_temporary:
                _clear(run, entry)
            elif surplus and entry.path.name not in here.names:
                others.append(entry)
    except Unnameable as error:
        if surplus:
            run.fail(error, departure.target, departure.tree)
            surplus.spare(departure.target, error)
    except Incomplete as error:
        if surplus:
            raise
        log.info("%s", error)
        found |= _look_one_by_one(run, departure.target, names - found.keys())
    except NotFound:
        _make(run, departure, here)
    except Forbidden:
        if surplus:
            raise
        if not _may_be_there(run, departure.target, names):
            _make(run, departure, here)
            return found
        return _look_one_by_one(run, departure.target, names)
    if surplus:
        surplus.compare(departure, others)
    return found


def _make(run: Run, departure: UploadSource, here: _Here) -> None:
    """Make a collection that is missing, unless files make it by themselves."""
    meant = departure.tree is not None and run.rules.filters.takes_directory(departure.inside)
    made_by_files = not run.store.features.has_collections and (here.files or here.folders)
    if (meant or here.files) and not made_by_files:
        run.names.check(departure.target, tries=not run.rules.dry_run)
        if not run.rules.dry_run:
            run.store.mkdir(departure.target)


def _clear(run: Run, entry: Entry) -> None:
    if not run.rules.dry_run and temp_names.is_dead(entry):
        with contextlib.suppress(CtadataError):
            run.store.delete(entry.path)


def _may_be_there(run: Run, collection: RemotePath, names: set[str]) -> bool:
    """Whether a collection that may not be listed may exist, as far as a token of WLCG's storage.create is told."""
    if not run.store.features.has_collections:
        return bool(names)  # then its files make it, or else an empty one has to be
    try:
        with contextlib.suppress(Forbidden):  # dCache tells such a token of files, not of collections
            run.store.info(collection)
    except NotFound:
        return False
    return True


def _look_one_by_one(run: Run, collection: RemotePath, names: set[str]) -> Mapping[str, Entry]:
    """The entries of these names; what may not be looked at is taken for new, and as such never overwritten."""
    found: dict[str, Entry] = {}
    for name in names:
        with contextlib.suppress(NotFound, Forbidden):
            found[name] = run.store.info(collection / name)
    return found
