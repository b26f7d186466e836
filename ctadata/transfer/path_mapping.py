"""Map the paths that a user names to targets, with the rules of cp and rsync for directories and slashes."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ctadata.entries import Entry, Kind
from ctadata.errors import LocalError, NotFound, UsageError
from ctadata.local_paths import exists, is_directory
from ctadata.paths import MAX_CHARACTERS, RemotePath, missing_file_error, refuse_userinfo, shorten
from ctadata.printable import escape_unprintable
from ctadata.transfer.download_target import DirectoryTarget, DownloadTarget, NamedEntry, PendingTarget, Target
from ctadata.transfer.local_entries import find_folder
from ctadata.transfer.local_tree import UploadSource
from ctadata.transfer.partial_file import local_errors
from ctadata.transfer.report import InvalidPath


def download_target(entry: Entry, local: Path | None, *, into: bool, contents: bool) -> DownloadTarget:
    """Return the target of one entry, as users of cp and rsync expect it.

    Args:
        entry: The entry.
        local: The path that the user named; None: the current directory.
        into: Whether `local` is a directory to put things in: it ends in a slash, or there are several sources.
        contents: Whether a collection was written with a slash at its end, which stands for its contents.
    """
    name = entry.path.name
    if entry.is_directory:
        return DownloadTarget(entry, local or Path(), () if contents or not name else (name,))
    if local is None or into or _is_dir(local):
        return DownloadTarget(entry, local or Path(), (), name, (name,))
    return DownloadTarget(entry, local.parent, (), local.name, (name,))


def is_taken_here(path: RemotePath, local: str | None) -> bool:
    """Return whether the local name that a single remote file would get is taken, also by a part, or cannot be used."""
    try:
        into = local is not None and local.endswith("/")
        target = download_target(
            Entry(path, Kind.FILE), None if local is None else Path(local), into=into, contents=False
        )
        with find_folder(target.base, target.parts) or contextlib.nullcontext() as folder:
            if folder is None or folder.stat(target.name) is not None:
                return True
            folder.remove_stale_parts()
            return folder.has_resumable(target.name)
    except LocalError:
        return True


def download_targets(
    sources: Sequence[tuple[str, Entry]], local: str | None, *, recursive: bool
) -> list[DownloadTarget]:
    """Return the targets of entries.

    Args:
        sources: Each with the text that the user wrote for it.
        local: The path that the user named; None: the current directory.
        recursive: Whether collections are downloaded.

    Raises:
        UsageError: A collection without `recursive`, or two sources with one target.
        LocalError: Several sources have a file as target, or the directory above the target's is missing.
    """
    into = len(sources) > 1 or (local is not None and local.endswith("/"))
    targets = []
    if into and local is not None:
        _refuse_file(Path(local))
    for source, entry in sources:
        if entry.is_directory and not recursive:
            raise _directory_error(source or "/", "downloads")
        folder = None if local is None else Path(local)
        if folder and not entry.is_directory:
            _refuse_missing(folder if into else folder.parent)
        targets.append(download_target(entry, folder, into=into, contents=source.endswith("/")))
    refuse_duplicates([str(target.local) for target in targets])
    return targets


def listed_download_targets(
    base: RemotePath,
    names: Iterable[str | Entry | NamedEntry | UsageError],
    local: str | None,
    *,
    recursive: bool,
    exact: bool = False,
) -> Iterator[Target]:
    """Yield the targets of the paths, or entries, of a list; each keeps its directories below `base`.

    Args:
        base: The collection that the paths start from, and that the entries lie in.
        names: The paths, the entries, or the errors of lines. The directory of an entry is only made: the list says
            what lies in it.
        local: The local directory; None: the current one.
        recursive: Whether collections are downloaded.
        exact: Whether `a//b` is a different name than `a/b`, as for S3 keys.
    """
    folder = Path(local or "")
    for name in names:
        if isinstance(name, NamedEntry):
            yield DownloadTarget(name.entry, folder, name.parts[:-1], name.parts[-1], name.parts)
            continue
        if isinstance(name, Entry):
            yield _entry_target(base, name, folder)
            continue
        parts = name if isinstance(name, UsageError) else _below(name, exact=exact)
        if isinstance(parts, UsageError):
            yield InvalidPath(parts, base)
        else:
            yield PendingTarget(base.join(parts), folder, parts[:-1], parts[-1], recursive)


def _entry_target(base: RemotePath, entry: Entry, local: Path) -> Target:
    inside = entry.path.parts[len(base.parts) :]
    if entry.path.parts[: len(base.parts)] != base.parts or not (inside or entry.is_directory):
        path = escape_unprintable(str(entry.path))
        return InvalidPath(UsageError(f"it is not below {escape_unprintable(str(base))}", path=path), base)
    if entry.is_directory:
        return DirectoryTarget(entry.path, local, inside)
    return DownloadTarget(entry, local, inside[:-1], inside[-1], inside)


def _below(name: str, *, exact: bool = False) -> tuple[str, ...] | UsageError:
    """Return the names of a path in a list, or the error of that line; `exact` as in `listed_download_targets`."""
    if len(name) > MAX_CHARACTERS:
        return UsageError("this is longer than a path may be", path=escape_unprintable(shorten(name)))
    if exact and not {"", "."}.isdisjoint(name.removeprefix("/").removesuffix("/").split("/")):
        return UsageError("no path can name this key: it holds // or .", path=escape_unprintable(name))
    try:
        refuse_userinfo(name)
        parts = RemotePath.parse(name).parts
    except UsageError as error:
        error.path = error.path or escape_unprintable(name)
        return error
    return parts or UsageError("this is not a path of a file", path=escape_unprintable(name))


def check_local(sources: Iterable[str], *, recursive: bool) -> None:
    """Check the sources of an upload before anything moves.

    Raises:
        NotFound: A file is missing.
        UsageError: A directory without `recursive`.
        LocalError: A directory above a file may not be entered.
    """
    for source in sources:
        if _is_dir(Path(source)):
            if not recursive:
                raise _directory_error(source, "uploads")
        elif not os.path.lexists(source):  # a link that leads nowhere is passed over later, as in a tree
            raise missing_file_error(source)


def check_directory(source: str) -> None:
    """Check the local directory of a sync.

    Raises:
        NotFound: It is missing.
        UsageError: It is a file.
    """
    if not _exists(Path(source)):
        raise NotFound("no such local directory", path=escape_unprintable(source))
    if not _is_dir(Path(source)):
        raise UsageError(
            "it is a file, and sync needs a directory", hint="put sends it", path=escape_unprintable(source)
        )


def upload_sources(sources: Sequence[str], path: RemotePath, *, into: bool) -> list[UploadSource]:
    """Return the sources of an upload, with their targets.

    Args:
        sources: The local files and directories that the user named.
        path: The remote path that the user named.
        into: Whether `path` is a collection to put things in; else it is the file's new name.

    Raises:
        UsageError: Two sources have one target.
    """
    trees = [
        UploadSource(path if _is_contents(source) else path / Path(source).name, Path(source))
        for source in sources
        if _is_dir(Path(source))
    ]
    files = [Path(source) for source in sources if not _is_dir(Path(source))]
    collection = path if into else path.parent
    named = tuple((file, file.name if into else path.name) for file in files)
    refuse_duplicates([str(tree.target) for tree in trees] + [str(collection / name) for _, name in named])
    return [*trees, UploadSource(collection, files=named)] if files else trees


def listed_upload_sources(base: str, names: Iterable[str], path: RemotePath) -> Iterator[UploadSource | InvalidPath]:
    """Yield the sources of the paths of a list; each keeps its directories.

    Files of one directory that follow each other are one source, so that their collection is listed once.

    Args:
        base: The local directory that the paths start from.
        names: The paths.
        path: The collection.
    """
    pairs = ((_below_local(name), name) for name in names)
    for above, group in itertools.groupby(pairs, key=lambda pair: pair[0][:-1] if isinstance(pair[0], tuple) else None):
        parsed = [parts for parts, _ in group]
        yield from (InvalidPath(parts, path) for parts in parsed if isinstance(parts, UsageError))
        files = tuple((Path(base, *parts), parts[-1]) for parts in parsed if isinstance(parts, tuple))
        if above is not None:
            yield UploadSource(path.join(above), files=files)


def _below_local(name: str) -> tuple[str, ...] | UsageError:
    if name.startswith("/"):
        return UsageError("a list of files has paths below the directory", path=escape_unprintable(name))
    return _below(name)


def _directory_error(source: str, verb: str) -> UsageError:
    hint = f"-r, in Python recursive=True, {verb} it with its contents"
    return UsageError("it is a directory", hint=hint, path=escape_unprintable(source))


def _refuse_file(local: Path) -> None:
    if _exists(local) and not _is_dir(local):
        raise LocalError("local: it is not a directory", path=escape_unprintable(str(local)))


def _refuse_missing(folder: Path) -> None:
    """Raise LocalError if not even the directory above `folder` exists: its name is a mistake."""
    if not _exists(folder) and not _exists(folder.parent):
        raise LocalError("local: no such directory", hint="make it first", path=escape_unprintable(str(folder.parent)))


def _is_dir(path: Path) -> bool:
    """Return whether `path` is a directory. Raises LocalError if the system does not say."""
    with local_errors(path):
        return is_directory(path)


def _exists(path: Path) -> bool:
    """Return whether `path` exists. Raises LocalError if the system does not say."""
    with local_errors(path):
        return exists(path)


def _is_contents(source: str) -> bool:
    """Return whether the text stands for a directory's contents: `dir/`, `dir/.`, `.`, `..`."""
    return source.rpartition("/")[2] in ("", ".", "..")


def refuse_duplicates(targets: Iterable[str]) -> None:
    """Raise UsageError if two sources go to one name: whichever came last would be left."""
    seen: set[str] = set()
    for target in targets:
        if target in seen:
            raise UsageError("two sources have this target", path=escape_unprintable(target))
        seen.add(target)
