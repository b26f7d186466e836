"""Transfer again what the receipt of an earlier run records as failed."""

from __future__ import annotations

import itertools
import os
import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ctadata.errors import NotDeleted, UsageError
from ctadata.local_paths import is_directory
from ctadata.namespace.filters import Filters
from ctadata.paths import RemotePath
from ctadata.printable import escape_unprintable
from ctadata.transfer.download_target import PendingTarget
from ctadata.transfer.download_tree import download
from ctadata.transfer.equality import Compare
from ctadata.transfer.local_tree import UploadSource
from ctadata.transfer.receipt import Record
from ctadata.transfer.report import InvalidPath, Outcome, State, Summary
from ctadata.transfer.run import Run
from ctadata.transfer.upload_tree import upload


def retry_receipt(run: Run, action: str, records: Sequence[Record], folders: Sequence[Path]) -> Summary:
    """Download or upload the files of a receipt again.

    Args:
        run: The run.
        action: `get` or `put`, as in the receipt.
        records: The lines of the receipt.
        folders: The local directories that may hold the files; any other file is a failure.

    Returns:
        The summary, with each failure.
    """
    if action == "get":
        summary = download(run, receipt_download_targets(records, folders))
    else:
        if run.rules.compare is not Compare.CHECKSUM:
            records = _without_outside(run, records, folders)
        summary = upload(run, receipt_upload_sources(records, folders, follow_links=run.rules.follow_links))
    _end_directories(run, records)
    return summary


def _end_directories(run: Run, records: Iterable[Record]) -> None:
    """Report each directory that had failed and was walked now. Its line follows that of the failure in the receipt."""
    rules = run.rules
    if run.stop.is_set() or run.ended_by or rules.dry_run or rules.filters != Filters() or rules.shard.count > 1:
        return
    failed = {outcome.remote for outcome in run.summary.failed}
    for record in records:
        is_walked = record.state is State.FAILED and record.path not in failed
        if is_walked and record.local is not None and is_directory(record.local):
            run.reporter.ended(Outcome(State.PASSED, record.path, record.local, why="a directory, whose files follow"))


def _without_outside(run: Run, records: Sequence[Record], folders: Sequence[Path]) -> list[Record]:
    """Return the records without those of uploaded files outside of the directories, which are left alone."""
    inside = [each for each in records if each.is_undone or each.local is None or _lies_in(each.local, folders)]
    if count := len(records) - len(inside):
        files = "1 file that had not failed lies" if count == 1 else f"{count} files that had not failed lie"
        run.summary.remarks.append(f"{files} outside of the directory, and no look was taken at the storage")
    return inside


def receipt_download_targets(
    records: Iterable[Record], folders: Sequence[Path]
) -> Iterator[PendingTarget | InvalidPath]:
    """Yield the targets of the files of a receipt. They start at the root directory, so no link is followed.

    Args:
        records: The lines of the receipt.
        folders: The directories that may hold the files; any other file is a failure.
    """
    seen = set[tuple[RemotePath, Path | None]]()  # keys that no path can name have the collection above them as path
    for record in records:
        if (record.path, record.local) in seen:
            continue
        seen.add((record.path, record.local))
        if record.local is None or _is_deletion(record):
            yield _not_transferred_error(record)
            continue
        local = record.local.absolute()
        if ".." in local.parts or not _lies_in(local.parent, folders):
            yield _outside_error(record.path, local)
        else:
            *above, name = local.parts[1:]
            yield PendingTarget(record.path, Path("/"), tuple(above), name, recursive=True, size=record.size)


def receipt_upload_sources(
    records: Sequence[Record], folders: Sequence[Path], *, follow_links: bool = False
) -> Iterator[UploadSource | InvalidPath]:
    """Yield the sources of the files of a receipt; files of one collection that follow each other are one source.

    Args:
        records: The lines of the receipt.
        folders: The directories that may hold the files, with links resolved; any other file is a failure.
        follow_links: Whether a link to a directory stands for that directory.
    """

    def is_tree(local: Path) -> bool:
        return is_directory(local) and (follow_links or not local.is_symlink())

    yield from (_not_transferred_error(each) for each in records if each.local is None or _is_deletion(each))
    with_local = [(each.path, each.local) for each in records if each.local is not None and not _is_deletion(each)]
    yield from (_outside_error(path, local) for path, local in with_local if not _lies_in(local, folders))
    inside = (pair for pair in with_local if _lies_in(pair[1], folders))
    for collection, group in itertools.groupby(inside, key=lambda pair: pair[0].parent):
        pairs = list(group)
        yield from (UploadSource(path, local) for path, local in pairs if is_tree(local))
        files = tuple((local, path.name) for path, local in pairs if not is_tree(local))
        if files:
            yield UploadSource(collection, files=files)


def _lies_in(local: Path, folders: Iterable[Path]) -> bool:
    resolved = Path(os.path.realpath(local))
    return any(resolved.is_relative_to(os.path.realpath(folder)) for folder in folders)


def _is_deletion(record: Record) -> bool:
    """Return whether the record is about a name that was not deleted."""
    return record.exit_code == NotDeleted.exit_code


def _not_transferred_error(record: Record) -> InvalidPath:
    """Return the error of a line about a name that was not deleted, or about the bytes of a pipe."""
    if _is_deletion(record):
        name = escape_unprintable(str(record.local or record.path))
        return InvalidPath(UsageError("it was not deleted, and sync deletes it", path=name), record.path)
    hint = "verify --remote compares what is on the storage" if record.action == "put" else ""
    what = f"{record.why_not_local}, and cannot be transferred again"
    return InvalidPath(UsageError(what, hint=hint, path=escape_unprintable(str(record.path))), record.path)


def _outside_error(path: RemotePath, local: Path) -> InvalidPath:
    hint = f"to allow it, name its directory after the receipt: {shlex.quote(escape_unprintable(str(local.parent)))}"
    error = UsageError(
        "the receipt names a file outside of the directory", hint=hint, path=escape_unprintable(str(local))
    )
    return InvalidPath(error, path)
