"""What the filesystem does with names: entries as fsspec's dictionaries, trees, moves and copies."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import IO, Any

from ctadata.entries import Entry
from ctadata.errors import AlreadyExists, CtadataError, IntegrityError, NotFound, UsageError
from ctadata.filesystem.locations import is_below_home
from ctadata.filesystem.os_errors import as_os_error
from ctadata.filesystem.sessions import Place
from ctadata.listed_paths import html_properties
from ctadata.namespace.filters import Filters
from ctadata.namespace.listing import list_children, list_tree
from ctadata.namespace.remove import refuse_home, remove
from ctadata.namespace.rename import plan_renames, rename
from ctadata.paths import RemotePath
from ctadata.stores.s3.address import refuse_odd_key
from ctadata.transfer.plan import Rules
from ctadata.transfer.report import Outcome, State
from ctadata.transfer.staging import is_on_tape
from ctadata.transfer.streams import stream_to, upload_spooled_file


class Info(dict[str, Any]):
    """What the storage says of a file or directory; a notebook shows it as a table."""

    def _repr_html_(self) -> str:
        """Return the table in HTML."""
        mtime = self.get("mtime")
        time = {} if mtime is None else {"mtime": datetime.fromtimestamp(mtime, UTC)}
        return html_properties({**self, **time})


def resolve(place: Place, path: str) -> RemotePath:
    """Return the path from the root that `split_url` has given; UsageError for `..`."""
    if is_below_home(path):
        return place.session.resolve(path.removeprefix("/"))
    if place.session.profile.kind == "s3":
        refuse_odd_key(path, path.removeprefix("/"))
    return RemotePath.parse(path)


def refuse_directory(place: Place, path: RemotePath) -> None:
    """Raise UsageError if the path is a directory. A GET at S3 only tells that no object has its name."""
    try:
        is_directory = place.store.info(path).is_directory
    except CtadataError:
        return
    if is_directory:
        raise UsageError("a directory, not a file", path=str(path))


def describe(entry: Entry) -> Info:
    """Return an entry as a dictionary of fsspec, with all that the storage says of it.

    Returns:
        `name`, `type` (`file` or `directory`), `size` in bytes (0 for directories, None if it is not known), and as far
        as they are known `mtime` in seconds since 1970, `ETag`, `locality` and each checksum under its own name.
    """
    info = Info(name=str(entry.path), type="directory" if entry.is_directory else "file")
    info["size"] = 0 if entry.is_directory else entry.size
    known = {
        "mtime": entry.kept_mtime if entry.kept_mtime is not None else entry.mtime,
        "ETag": entry.etag,
        "locality": entry.locality,
        "alias_of": entry.alias_of,
        **entry.checksums,
    }
    info.update({name: value for name, value in known.items() if value is not None})
    return info


def list_directory(place: Place, path: RemotePath) -> list[Entry]:
    """Return what lies directly in a directory, by name; for a file, the file itself. NotFound."""
    try:
        return sorted(list_children(place.store, path, Filters()), key=lambda entry: entry.path)
    except UsageError:
        entry = place.store.info(path)
        if entry.is_directory:
            raise
        return [entry]


def list_below(place: Place, path: RemotePath, depth: int | None) -> tuple[Entry | None, list[Entry]]:
    """Return the entry of `path`, None if there is none, and all entries below it down to `depth` levels, by name."""
    try:
        top = place.store.info(path)
    except NotFound:
        return None, []
    below = list_tree(place.store, path, depth=depth) if top.is_directory else ()
    return top, sorted(below, key=lambda entry: entry.path)


def walk(
    place: Place, path: RemotePath, depth: int | None, *, topdown: bool, on_error: Any
) -> Iterator[tuple[RemotePath, dict[str, Info], dict[str, Info]]]:
    """Yield each directory with its directories and files, by name; the caller may shorten the first dictionary.

    Args:
        on_error: `raise`, `omit`, or a function that is given the error of a directory which cannot be listed. One that
            is not there is passed over, unless it is the first one and `raise` is meant.
    """
    try:
        entries = list_directory(place, path)
    except Exception as error:
        failure = as_os_error(error) if not isinstance(error, OSError) else error  # type: ignore[arg-type]
        if on_error == "raise":
            raise failure from error
        if callable(on_error):
            on_error(failure)
        return
    dirs = {entry.path.name: describe(entry) for entry in entries if entry.is_directory}
    files = {
        "" if entry.path == path else entry.path.name: describe(entry) for entry in entries if not entry.is_directory
    }
    if topdown:
        yield path, dirs, files
    if depth is None or depth > 1:
        deeper = None if depth is None else depth - 1
        for name in list(dirs):
            yield from walk(place, path / name, deeper, topdown=topdown, on_error=on_error)
    if not topdown:
        yield path, dirs, files


def remove_entry(place: Place, path: RemotePath, *, recursive: bool) -> None:
    """Delete a file, or with `recursive` a directory and all that it holds; the root and the home stay (UsageError)."""
    entry = place.store.info(path)
    refuse_home([entry], place.home)
    place.forget(path)
    remove(place.store, entry, recursive=recursive)


def move(place: Place, source: RemotePath, target: RemotePath, *, into: bool, replace: bool = True) -> None:
    """Rename a file or a directory; a file that is there is replaced, a directory never (AlreadyExists).

    Args:
        replace: Whether a file that is there may be replaced; if not, AlreadyExists.
        into: `target` is a directory to move into; else it is one only if it exists.
    """
    for planned in plan_renames(place.store, [place.store.info(source)], target, into=into):
        if place.store.features.has_directories and planned.target.parent.parts:
            place.store.mkdir(planned.target.parent)
        rename(place.store, planned, replace=replace)
        place.forget(source)
        place.forget(planned.target)


def copy_file(place: Place, source: Entry, target: RemotePath) -> None:
    """Copy a file through this machine, verified on both ways."""
    run = place.session.run(None, None)
    with tempfile.TemporaryFile() as spool:
        stream_to(run, source, spool.write)
        publish(place, spool, target, new=False)


def bring_from_tape(place: Place, path: RemotePath) -> None:
    """Have a file brought from tape to disk, if it is on tape only, and wait for it.

    Raises:
        NeedsStaging, ServerTrouble, Unsupported: The site brings no files from tape, or not this one.
    """
    entry = place.store.info(path)
    if not is_on_tape(entry):
        return
    run = place.session.run(Rules(stage=True), None)
    task = run.task(path, None, 0, lambda: Outcome(State.DONE, path))
    task.on_tape = True
    for error in run.execute([task]).errors:
        raise error


def publish(place: Place, spool: IO[bytes], target: RemotePath, *, new: bool) -> None:
    """Upload a local temporary, verify it, and give it the name `target`.

    Raises:
        AlreadyExists: A directory has the name, or with `new` anything has it.
        IntegrityError, StorageFull, Forbidden: As uploads of the commands; what was there stays.
    """
    import os

    run = place.session.run(Rules(no_clobber=new), None)
    spool.flush()
    place.forget(target)
    outcome = upload_spooled_file(run, spool.fileno(), os.fstat(spool.fileno()), target)
    if outcome.state is State.DONE or (outcome.state is State.SKIPPED and not new):
        return
    if new:
        raise AlreadyExists("the name is taken", path=str(target))
    raise IntegrityError(f"nothing was written: {outcome.why}", path=str(target))
