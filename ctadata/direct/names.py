"""The functions of `ctadata.direct` for names: look, find, count, create, move, delete; and small reads.

They do what the commands of the same name do. A path starts from the root of the storage, as in `list_dir`; `home:x` is
below your home. Functions that take several paths also take patterns (`run_*/*.h5`). Every function raises the errors
of `list_dir`, and `dev_instance` means the same as there.
"""

from __future__ import annotations

import dataclasses
import io
import os
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ctadata.direct.client import APIClient, PathText
from ctadata.errors import CtadataError, LoginNeeded, NotFound, NothingMatched, PartialFailure, Stopped
from ctadata.listed_paths import Listed, Listing
from ctadata.progress.reporters import Progress, reporter_for

if TYPE_CHECKING:
    from ctadata.entries import Entry
    from ctadata.namespace.rename import PlannedRename
    from ctadata.session import Session

T = TypeVar("T")

Moment = str | datetime
"""An age (`7d`, `12h`), a date (`2026-08-01`), or a datetime. A time without a zone is UTC."""


def stat(path: PathText, *, dev_instance: bool = False) -> Listed:
    """Return one entry with everything that the storage knows about it.

    Args:
        path: A file or directory.
        dev_instance: As in `list_dir`.

    Returns:
        The path, with the attributes `size` (bytes), `mtime`, `checksums`, `etag` and `locality`.

    Raises:
        NotFound: No such file or directory exists.
        CtadataError: Any error that `list_dir` raises.

    Example:
        >>> direct.stat("cta/DL1/run1.h5").checksums
        {'adler32': '11e60398'}
    """
    from ctadata.namespace.digests import get_digests

    with APIClient(dev_instance).session() as session:
        entry = session.info(os.fspath(path))
        return Listed.from_entry(dataclasses.replace(entry, checksums=get_digests(session.store, entry)))


def exists(path: PathText, *, dev_instance: bool = False) -> bool:
    """Return whether the path, or a match of the pattern, exists.

    Args:
        path: A file, a directory or a pattern.
        dev_instance: As in `list_dir`.

    Raises:
        CtadataError: Any error that `list_dir` raises, except `NotFound`.

    Example:
        >>> direct.exists("cta/DL1/run_*.h5")
        True
    """
    with APIClient(dev_instance).session() as session:
        try:
            return bool(session.find(os.fspath(path)))
        except (NotFound, NothingMatched):
            return False


def find(
    path: PathText,
    *,
    name: str | Sequence[str] = (),
    size: str | Sequence[str] = (),
    newer: Moment | None = None,
    older: Moment | None = None,
    kind: str | None = None,
    dev_instance: bool = False,
) -> Listing:
    """Find the entries below a directory that meet all conditions.

    Args:
        path: The directory, or a pattern of directories.
        name: A pattern for the name. With several patterns, one of them has to match.
        size: `+10M` (larger), `-4k` (smaller) or `2880` (exactly), in bytes. With several conditions, all have to hold.
        newer: Only entries that changed after this moment.
        older: Only entries that changed before this moment.
        kind: `file` or `directory`. None finds both.
        dev_instance: As in `list_dir`.

    Returns:
        The paths, as `list_dir` returns them.

    Raises:
        UsageError: A condition cannot be understood.
        NotFound: The directory does not exist.
        CtadataError: Any error that `list_dir` raises.

    Example:
        >>> direct.find("home:", name=["*.tmp", "*.bak"], size="+10M", older="7d")
    """
    from ctadata.namespace.find import Criteria
    from ctadata.namespace.find import find as search

    criteria = Criteria.read(
        names=_several(name), sizes=_several(size), newer=_text(newer), older=_text(older), kind=kind, now=time.time()
    )
    with APIClient(dev_instance).session() as session:
        tops = session.find(os.fspath(path))
        return Listing(Listed.from_entry(entry) for top in tops for entry in search(session.store, top, criteria))


def _several(text: str | Sequence[str]) -> list[str]:
    return [text] if isinstance(text, str) else list(text)


def _text(moment: Moment | None) -> str | None:
    return moment.isoformat() if isinstance(moment, datetime) else moment


def tree(path: PathText, depth: int | None = None, *, dev_instance: bool = False) -> str:
    """Draw a directory as a tree of text lines.

    Args:
        path: The directory.
        depth: How many levels are drawn. None draws all.
        dev_instance: As in `list_dir`.

    Raises:
        NotFound: The directory does not exist.
        CtadataError: Any error that `list_dir` raises.

    Example:
        >>> print(direct.tree("cta/DL1", depth=2))
    """
    from ctadata.namespace.tree import draw_tree

    with APIClient(dev_instance).session() as session:
        entry = session.info(os.fspath(path))
        return "\n".join(draw_tree(session.store, entry, depth=depth))


def du(path: PathText, depth: int | None = 0, *, dev_instance: bool = False) -> dict[str, int]:
    """Add up the bytes below a directory.

    Args:
        path: The directory.
        depth: For how many levels of subdirectories the sum is also given. None gives it for all of them.
        dev_instance: As in `list_dir`.

    Returns:
        Bytes by directory. The directory `path` itself is the last one.

    Raises:
        NotFound: The directory does not exist.
        CtadataError: Any error that `list_dir` raises.

    Example:
        >>> direct.du("cta/DL1")
        {'cta/DL1/': 104857600}
    """
    from ctadata.namespace.du import measure_usage

    with APIClient(dev_instance).session() as session:
        entry = session.info(os.fspath(path))
        counted = measure_usage(session.store, entry, depth=depth)
        return {"/".join(part.path.parts) + "/" * entry.is_directory: part.size for part in counted}


def mkdir(path: PathText, parents: bool = False, *, dev_instance: bool = False) -> None:
    """Create a directory.

    Args:
        path: The new directory.
        parents: Also create the missing directories above it, and accept that it exists already.
        dev_instance: As in `list_dir`.

    Raises:
        AlreadyExists: Something has that name.
        NotFound: The directory above does not exist, and `parents` is false.
        CtadataError: Any error that `list_dir` raises.

    Example:
        >>> direct.mkdir("home:results/2026", parents=True)
    """
    from ctadata.namespace.mkdir import make_directory

    with APIClient(dev_instance).session() as session:
        make_directory(session.store, session.resolve(os.fspath(path)), parents=parents)


def mv(
    source: PathText | Sequence[PathText], target: PathText, replace: bool = False, *, dev_instance: bool = False
) -> list[str]:
    """Rename or move files and directories on the storage.

    Args:
        source: One path or pattern, or several.
        target: The new name, or the existing directory to move into.
        replace: Replace an existing file. A directory is never replaced.
        dev_instance: As in `list_dir`.

    Returns:
        The new paths.

    Raises:
        AlreadyExists: The target exists.
        UsageError: The move is impossible, for example a directory into itself.
        PartialFailure: Some of several failed; all others were moved.
        CtadataError: Any error that `list_dir` raises.

    Example:
        >>> direct.mv("home:old.h5", "home:archive/")
        ['lst/users/ada/archive/old.h5']
    """
    from ctadata.namespace.remove import refuse_home
    from ctadata.namespace.rename import plan_renames, rename

    text = os.fspath(target)
    with APIClient(dev_instance).session() as session:
        found = _named(session, source)
        refuse_home(found, lambda: session.resolve("home:", make=False))
        path = session.resolve(text)
        todo = plan_renames(session.store, found, path, into=text.endswith("/") or not path.parts)

        def move(renaming: PlannedRename) -> str:
            rename(session.store, renaming, replace=replace)
            return "/".join(renaming.target.parts)

        return _each(todo, move)


def rm(path: PathText | Sequence[PathText], recursive: bool = False, *, dev_instance: bool = False) -> list[str]:
    """Delete files, or with `recursive` also directories. The function asks no question first.

    Args:
        path: One path or pattern, or several.
        recursive: Allow directories, with everything below them.
        dev_instance: As in `list_dir`.

    Returns:
        The deleted paths.

    Raises:
        UsageError: A directory without `recursive`, the root of the storage, or your home.
        PartialFailure: Some of several failed; all others were deleted.
        CtadataError: Any error that `list_dir` raises.

    Example:
        >>> direct.rm("home:results/*.tmp")
        ['lst/users/ada/results/a.tmp']
    """
    from ctadata.namespace.remove import drop_nested, refuse_home, remove

    with APIClient(dev_instance).session() as session:
        doomed = drop_nested(_named(session, path))
        refuse_home(doomed, lambda: session.resolve("home:", make=False))

        def delete(entry: Entry) -> str:
            remove(session.store, entry, recursive=recursive)
            return str(Listed.from_entry(entry))

        return _each(doomed, delete)


def _named(session: Session, paths: PathText | Sequence[PathText]) -> list[Entry]:
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    return [entry for path in paths for entry in session.find(os.fspath(path))]


def _each(things: Iterable[T], work: Callable[[T], str]) -> list[str]:
    """Return the results of `work` for all things.

    Raises:
        CtadataError: Only one thing was there, or the first failure ended everything (`Stopped`, `LoginNeeded`).
        PartialFailure: Some failed.
    """
    failures: list[CtadataError] = []
    done: list[str] = []
    for thing in things:
        try:
            done.append(work(thing))
        except (Stopped, LoginNeeded):
            raise
        except PartialFailure as error:
            failures += error.failures
        except CtadataError as error:
            failures.append(error)
    if len(failures) == 1 and not done:
        raise failures[0]
    if failures:
        raise PartialFailure(failures, done)
    return done


def rmdir(path: PathText, *, dev_instance: bool = False) -> None:
    """Delete an empty directory.

    Args:
        path: The directory.
        dev_instance: As in `list_dir`.

    Raises:
        UsageError: The directory is not empty.
        NotFound: The directory does not exist.
        CtadataError: Any error that `list_dir` raises.

    Example:
        >>> direct.rmdir("home:results/2025")
    """
    from ctadata.namespace.remove import refuse_home, remove_empty

    with APIClient(dev_instance).session() as session:
        entry = session.info(os.fspath(path))
        refuse_home([entry], lambda: session.resolve("home:", make=False))
        remove_empty(session.store, entry)


def cat(path: PathText, start: int = 0, stop: int | None = None, *, dev_instance: bool = False) -> bytes:
    """Read a file into memory.

    Args:
        path: The file.
        start: The first byte to read, counted from 0.
        stop: The byte before which the reading ends. None reads to the end.
        dev_instance: As in `list_dir`.

    Returns:
        The bytes. A whole file is verified with its checksum; a part of one cannot be.

    Raises:
        NotFound: No such file exists.
        IntegrityError: The bytes do not match the checksum.
        CtadataError: Any error that `list_dir` raises.

    Example:
        >>> direct.cat("cta/DL1/run1.fits", stop=2880)[:6]
        b'SIMPLE'
    """
    from ctadata.transfer.streams import stream_range_to

    content = io.BytesIO()
    with APIClient(dev_instance).session() as session:
        if start or stop is not None:
            stream_range_to(session.store, session.info(os.fspath(path)), start, stop, content.write)
        else:
            summary = session.get_to_pipe([os.fspath(path)], content.write)
            if summary.errors:
                raise summary.errors[0]
    return content.getvalue()


def checksum(path: PathText, algorithm: str | None = None, *, dev_instance: bool = False) -> tuple[str, str]:
    """Return a checksum of a file that the storage knows. Nothing is downloaded.

    Args:
        path: The file.
        algorithm: For example `adler32` or `md5`. None returns the strongest one.
        dev_instance: As in `list_dir`.

    Returns:
        The algorithm and the digest in lower-case hexadecimal digits.

    Raises:
        Unsupported: The storage does not know this checksum.
        NotFound: No such file exists.
        CtadataError: Any error that `list_dir` raises.

    Example:
        >>> direct.checksum("cta/DL1/run1.h5")
        ('adler32', '11e60398')
    """
    from ctadata.namespace.digests import get_digest

    with APIClient(dev_instance).session() as session:
        return get_digest(session.store, session.info(os.fspath(path)), algorithm)


def get_home(*, dev_instance: bool = False) -> str:
    """Return the path of your home, from the root of the storage. It ends with a slash.

    Args:
        dev_instance: As in `list_dir`.

    Raises:
        ConfigError: The profile leads to no home.
        CtadataError: Any error that `list_dir` raises.

    Example:
        >>> direct.get_home()
        'lst/users/ada/'
    """
    with APIClient(dev_instance).session() as session:
        return "/".join(session.resolve("home:", make=False).parts) + "/"


def local(path: PathText, *, stage: bool = False, progress: Progress | None = None, dev_instance: bool = False) -> Path:
    """Return a local file with the bytes of a remote one, for libraries that take local paths only.

    The copy is verified and kept in the cache directory, one for each version of the file. A second call downloads
    nothing. `CTADATA_CACHE_SIZE` (`20G`) limits all copies together; those that were not used for longest go first.

    Args:
        path: The path of one file.
        stage: Bring a file on tape to disk first, and wait for it.
        progress: True shows a bar.
        dev_instance: As in `list_dir`.

    Returns:
        A read-only file that bears the remote name. It stays for at least an hour after this call.

    Raises:
        UsageError: The path is a directory, or `CTADATA_CACHE_SIZE` is no size.
        CtadataError: Everything that `fetch_and_save_file` raises.

    Example:
        >>> from gammapy.data import EventList
        >>> events = EventList.read(direct.local("lst/run1/events.fits.gz"))
    """
    from ctadata.local_copies import local_copy, read_room

    with APIClient(dev_instance).session() as session, reporter_for(progress) as reporter:
        return local_copy(session, os.fspath(path), room=read_room(), stage=stage, reporter=reporter)
