"""The functions of `ctadata.direct` about names: looking, finding, counting, making, moving, deleting; and small reads.

They are the commands of the same name. Paths are those of `list_dir`: from the root of the storage, or `home:x` below
your home; patterns (`run_*/*.h5`) where several may be meant. All raise what `list_dir` raises; `dev_instance` is that
of `list_dir`.
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
"""An age (`7d`, `12h`), a date (`2026-08-01`), or a datetime; without a zone in UTC."""


def stat(path: PathText, *, dev_instance: bool = False) -> Listed:
    """The one entry of that name, with all that the storage tells of it: `.size`, `.mtime`, `.checksums` and so on."""
    from ctadata.namespace.digests import get_digests

    with APIClient(dev_instance).session() as session:
        entry = session.info(os.fspath(path))
        return Listed.from_entry(dataclasses.replace(entry, checksums=get_digests(session.store, entry)))


def exists(path: PathText, *, dev_instance: bool = False) -> bool:
    """Whether there is such a file or directory, or a match of the pattern."""
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
    """What lies below a directory and fits all that is asked.

    name: a pattern, or several of which one has to match.   size: `+10M`, `-4k`, `2880`, or several that all hold.
    newer, older: changed since then, or not.   kind: `file` or `directory`.   UsageError where it cannot be understood.
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
    """A directory drawn, `depth` levels of it (None: all)."""
    from ctadata.namespace.tree import draw_tree

    with APIClient(dev_instance).session() as session:
        entry = session.info(os.fspath(path))
        return "\n".join(draw_tree(session.store, entry, depth=depth))


def du(path: PathText, depth: int | None = 0, *, dev_instance: bool = False) -> dict[str, int]:
    """The bytes below each directory down to `depth` levels (None: all), the whole last."""
    from ctadata.namespace.du import measure_usage

    with APIClient(dev_instance).session() as session:
        entry = session.info(os.fspath(path))
        counted = measure_usage(session.store, entry, depth=depth)
        return {"/".join(part.path.parts) + "/" * entry.is_directory: part.size for part in counted}


def mkdir(path: PathText, parents: bool = False, *, dev_instance: bool = False) -> None:
    """Make a directory; with `parents` those above too, and one that exists is no error. AlreadyExists, NotFound."""
    from ctadata.namespace.mkdir import make_directory

    with APIClient(dev_instance).session() as session:
        make_directory(session.store, session.resolve(os.fspath(path)), parents=parents)


def mv(
    source: PathText | Sequence[PathText], target: PathText, replace: bool = False, *, dev_instance: bool = False
) -> list[str]:
    """Rename or move files and directories on the storage; gives the new paths.

    target: the new name, or the directory to move into.   replace: a file that is there may go; a directory never.
    AlreadyExists, UsageError. Every one is tried; PartialFailure tells then which failed.
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
    """Delete files, with `recursive` directories and all they hold; gives the paths. Nobody is asked.

    UsageError: a directory without `recursive`, the root, your home. Every one is tried; PartialFailure tells then
    which failed.
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
    """What `work` gives for each; the only failure is raised as it is, else PartialFailure."""
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
    """Delete an empty directory; UsageError where it holds anything."""
    from ctadata.namespace.remove import refuse_home, remove_empty

    with APIClient(dev_instance).session() as session:
        entry = session.info(os.fspath(path))
        refuse_home([entry], lambda: session.resolve("home:", make=False))
        remove_empty(session.store, entry)


def cat(path: PathText, start: int = 0, stop: int | None = None, *, dev_instance: bool = False) -> bytes:
    """The bytes of a file, all of them verified; or those from `start` up to `stop` (exclusive), as they come."""
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
    """Algorithm and digest of a file as the storage knows them, without reading it: the strongest, or that one.

    Unsupported where the storage does not know it.
    """
    from ctadata.namespace.digests import get_digest

    with APIClient(dev_instance).session() as session:
        return get_digest(session.store, session.info(os.fspath(path)), algorithm)


def get_home(*, dev_instance: bool = False) -> str:
    """Where your home is, from the root, ending in a slash; ConfigError where none is known."""
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
