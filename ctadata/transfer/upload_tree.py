"""Upload files and trees. A tree is walked while its files are being uploaded; each collection is listed once."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
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
)
from ctadata.namespace.walk import WALKERS, Node, walk
from ctadata.paths import RemotePath, to_nfc
from ctadata.shards import Division
from ctadata.transfer import temp_names, unicode_nfc
from ctadata.transfer.local_tree import (
    Contents,
    UploadSource,
    directory_identity,
    pass_over,
    read_directory,
    read_named,
)
from ctadata.transfer.name_collisions import keep_apart, refuse_other_spelling, similar_names
from ctadata.transfer.report import InvalidPath, Summary
from ctadata.transfer.run import Run, Task
from ctadata.transfer.source_file import planned_size
from ctadata.transfer.special_files import NOT_UTF8, is_utf8
from ctadata.transfer.upload_rights import Rights
from ctadata.transfer.upload_roots import check_roots
from ctadata.transfer.upload_task import UploadItem, upload_task

log = logging.getLogger(__name__)

FEW = 8
"""The number of files that are looked up one by one: their collection may hold a million entries."""


class ExtraneousCollector(Protocol):
    """Collects the names of the storage that have no local counterpart, while a tree is uploaded."""

    def compare(self, source: UploadSource, others: list[Entry]) -> None:
        """Receive the entries of a collection, listed in full, whose names the local directory has not."""

    def keep_counterparts(self, path: RemotePath, error: Unnameable) -> None:
        """Receive that a collection has keys that no path can name: the paths that they begin with are kept."""


def upload(
    run: Run, sources: Iterable[UploadSource | InvalidPath], extraneous: ExtraneousCollector | None = None
) -> Summary:
    """Upload files and trees.

    Args:
        run: The run.
        sources: The local files and trees, each with its collection.
        extraneous: Collects the names that only the storage has.

    Returns:
        The summary, with each failure.
    """
    try:
        return run.execute(_find_tasks(run, check_roots(run, sources), extraneous))
    finally:
        unicode_nfc.add_remark(run)


@dataclasses.dataclass(frozen=True, slots=True)
class _File:
    """One file of a directory, with the name that it gets in the collection of `source`, and one similar to it."""

    source: UploadSource
    local: Path
    name: str
    similar: str | None

    @property
    def key(self) -> str:
        """The name by which several tasks divide the files."""
        return "/".join((*self.source.target.parts, self.name))

    @property
    def size(self) -> int:
        """The bytes by which several tasks divide the files."""
        return planned_size(self.local)


def _find_tasks(
    run: Run, sources: Iterable[UploadSource | InvalidPath], extraneous: ExtraneousCollector | None
) -> Iterator[Task]:
    """Yield the tasks of the run's shard: first those that are known from the directories, then those that have waited.

    Files that have waited are grouped by their collection, so that it is listed once more.
    """
    rights, shard = Rights(), run.rules.shard
    division: Division[_File] = Division(shard, key=lambda file: file.key, size=lambda file: file.size)
    yield from walk(sources, functools.partial(_expand, run, extraneous, rights, division), threads=WALKERS)
    if shard.count > 1:
        waiting = dict[RemotePath, list[_File]]()
        for file in division.end():
            waiting.setdefault(file.source.target, []).append(file)
        yield from walk(waiting.values(), functools.partial(_expand_waiting, run, rights), threads=WALKERS)


_Give = Callable[[Node[UploadSource | InvalidPath] | Task], object]


def _expand_waiting(
    run: Run, rights: Rights, files: list[_File], give: Callable[[Node[list[_File]] | Task], object]
) -> None:
    """Give the tasks of files of one collection that have waited for the end of the walk."""
    run.check_stop()
    source = dataclasses.replace(files[0].source, tree=None, is_new=False)
    contents = Contents(files=[(file.local, file.name) for file in files])
    try:
        existing = {} if run.ended_by else _list_collection(run, source, contents, None)
    except CtadataError as error:
        run.fail(error, source.target, files[0].source.tree)
        return
    similar = {file.name: file.similar for file in files}
    _give_files(run, rights, source, contents, existing, similar, give)


def _give_files(
    run: Run,
    rights: Rights,
    source: UploadSource,
    contents: Contents,
    existing: Mapping[str, Entry],
    similar: Mapping[str, str | None],
    give: Callable[[Task], object],
) -> None:
    is_seen = not _are_few_objects(run, source, contents)
    for local, name in contents.files:
        item = UploadItem(local, source.target / name, existing.get(name), is_seen, similar.get(name))
        give(upload_task(run, rights, item))


def _expand(
    run: Run,
    extraneous: ExtraneousCollector | None,
    rights: Rights,
    division: Division[_File],
    source: UploadSource | InvalidPath,
    give: _Give,
) -> None:
    """Give the tasks of one directory, and its subdirectories as nodes to walk."""
    run.check_stop()
    if isinstance(source, InvalidPath):
        run.fail(source.error, source.base)
        return
    if source.tree and not source.inside and not is_utf8(source.target.name):
        pass_over(run, source.target, source.tree, NOT_UTF8)
        return
    try:
        contents = read_directory(run, source) if source.tree else read_named(run, source)
        _normalize(run, source.target, contents)
        contents.files = [each for each in contents.files if _may_have_name(run, source.target, *each)]
        ancestors = source.ancestors | {directory_identity(source.tree)} if source.tree else source.ancestors
        is_empty = not (contents.files or contents.folders)
        similar = similar_names(name for _, name in (*contents.files, *contents.folders))
        if run.rules.shard.count > 1:
            files = ((each, _File(source, *each, similar.get(each[1]))) for each in contents.files)
            contents.files = [each for each, file in files if division.take(file)]
        is_needed = not run.ended_by and (run.rules.shard.count == 1 or contents.files or is_empty)
        existing = _list_collection(run, source, contents, extraneous) if is_needed else {}
    except CtadataError as error:
        run.fail(_explain(run, source, error), source.target, source.tree)
        return
    _give_files(run, rights, source, contents, existing, similar, give)
    for local, name in contents.folders:
        inside, is_new = (*source.inside, name), bool(is_needed) and name not in existing
        below = UploadSource(source.target / name, local, ancestors=ancestors, inside=inside, is_new=is_new)
        # it is made before the next one is looked at, so that two workers never take one collection for two
        if not (is_new and name in similar) or keep_apart(run, below.target, local=local):
            _descend(run, below, existing.get(name), give)


def _explain(run: Run, source: UploadSource, error: CtadataError) -> CtadataError:
    """Return the error, or a clearer one if another spelling of the name is why the collection was missing."""
    try:
        if source.is_new:
            refuse_other_spelling(run.store, source.target, is_taken=False)
    except AlreadyExists as other:
        return other
    return error


def _descend(run: Run, source: UploadSource, existing: Entry | None, give: _Give) -> None:
    if existing is None or existing.is_directory:
        give(Node(source))
        return
    path = source.target
    run.fail(AlreadyExists("it is a directory here, and a file on the storage", path=str(path)), path, source.tree)


def _may_have_name(run: Run, collection: RemotePath, local: Path, name: str) -> bool:
    """Return whether a file may get this name; if not, report that before the collection is made for it."""
    if name.isascii() and name.isprintable():
        return True
    try:
        run.names.check(collection / name, tries=False)
    except Unsupported as error:
        run.fail(error, collection / name, local)
        return False
    return True


def _normalize(run: Run, collection: RemotePath, contents: Contents) -> None:
    if run.rules.normalize:
        folders = {local for local, _ in contents.folders}
        both = unicode_nfc.renamed(run, collection, [*contents.folders, *contents.files])
        contents.folders = [each for each in both if each[0] in folders]
        contents.files = [each for each in both if each[0] not in folders]
        contents.names = set(map(to_nfc, contents.names))


def _list_collection(
    run: Run, source: UploadSource, contents: Contents, extraneous: ExtraneousCollector | None
) -> Mapping[str, Entry]:
    """Return the existing entries with the names that are uploaded, and delete temporaries of dead uploads.

    A missing collection is made if the user named it or a file goes into it. `extraneous` receives the entries with
    other names, but no temporaries.
    """
    if _are_few_objects(run, source, contents):
        return _stat_one_by_one(run, source.target, {name for _, name in contents.folders})
    names = {name for _, name in (*contents.files, *contents.folders)}
    existing, others, count = dict[str, Entry](), list[Entry](), 0
    try:
        is_missing = source.is_new and run.store.features.has_directories and not run.rules.dry_run
        is_made = is_missing and _make_collection(run, source, contents)
        for count, entry in enumerate(() if is_made else run.list_directory(source.target), 1):  # noqa: B007
            if source.is_new:
                refuse_other_spelling(run.store, source.target)
                source = dataclasses.replace(source, is_new=False)
            if entry.path.name in names:
                existing[entry.path.name] = entry
            elif entry.path.is_temporary:
                _delete_if_dead(run, entry)
            elif extraneous and entry.path.name not in contents.names:
                others.append(entry)
        run.stored.note_entries(source.target, count)
    except Unnameable as error:
        if extraneous:
            run.fail(error, source.target, source.tree)
            extraneous.keep_counterparts(source.target, error)
    except Incomplete as error:
        if extraneous:
            raise
        log.info("%s", error)
        existing |= _stat_one_by_one(run, source.target, names - existing.keys())
    except NotFound:
        _make_collection(run, source, contents)
    except Forbidden:
        if extraneous:
            raise
        if not _may_exist(run, source.target, names):
            _make_collection(run, source, contents)
            return existing
        return _stat_one_by_one(run, source.target, names)
    if extraneous:
        extraneous.compare(source, others)
    return existing


def _are_few_objects(run: Run, source: UploadSource, contents: Contents) -> bool:
    """Return whether each file is looked up by its own task, and nothing is listed."""
    is_few = source.tree is None and len(contents.files) + len(contents.folders) <= FEW
    return is_few and not run.store.features.has_directories


def _make_collection(run: Run, source: UploadSource, contents: Contents) -> bool:
    """Make a missing collection, unless its files make it or none exists; return whether it is made and empty."""
    selected = source.tree is not None and run.rules.filters.takes_directory(source.inside)
    made_by_files = not run.store.features.has_directories and (contents.files or contents.folders)
    if not made_by_files and (selected or any(os.path.lexists(local) for local, _ in contents.files)):
        run.names.check(source.target, tries=not run.rules.dry_run)
        return not run.rules.dry_run and run.store.mkdir(source.target)
    return False


def _delete_if_dead(run: Run, entry: Entry) -> None:
    """Delete a temporary if its upload has ended."""
    if not run.rules.dry_run and temp_names.is_dead(entry):
        with contextlib.suppress(CtadataError):
            run.store.delete(entry.path)


def _may_exist(run: Run, collection: RemotePath, names: set[str]) -> bool:
    """Return whether a collection that may not be listed may exist, as far as a WLCG storage.create token can see."""
    if not run.store.features.has_directories:
        return bool(names)  # its files make it; an empty one has to be made
    try:
        with contextlib.suppress(Forbidden):  # dCache answers such a token about files, not about collections
            run.store.info(collection)
    except NotFound:
        return False
    return True


def _stat_one_by_one(run: Run, collection: RemotePath, names: set[str]) -> Mapping[str, Entry]:
    """Return the entries of these names. A name that may not be looked at counts as new, so it is never overwritten."""
    existing: dict[str, Entry] = {}
    for name in names:
        with contextlib.suppress(NotFound, Forbidden):
            existing[name] = run.store.info(collection / name)
    return existing
