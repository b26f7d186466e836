"""One file down: into a part, checked, and published when it is whole and right.

A large file is divided among the workers that have nothing else to do. Its part keeps a journal, so that a run that was
killed costs the next one a block of each stream.
"""

from __future__ import annotations

import errno
import itertools
import os
import time
from pathlib import Path

from ctadata.entries import Entry
from ctadata.errors import AlreadyExists, Changed, IntegrityError, StorageFull
from ctadata.paths import escape_unprintable
from ctadata.transfer import resume_journal
from ctadata.transfer.local_dir import LocalDir
from ctadata.transfer.local_entries import check_spelling
from ctadata.transfer.partial_file import PartialFile
from ctadata.transfer.plan import ENDS, STATES, Step, plan_download, plan_for_taken_local_name
from ctadata.transfer.record_digests import record_digests
from ctadata.transfer.records import local_version, may_change_unseen, remote_version
from ctadata.transfer.report import Outcome, State
from ctadata.transfer.run import Run
from ctadata.transfer.segmented_download import SegmentedDownload
from ctadata.transfer.staging import refuse_tape

LOOKS = 10
"""How often a name is looked at that others take and give back while a file is about to get it."""


def download_file(run: Run, entry: Entry, folder: LocalDir, name: str, local: Path) -> Outcome:
    """Download `entry` as `name` into `folder`, which makes it `local`, if the plan says so.

    Raises what the store raises, IntegrityError, Changed, LocalError, StorageFull; the old file, if any, is untouched.
    """
    began = time.monotonic()
    found, pair = folder.look(name), run.pair(entry.path, folder.path)
    step = plan_download(entry, local, found, run.rules, run.store.features, pair)
    if step in STATES:
        if step is Step.SKIP:
            folder.abandon(name)
        state, why = STATES[step]
        return Outcome(state, entry.path, local, entry.size or 0, why=why)
    if step is Step.REPLACE:
        check_spelling(folder, name)
    if not run.staging:
        refuse_tape(entry)
    part = (
        folder.resumable_part(name, resume_journal.version_of(entry))
        if resume_journal.is_resumable(entry)
        else folder.part()
    )
    try:
        incoming = SegmentedDownload(run, entry, part)
        _check_room(folder, entry, sum(block.stop - block.start for block in part.here))
        incoming.fetch()
        entry = incoming.entry
        passed = incoming.passing.digests(incoming.pieces.size)
        digests = record_digests(incoming.digest, passed, entry.checksums)
        end, made = _publish(run, part, incoming, folder, name, found)
    except (IntegrityError, Changed):
        part.drop()
        raise
    except StorageFull as error:
        goes_on = part.journal is not None and os.fstat(part.fd).st_size > 0
        part.leave() if goes_on else part.drop()
        raise _full(error.what, folder, entry, local, goes_on=goes_on) from error
    except BaseException:
        part.leave()
        raise
    state, why = ENDS.get(end, (State.DONE, ""))
    if made is not None:
        is_fresh = may_change_unseen(made, now=time.time(), changed=made.st_mtime)
        pair.note(None if is_fresh else local_version(made), remote_version(entry), digests)
    return Outcome(
        state,
        entry.path,
        local,
        incoming.pieces.received,
        time.monotonic() - began,
        verified=incoming.verified,
        why=why,
        digest=incoming.digest,
        etag=entry.etag,
        retries=incoming.tries - 1,
        resumed=incoming.pieces.resumed,
    )


def _check_room(folder: LocalDir, entry: Entry, here: int) -> None:
    """StorageFull if it is known that the rest of the file, beyond the bytes that are `here`, has no room."""
    room = folder.room()
    if entry.size is not None and room is not None and entry.size - here > room:
        raise StorageFull(f"local: {os.strerror(errno.ENOSPC)}")


def _full(why: str, folder: LocalDir, entry: Entry, local: Path, *, goes_on: bool) -> StorageFull:
    """The error that names the file, its size and the room, in bytes."""
    size, room = "of unknown size" if entry.size is None else f"of {entry.size} bytes", folder.room()
    words = f"{why}: a file {size}" + ("" if room is None else f", and {room} bytes are free")
    hint = "the same command goes on once there is room" if goes_on else ""
    return StorageFull(words, hint=hint, path=escape_unprintable(str(local)))


def _publish(
    run: Run, part: PartialFile, incoming: SegmentedDownload, folder: LocalDir, name: str, found: os.stat_result | None
) -> tuple[Step | None, os.stat_result | None]:
    """Publish; where the name was taken since the plan, the content of what stands there decides.

    Gives the step, and what stat(2) says of the file that was published; None where what stands there stays.
    """
    mtime = incoming.mtime()
    for attempt in itertools.count(1):
        try:
            return Step.CREATE, part.publish(name, mtime=mtime, replace=found)
        except AlreadyExists:
            if attempt == LOOKS:
                raise
            found = folder.look(name)
            if found is None:
                continue
            check_spelling(folder, name)
            step = plan_for_taken_local_name(part.fd, folder.path / name, found, mtime, run.rules)
            if step in ENDS:
                part.drop()
                return step, None
    return Step.CREATE, None
