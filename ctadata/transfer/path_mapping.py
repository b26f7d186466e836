"""What a person named, as landings and departures: the rules of cp and rsync about directories and slashes."""

from __future__ import annotations

import itertools
import os
import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ctadata.entries import Entry
from ctadata.errors import LocalError, NotFound, UsageError
from ctadata.paths import RemotePath, escape_unprintable, refuse_userinfo
from ctadata.transfer.download_tree import DownloadTarget, PendingTarget, download
from ctadata.transfer.receipt import Record
from ctadata.transfer.report import InvalidPath, Summary
from ctadata.transfer.run import Run
from ctadata.transfer.upload_tree import UploadSource, upload


def download_target(entry: Entry, local: Path | None, *, into: bool, contents: bool) -> DownloadTarget:
    """Where `entry` goes, as cp and rsync users expect it.

    local: what the user named, None for here.  into: it is a folder to put things in (a slash at its end, several
    sources).  contents: a collection was written with a slash at its end, so that its contents go, not itself.
    """
    name = entry.path.name
    if entry.is_directory:
        return DownloadTarget(entry, local or Path(), () if contents or not name else (name,))
    if local is None or into or local.is_dir():
        return DownloadTarget(entry, local or Path(), (), name, (name,))
    return DownloadTarget(entry, local.parent, (), local.name, (name,))


def download_targets(
    sources: Sequence[tuple[str, Entry]], local: str | None, *, recursive: bool
) -> list[DownloadTarget]:
    """Where entries go, each with what was written for it.

    UsageError (no `recursive`, two for one name); LocalError if several are to go into a file, or a file far
    into directories that are not there.
    """
    into = len(sources) > 1 or (local is not None and local.endswith("/"))
    found = []
    if into and local is not None:
        _refuse_file(Path(local))
    for source, entry in sources:
        if entry.is_directory and not recursive:
            raise _a_directory(source or "/", "downloads")
        there = None if local is None else Path(local)
        if there and not entry.is_directory:
            _refuse_unknown(there if into else there.parent)
        found.append(download_target(entry, there, into=into, contents=source.endswith("/")))
    _refuse_twins([str(landing.local) for landing in found])
    return found


def listed_download_targets(
    base: RemotePath, names: Iterable[str], local: str | None, *, recursive: bool, exact: bool = False
) -> Iterator[PendingTarget | InvalidPath]:
    """Where the paths of a list go, which start from `base`, each with its directories.   exact: as in `_below`."""
    for name in names:
        parts = _below(name, exact=exact)
        if isinstance(parts, UsageError):
            yield InvalidPath(parts, base)
        else:
            yield PendingTarget(base.join(parts), Path(local or ""), parts[:-1], parts[-1], recursive)


def _below(name: str, *, exact: bool = False) -> tuple[str, ...] | UsageError:
    """The names of a path in a list; UsageError, for that line alone.   exact: `a//b` is another name than `a/b`."""
    if exact and not {"", "."}.isdisjoint(name.removeprefix("/").removesuffix("/").split("/")):
        return UsageError("no path can name this key: it holds // or .", path=escape_unprintable(name))
    try:
        refuse_userinfo(name)
        parts = RemotePath.parse(name).parts
    except UsageError as error:
        error.path = error.path or escape_unprintable(name)
        return error
    return parts or UsageError("it is no path of a file", path=escape_unprintable(name))


def check_local(sources: Iterable[str], *, recursive: bool) -> None:
    """NotFound; UsageError for a directory without `recursive`."""
    for source in sources:
        path = Path(source)
        if path.is_dir():
            if not recursive:
                raise _a_directory(source, "uploads")
        elif not os.path.lexists(source):  # a link that leads nowhere is passed over, as in a tree
            raise NotFound("no such local file", path=escape_unprintable(source))


def check_directory(source: str) -> None:
    """NotFound; UsageError for a file."""
    if not Path(source).exists():
        raise NotFound("no such local directory", path=escape_unprintable(source))
    if not Path(source).is_dir():
        raise UsageError(
            "it is a file, and directories are synced", hint="put sends it", path=escape_unprintable(source)
        )


def upload_sources(sources: Sequence[str], path: RemotePath, *, into: bool) -> list[UploadSource]:
    """What goes to `path`; UsageError where two sources would become one name.

    into: it is a collection to put things in; else it is the name of the file that goes there.
    """
    trees = [
        UploadSource(path if _is_contents(source) else path / Path(source).name, Path(source))
        for source in sources
        if Path(source).is_dir()
    ]
    files = [Path(source) for source in sources if not Path(source).is_dir()]
    collection = path if into else path.parent
    named = tuple((file, file.name if into else path.name) for file in files)
    _refuse_twins([str(tree.target) for tree in trees] + [str(collection / name) for _, name in named])
    return [*trees, UploadSource(collection, files=named)] if files else trees


def listed_upload_sources(base: str, names: Iterable[str], path: RemotePath) -> Iterator[UploadSource | InvalidPath]:
    """What goes to `path` of a list of files, which start from the directory `base`.

    Names of one directory that follow each other go together: the storage is then looked at once for all of them.
    """
    pairs = ((_below_here(name), name) for name in names)
    for above, group in itertools.groupby(pairs, key=lambda pair: pair[0][:-1] if isinstance(pair[0], tuple) else None):
        found = [parts for parts, _ in group]
        yield from (InvalidPath(parts, path) for parts in found if isinstance(parts, UsageError))
        files = tuple((Path(base, *parts), parts[-1]) for parts in found if isinstance(parts, tuple))
        if above is not None:
            yield UploadSource(path.join(above), files=files)


def _below_here(name: str) -> tuple[str, ...] | UsageError:
    if name.startswith("/"):
        return UsageError("a list of files has paths below the directory", path=escape_unprintable(name))
    return _below(name)


def receipt_download_targets(
    records: Iterable[Record], folders: Sequence[Path]
) -> Iterator[PendingTarget | InvalidPath]:
    """Where the files of a receipt go, from the root of this machine, and never through links that it did not know.

    folders: the directories that they may lie in.
    """
    seen = set[tuple[RemotePath, Path]]()  # keys that no path can name share the collection above them
    for record in records:
        if record.local is None or (record.path, record.local) in seen:
            continue
        seen.add((record.path, record.local))
        local = record.local.absolute()
        if ".." in local.parts or not _lies_in(local.parent, folders):
            yield _outside(record.path, local)
        else:
            *above, name = local.parts[1:]
            yield PendingTarget(record.path, Path("/"), tuple(above), name, recursive=True)


def receipt_upload_sources(
    records: Iterable[Record], folders: Sequence[Path], *, follow_links: bool = False
) -> Iterator[UploadSource | InvalidPath]:
    """What goes up again of a receipt; files of one collection that follow each other go together.

    folders: the directories that they may lie in, links followed.
    follow_links: whether a link to a directory stands for that directory.
    """

    def is_tree(local: Path) -> bool:
        return local.is_dir() and (follow_links or not local.is_symlink())

    with_local = [(record.path, record.local) for record in records if record.local is not None]
    yield from (_outside(path, local) for path, local in with_local if not _lies_in(local, folders))
    inside = (pair for pair in with_local if _lies_in(pair[1], folders))
    for collection, group in itertools.groupby(inside, key=lambda pair: pair[0].parent):
        pairs = list(group)
        yield from (UploadSource(path, local) for path, local in pairs if is_tree(local))
        files = tuple((local, path.name) for path, local in pairs if not is_tree(local))
        if files:
            yield UploadSource(collection, files=files)


def _lies_in(local: Path, folders: Iterable[Path]) -> bool:
    found = Path(os.path.realpath(local))
    return any(found.is_relative_to(os.path.realpath(folder)) for folder in folders)


def _outside(path: RemotePath, local: Path) -> InvalidPath:
    hint = f"to allow it, name its directory after the receipt: {shlex.quote(escape_unprintable(str(local.parent)))}"
    error = UsageError(
        "the receipt names a file outside of the directory", hint=hint, path=escape_unprintable(str(local))
    )
    return InvalidPath(error, path)


def _a_directory(source: str, verb: str) -> UsageError:
    hint = f"-r, in Python recursive=True, {verb} it with all it holds"
    return UsageError("it is a directory", hint=hint, path=escape_unprintable(source))


def _refuse_file(local: Path) -> None:
    if local.exists() and not local.is_dir():
        raise LocalError("local: it is not a directory", path=escape_unprintable(str(local)))


def _refuse_unknown(folder: Path) -> None:
    """LocalError for a folder of which not even the one above is there: its name is a mistake."""
    if not folder.exists() and not folder.parent.exists():
        raise LocalError("local: no such directory", hint="make it first", path=escape_unprintable(str(folder.parent)))


def _is_contents(source: str) -> bool:
    """Whether the directory was written so that its contents are meant: `dir/`, `dir/.`, `.`, `..`."""
    return source.rpartition("/")[2] in ("", ".", "..")


def _refuse_twins(targets: Sequence[str]) -> None:
    seen: set[str] = set()
    for target in targets:
        if target in seen:
            raise UsageError("two sources would become this one", path=escape_unprintable(target))
        seen.add(target)


def retry_receipt(run: Run, action: str, records: Sequence[Record], folders: Sequence[Path]) -> Summary:
    """Move the files of these records, `get` or `put` as the receipt says; gives the summary.

    folders: the local directories that they may lie in; a record of any other place is a failure.
    """
    if action == "get":
        return download(run, receipt_download_targets(records, folders))
    return upload(run, receipt_upload_sources(records, folders, follow_links=run.rules.follow_links))
