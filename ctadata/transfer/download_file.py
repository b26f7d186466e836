"""Download one file into a part, verify it, and publish it under its final name.

`plan` decides whether anything is moved. `SegmentedDownload` fetches and verifies the bytes; idle workers help with a
large file. The part of a large file has a journal, so that a run that was killed costs the next run only the last block
of each stream.
"""

from __future__ import annotations

import errno
import itertools
import os
import time
from pathlib import Path

from ctadata.entries import Entry
from ctadata.errors import AlreadyExists, Changed, IntegrityError, StorageFull
from ctadata.printable import escape_unprintable
from ctadata.transfer import resume_journal
from ctadata.transfer.local_dir import LocalDir
from ctadata.transfer.local_entries import check_spelling
from ctadata.transfer.partial_file import PartialFile
from ctadata.transfer.plan import UNMOVED, Step, plan_download, plan_for_taken_local_name
from ctadata.transfer.record_digests import record_digests
from ctadata.transfer.records import local_version, may_change_unseen, remote_version
from ctadata.transfer.report import Outcome, State
from ctadata.transfer.run import Run
from ctadata.transfer.segmented_download import SegmentedDownload
from ctadata.transfer.staging import is_on_tape, refuse_tape

PUBLISH_ATTEMPTS = 10
"""Attempts to publish a file whose name other processes create and delete in the meantime."""


def download_file(run: Run, entry: Entry, folder: LocalDir, name: str, local: Path) -> Outcome:
    """Download one file, if the plan says so.

    After an error, a file that had the name before is untouched.

    Args:
        run: The run.
        entry: The remote file.
        folder: The open local directory.
        name: The file's name in `folder`.
        local: The path of both, for the outcome and for messages.

    Raises:
        IntegrityError: Size or digest differ from the server's.
        Changed: The remote file changed while it was read.
        LocalError: The local file system refuses.
        StorageFull: The local file system has no room.
        CtadataError: What the store raises.
    """
    began = time.monotonic()
    existing, pair = folder.stat(name), run.pair(entry.path, folder.path)
    step = plan_download(entry, local, existing, run.rules, run.store.features, pair, run.check_stop)
    if step in UNMOVED:
        if step is Step.SKIP:
            folder.remove_resumable(name)
        state, why = UNMOVED[step]
        return Outcome(state, entry.path, local, entry.size or 0, why=why)
    if step is Step.REPLACE:
        check_spelling(folder, name)
    if not run.staging and is_on_tape(entry):
        refuse_tape(entry)
    part = (
        folder.open_resumable_part(name, resume_journal.version_of(entry))
        if resume_journal.is_resumable(entry)
        else folder.create_part()
    )
    try:
        fetched = SegmentedDownload(run, entry, part)
        _check_room(folder, entry, part)
        fetched.fetch()
        entry = fetched.entry
        streamed = fetched.stream_digest.digests(fetched.segments.size)
        digest = fetched.digest
        digests = record_digests(digest, streamed, entry.checksums)
        step, published = _publish(run, part, fetched, folder, name, existing)
    except (IntegrityError, Changed):
        part.remove()
        raise
    except StorageFull as error:
        can_resume = part.journal is not None and part.size > 0
        part.close() if can_resume else part.remove()
        raise _storage_full(error.what, folder, entry, local, can_resume=can_resume) from error
    except BaseException:
        part.close()
        raise
    if published is not None:
        is_fresh = may_change_unseen(published, now=time.time(), changed=published.st_mtime)
        pair.save(None if is_fresh else local_version(published), remote_version(entry), digests)
    state, why = UNMOVED.get(step, (State.DONE, ""))
    return Outcome(
        state,
        entry.path,
        local,
        fetched.segments.received,
        time.monotonic() - began,
        verified=fetched.verified,
        why=why,
        digest=digest,
        etag=entry.etag,
        retries=fetched.tries - 1,
        resumed=fetched.segments.resumed,
    )


def _check_room(folder: LocalDir, entry: Entry, part: PartialFile) -> None:
    """Raise StorageFull if the file system says that it has no room for the bytes that are still missing."""
    room, resumed = folder.free_bytes(), sum([block.stop - block.start for block in part.blocks]) if part.blocks else 0
    if entry.size is not None and room is not None and entry.size - resumed > room:
        raise StorageFull(f"local: {os.strerror(errno.ENOSPC)}")


def _storage_full(why: str, folder: LocalDir, entry: Entry, local: Path, *, can_resume: bool) -> StorageFull:
    """Return the error with the file's size and the free bytes."""
    size, room = "of unknown size" if entry.size is None else f"of {entry.size} bytes", folder.free_bytes()
    words = f"{why}: a file {size}" + ("" if room is None else f", and {room} bytes are free")
    hint = "the same command goes on once there is room" if can_resume else ""
    return StorageFull(words, hint=hint, path=escape_unprintable(str(local)))


def _publish(
    run: Run,
    part: PartialFile,
    fetched: SegmentedDownload,
    folder: LocalDir,
    name: str,
    existing: os.stat_result | None,
) -> tuple[Step, os.stat_result | None]:
    """Give the part its final name. If the name was taken since the plan, plan again, by the content.

    Returns:
        The step that was taken, and stat(2) of the published file; None if the other file stays.
    """
    mtime = fetched.mtime()
    for attempt in itertools.count(1):
        try:
            return Step.CREATE, part.publish(name, mtime=mtime, replace=existing)
        except AlreadyExists:
            if attempt == PUBLISH_ATTEMPTS:
                raise
            existing = folder.stat(name)
            if existing is None:
                continue
            check_spelling(folder, name)
            step = plan_for_taken_local_name(part.fd, folder.path / name, existing, mtime, run.rules, run.check_stop)
            if step in UNMOVED:
                part.remove()
                return step, None
    return Step.CREATE, None
