"""The functions of `ctadata.direct` that create, move and delete; see `ctadata.direct.names` for the paths."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

from ctadata.direct.client import APIClient, PathText, each_path, one_path
from ctadata.errors import CtadataError, LoginNeeded, PartialFailure, Stopped
from ctadata.listed_paths import Listed

if TYPE_CHECKING:
    from ctadata.entries import Entry
    from ctadata.namespace.rename import PlannedRename
    from ctadata.session import Session

T = TypeVar("T")


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

    Examples:
        >>> direct.mkdir("home:results/2026", parents=True)
    """
    from ctadata.namespace.mkdir import make_directory

    with APIClient(dev_instance).session() as session:
        make_directory(session.store, session.resolve(one_path(path)), parents=parents)


def mv(
    source: PathText | Sequence[PathText],
    target: PathText,
    replace: bool = False,
    *,
    literal: bool = False,
    dev_instance: bool = False,
) -> list[str]:
    """Rename or move files and directories on the storage.

    Args:
        source: One path or pattern, or several.
        target: The new name, or the existing directory to move into.
        replace: Replace an existing file. A directory is never replaced.
        literal: A source is a name, also with `*`, `?` or `[` in it, and never a pattern.
        dev_instance: As in `list_dir`.

    Returns:
        The new paths.

    Raises:
        AlreadyExists: The target exists.
        UsageError: The move is impossible, for example a directory into itself.
        PartialFailure: Some of several failed; all others were moved.
        CtadataError: Any error that `list_dir` raises.

    Examples:
        >>> direct.mv("home:old.h5", "home:archive/")
        ['lst/users/ada/archive/old.h5']
    """
    from ctadata.namespace.remove import refuse_home
    from ctadata.namespace.rename import plan_renames, rename

    text = one_path(target)
    with APIClient(dev_instance).session() as session:
        session.is_literal = literal
        found = _named(session, source)
        refuse_home(found, lambda: session.resolve("home:", make=False))
        path = session.resolve(text)
        todo = plan_renames(session.store, found, path, into=text.endswith("/") or not path.parts)

        def move(renaming: PlannedRename) -> str:
            rename(session.store, renaming, replace=replace)
            return "/".join(renaming.target.parts)

        return _each(todo, move)


def rm(
    path: PathText | Sequence[PathText], recursive: bool = False, *, literal: bool = False, dev_instance: bool = False
) -> list[str]:
    """Delete files, or with `recursive` also directories. The function asks no question first.

    Args:
        path: One path or pattern, or several.
        recursive: Allow directories, with everything below them.
        literal: A path is a name, also with `*`, `?` or `[` in it, and never a pattern.
        dev_instance: As in `list_dir`.

    Returns:
        The deleted paths.

    Raises:
        UsageError: A directory without `recursive`, the root of the storage, or your home.
        PartialFailure: Some of several failed; all others were deleted.
        CtadataError: Any error that `list_dir` raises.

    Examples:
        >>> direct.rm("home:results/*.tmp")
        ['lst/users/ada/results/a.tmp']
    """
    from ctadata.namespace.remove import drop_nested, refuse_home, remove

    with APIClient(dev_instance).session() as session:
        session.is_literal = literal
        doomed = drop_nested(_named(session, path))
        refuse_home(doomed, lambda: session.resolve("home:", make=False))

        def delete(entry: Entry) -> str:
            remove(session.store, entry, recursive=recursive)
            return str(Listed.of(entry))

        return _each(doomed, delete)


def _named(session: Session, paths: PathText | Sequence[PathText]) -> list[Entry]:
    return [entry for path in each_path(paths) for entry in session.find(one_path(path))]


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

    Examples:
        >>> direct.rmdir("home:results/2025")
    """
    from ctadata.namespace.remove import refuse_home, remove_empty

    with APIClient(dev_instance).session() as session:
        entry = session.info(one_path(path))
        refuse_home([entry], lambda: session.resolve("home:", make=False))
        remove_empty(session.store, entry)
