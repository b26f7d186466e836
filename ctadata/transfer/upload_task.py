"""The upload of one file as a task of a run, and what another process needs to do it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable
from pathlib import Path

from ctadata.entries import Entry
from ctadata.paths import RemotePath
from ctadata.transfer.report import Summary
from ctadata.transfer.run import Run, Task
from ctadata.transfer.source_file import planned_size
from ctadata.transfer.upload_file import upload_file
from ctadata.transfer.upload_rights import Rights


@dataclasses.dataclass(frozen=True, slots=True)
class UploadItem:
    """A local file and its target, after the collection was listed.

    Attributes:
        local: The local file.
        target: The remote file.
        existing: The entry that has the target's name; None: the name is free.
        is_seen: Whether that is known. If not, the task finds out.
        similar: Another name of the run that some server takes for the target's; None if there is none.
    """

    local: Path
    target: RemotePath
    existing: Entry | None
    is_seen: bool = True
    similar: str | None = None

    def absolute(self) -> UploadItem:
        """Return the item with an absolute local path."""
        return dataclasses.replace(self, local=self.local.absolute())


def upload_files(run: Run, items: Iterable[UploadItem]) -> Summary:
    """Upload files whose collections another process has listed or made.

    Args:
        run: The run.
        items: The files, each with its target.

    Returns:
        The summary, with each failure.
    """
    rights = Rights()
    return run.execute(upload_task(run, rights, item) for item in items)


def upload_task(run: Run, rights: Rights, item: UploadItem) -> Task:
    """Return the task that uploads one file.

    Args:
        run: The run.
        rights: Known limits of the token; shared by all files of the run.
        item: The file.
    """
    send = functools.partial(upload_file, run, rights, item.local, item.target, item.existing)
    work = functools.partial(send, is_seen=item.is_seen, similar=item.similar)
    task = run.task(item.target, item.local, planned_size(item.local), work)
    task.item = item
    return task
