"""Syncs: a tree made like another one, and what only the target has deleted at the end, if that is asked for.

Nothing is deleted before everything else is done; nothing at all where anything failed, or where more is to be deleted
than the limit.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from ctadata.errors import CtadataError, NotFound, UsageError
from ctadata.paths import RemotePath
from ctadata.stores.name_rules import refuse_undecodable
from ctadata.transfer.download_tree import DownloadTarget, download
from ctadata.transfer.local_entries import remove
from ctadata.transfer.plan import Compare
from ctadata.transfer.report import Outcome, State, Summary
from ctadata.transfer.run import Run, Task
from ctadata.transfer.surplus import Extraneous, LocalExtraneous, RemoteExtraneous
from ctadata.transfer.upload_tree import UploadSource, upload

LIMIT = 100
"""Names that are deleted at most, unless more are asked for."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """That what only the target has is deleted, and how carefully.

    confirm:     asked once, with all names and the stop of the run, before the first one is deleted.
    limit:       where there are more names than this, none is deleted.
    trust_empty: a collection that listed as empty is taken to be so.
    """

    confirm: Callable[[Sequence[Extraneous], threading.Event], bool]
    limit: int = LIMIT
    trust_empty: bool = False


def sync_down(run: Run, landing: DownloadTarget, deletion: Deletion | None = None) -> Summary:
    """Make a local folder like a collection; gives the summary, in which each failure has its place. UsageError."""
    _check_comparable(run)
    if deletion is None:
        return download(run, [landing])
    surplus = LocalExtraneous(run, deletion.trust_empty)
    download(run, [landing], surplus)
    return _delete(run, surplus, deletion, landing.entry.path)


def sync_up(run: Run, departure: UploadSource, deletion: Deletion | None = None) -> Summary:
    """Make a collection like a local directory; gives the summary, in which each failure has its place. UsageError."""
    _check_comparable(run)
    refuse_undecodable(departure.target)
    if deletion is None:
        return upload(run, [departure])
    surplus = RemoteExtraneous(run, deletion.trust_empty)
    upload(run, [departure], surplus)
    return _delete(run, surplus, deletion, departure.target)


def _check_comparable(run: Run) -> None:
    features = run.store.features
    if run.rules.compare is Compare.CHECKSUM and not (features.lists_checksums or features.tags_content):
        raise UsageError("this storage tells no checksums in its listings", hint="leave --checksum out")


def _delete(run: Run, surplus: LocalExtraneous | RemoteExtraneous, deletion: Deletion, top: RemotePath) -> Summary:
    if run.stop.is_set():
        return run.summary
    if run.summary.failed:
        run.summary.remarks.append("nothing was deleted, because something failed")
        return run.summary
    try:
        extras = list(surplus.extras())
        _check(extras, deletion)
    except CtadataError as error:
        run.fail(error, top)
        return run.summary
    if extras and not run.rules.dry_run and not deletion.confirm(extras, run.stop):
        run.summary.remarks.append("nothing was deleted")
        return run.summary
    extras.sort(key=_depth)
    for _, level in groupby(extras, key=_depth):
        run.execute([Task(extra.remote, extra.local, functools.partial(_do, run, extra)) for extra in level])
    return run.summary


def _depth(extra: Extraneous) -> int:
    return -len(extra.remote.parts)


def _check(extras: Sequence[Extraneous], deletion: Deletion) -> None:
    if len(extras) > deletion.limit:
        raise UsageError(
            f"{len(extras)} names would be deleted, more than {deletion.limit}: nothing was deleted",
            hint=f"look at them with --dry-run, allow them with --max-delete {len(extras)}",
        )


def _do(run: Run, extra: Extraneous) -> Outcome:
    if run.rules.dry_run:
        pass
    elif extra.base is not None:
        remove(extra.base, extra.parts, extra.remote.name, directory=extra.directory)
    else:
        with contextlib.suppress(NotFound):
            run.store.delete(extra.remote)
    return Outcome(State.DELETED, extra.remote, extra.local)
