"""Sync a tree, and delete at the end what only the target has, if the user asks for that.

Nothing is deleted before everything else is done. Nothing is deleted at all if anything failed, or if there are more
names to delete than the limit. A name is deleted only as it was when the tree was compared, and only if the source
still has not got it: both sides are looked at again, once for each directory, just before its first name is deleted.
"""

from __future__ import annotations

import functools
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from ctadata.errors import CtadataError, UsageError
from ctadata.paths import RemotePath
from ctadata.stores.name_rules import refuse_undecodable
from ctadata.transfer.download_target import DownloadTarget
from ctadata.transfer.download_tree import download
from ctadata.transfer.equality import Compare
from ctadata.transfer.extraneous import Extraneous, ExtraneousNames, SecondLook
from ctadata.transfer.extraneous_local import LocalExtraneous
from ctadata.transfer.extraneous_remote import RemoteExtraneous
from ctadata.transfer.local_tree import UploadSource
from ctadata.transfer.report import Outcome, State, Summary, TooManyDeletions
from ctadata.transfer.run import Run, Task
from ctadata.transfer.upload_tree import upload

LIMIT = 100
"""The largest number of names that are deleted, unless the user sets another one."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """The conditions under which names that only the target has are deleted.

    Attributes:
        confirm: Called once with all names and the stop of the run, before the first one is deleted; returns whether to
            go on.
        limit: If there are more names than this, none is deleted.
        trust_empty: Whether a collection whose listing is empty is taken to be empty.
    """

    confirm: Callable[[Sequence[Extraneous], threading.Event], bool]
    limit: int = LIMIT
    trust_empty: bool = False


def sync_down(run: Run, target: DownloadTarget, deletion: Deletion | None = None) -> Summary:
    """Make a local directory like a collection.

    Args:
        run: The run.
        target: The collection and its local directory.
        deletion: The conditions of deletions; None: nothing is deleted.

    Returns:
        The summary, with each failure.

    Raises:
        UsageError: `Rules.compare` asks for checksums, and this storage lists none.
    """
    _check_comparable(run)
    if deletion is None:
        return download(run, [target])
    extraneous = LocalExtraneous(run, deletion.trust_empty)
    download(run, [target], extraneous)
    return _delete(run, extraneous, deletion, target.entry.path)


def sync_up(run: Run, source: UploadSource, deletion: Deletion | None = None) -> Summary:
    """Make a collection like a local directory.

    Args:
        run: The run.
        source: The local directory and its collection.
        deletion: The conditions of deletions; None: nothing is deleted.

    Returns:
        The summary, with each failure.

    Raises:
        UsageError: `Rules.compare` asks for checksums, and this storage lists none; or the target has a name that no
            storage can have.
    """
    _check_comparable(run)
    refuse_undecodable(source.target)
    if deletion is None:
        return upload(run, [source])
    extraneous = RemoteExtraneous(run, deletion.trust_empty)
    upload(run, [source], extraneous)
    return _delete(run, extraneous, deletion, source.target)


def _check_comparable(run: Run) -> None:
    features = run.store.features
    if run.rules.compare is Compare.CHECKSUM and not (features.lists_checksums or features.etag_may_be_md5):
        raise UsageError("this storage lists no checksums", hint="leave --checksum out")


def _delete(run: Run, extraneous: ExtraneousNames, deletion: Deletion, top: RemotePath) -> Summary:
    if run.stop.is_set():
        return run.summary
    if run.summary.failed:
        run.summary.remarks.append("nothing was deleted, because something failed")
        return run.summary
    try:
        names = list(extraneous.to_delete())
        _check(names, deletion)
    except CtadataError as error:
        run.fail(error, top)
        return run.summary
    if count := extraneous.untrusted:
        what = "1 directory that lists" if count == 1 else f"{count} directories that list"
        run.summary.remarks.append(f"nothing was deleted because of {what} as empty; --delete-empty trusts that")
    if names and not run.rules.dry_run and not deletion.confirm(names, run.stop):
        run.summary.remarks.append("nothing was deleted")
        return run.summary
    names.sort(key=_depth)
    for _, level in groupby(names, key=_depth):
        folders = defaultdict[RemotePath, list[Extraneous]](list)
        for item in level:
            folders[item.remote.parent].append(item)
        run.execute([task for items in folders.values() for task in _FolderDeletion(run, extraneous, items).tasks()])
    return run.summary


def _depth(item: Extraneous) -> int:
    return -len(item.remote.parts)


def _check(names: Sequence[Extraneous], deletion: Deletion) -> None:
    if len(names) > deletion.limit:
        noun = "name" if len(names) == 1 else "names"
        raise TooManyDeletions(
            f"{len(names)} {noun} would be deleted, more than {deletion.limit}: nothing was deleted",
            hint=f"look at them with --dry-run, allow them with --max-delete {len(names)}",
        )


class _FolderDeletion:
    """The deletions in one directory. The first one looks again at the source and at the target."""

    def __init__(self, run: Run, extraneous: ExtraneousNames, items: Sequence[Extraneous]) -> None:
        """Prepare to delete these names of one directory."""
        self._run, self._extraneous, self._items = run, extraneous, items
        self._look: SecondLook | None = None
        self._lock = threading.Lock()

    def tasks(self) -> list[Task]:
        """Return a task for each name."""
        return [Task(item.remote, item.local, functools.partial(self._delete, item)) for item in self._items]

    def _delete(self, item: Extraneous) -> Outcome:
        if not self._run.rules.dry_run:
            with self._lock:  # if the look fails, the next name tries it again
                look = self._look = self._look or self._extraneous.look_again(self._items)
            self._extraneous.delete(item, look)
        return Outcome(State.DELETED, item.remote, item.local)
