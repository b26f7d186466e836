"""Upload one file.

`plan` decides whether anything is moved. `UploadAttempts` sends the bytes to a hidden temporary name, verifies them
there, and renames the file; `upload_attempt` says which stores do it otherwise.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import time
from pathlib import Path

from ctadata.entries import Entry
from ctadata.errors import AlreadyExists, Forbidden, NotFound, ServerTrouble, Unsupported
from ctadata.paths import RemotePath
from ctadata.stores.optional import ReplacesNothing
from ctadata.transfer.aliases import resolve_existing_alias, why_kept
from ctadata.transfer.equality import LocalFile
from ctadata.transfer.plan import UNMOVED, Step, listed_digest, plan_spool, plan_upload
from ctadata.transfer.record_digests import record_digests
from ctadata.transfer.report import Outcome, State
from ctadata.transfer.run import BROKEN_OFF, SMALL, Run
from ctadata.transfer.source_file import FileSource, open_file
from ctadata.transfer.upload_attempt import UploadAttempts
from ctadata.transfer.upload_rights import Rights

RETRIED = (*BROKEN_OFF, ServerTrouble)
"""Errors after which an upload is tried again. The HTTP client repeats no upload that a server refused; an upload to a
temporary name can always be repeated."""


def upload_file(
    run: Run,
    rights: Rights,
    local: Path,
    target: RemotePath,
    existing: Entry | None,
    *,
    is_seen: bool = True,
    similar: str | None = None,
) -> Outcome:
    """Upload one file, if the plan says so.

    Args:
        run: The run.
        rights: Known limits of the token; shared by all files of the run.
        local: The local file.
        target: The remote file.
        existing: The entry that has the target's name in the listing; None: the name is free.
        is_seen: Whether `existing` is known. If not, the name is looked up; only a small file is sent at once to a
            store that is proven to replace nothing.
        similar: Another name of the run that some server takes for the target's; None if there is none.

    Raises:
        IntegrityError: Size or digest differ from the server's.
        LocalError: The local file cannot be read, or changes while it is read.
        AlreadyExists: A collection has the target's name.
        CtadataError: What the store raises.
    """
    fd, status = open_file(local)
    try:
        send = functools.partial(upload_open_file, run, rights, fd, status, local, target, similar=similar)
        if is_seen or target in run.found:
            return send(run.found.get(target, existing))
        if _may_send_unseen(run, local, target, status.st_size):
            with contextlib.suppress(AlreadyExists):
                return send(None, is_seen=False)
        return send(_find_file(run, target))
    finally:
        os.close(fd)


def _may_send_unseen(run: Run, local: Path, target: RemotePath, size: int) -> bool:
    """Return whether a file may be sent without a look at its name; one that was sent before is probably there."""
    is_proven = isinstance(run.store, ReplacesNothing) and run.store.is_proven_to_refuse(target)
    return is_proven and size <= SMALL and not run.rules.dry_run and run.pair(target, local.parent).record is None


def _find_file(run: Run, target: RemotePath) -> Entry | None:
    """Return the entry of a name. One that may not be looked at counts as free, so it is never overwritten."""
    look = run.store.file_info if isinstance(run.store, ReplacesNothing) else run.store.info
    with contextlib.suppress(NotFound, Forbidden):
        return look(target)
    return None


def upload_open_file(
    run: Run,
    rights: Rights,
    fd: int,
    status: os.stat_result,
    local: Path,
    target: RemotePath,
    existing: Entry | None,
    *,
    is_seen: bool = True,
    is_spool: bool = False,
    similar: str | None = None,
) -> Outcome:
    """Upload an open file, if the plan says so; see `upload_file`.

    Args:
        run: The run.
        rights: Known limits of the token; shared by all files of the run.
        fd: The open file, which must be a regular one.
        status: Its stat(2).
        local: Its path, for the outcome and for messages.
        target: The remote file.
        existing: The entry that has the target's name in the listing; None: the name is free.
        is_seen: Whether that is known. If not, a name that is taken is the error AlreadyExists.
        is_spool: Whether the file has no name. It is then sent whatever its mtime is, and there is no record of it.
        similar: As for `upload_file`.
    """
    began, file = time.monotonic(), LocalFile(fd, status, check_stop=run.check_stop)
    if existing is not None and existing.is_directory:
        raise AlreadyExists("a directory has this name on the storage", path=str(target))
    existing = resolve_existing_alias(run.store, existing)
    pair, upload = None, None
    if is_spool:
        step = plan_spool(existing, run.rules)
    else:
        pair = run.pair(target, local.parent)
        step = plan_upload(fd, status, existing, run.store.features, run.rules, pair, run.check_stop)
    if step is Step.REPLACE and existing is not None and existing.alias_of is not None:
        return Outcome(State.KEPT, target, local, status.st_size, why=why_kept(existing), etag=existing.etag)
    if step not in UNMOVED:
        run.names.check(target, tries=not run.rules.dry_run)
    if step not in UNMOVED and not run.rules.dry_run:
        hashing = not run.store.features.digests_uploads
        source = FileSource(run, str(target), fd, status, hashing)
        upload = UploadAttempts(run, rights, target, source, is_seen=is_seen, similar=similar)
        with run.stored.new_names.adding(target) if step is Step.CREATE else contextlib.nullcontext():
            step = run.retry(functools.partial(upload.attempt, step), after=RETRIED)
            check_name_works(run, target, step)
    state, why = UNMOVED.get(step, (State.DONE, ""))
    outcome = Outcome(state, target, local, status.st_size, time.monotonic() - began, why=why)
    if upload is not None and state is State.DONE:
        outcome, version = upload.add_proof(outcome), upload.version(existing)
        if pair is not None and pair.writes and version is not None:
            pair.save(file.settled_version(), version, record_digests(outcome.digest, upload.source.digests))
        return outcome
    if existing is None:
        return outcome
    return dataclasses.replace(outcome, etag=existing.etag, digest=listed_digest(existing))


def check_name_works(run: Run, target: RemotePath, step: Step) -> None:
    """Check that the door gives back a file that has just got its name.

    Args:
        run: The run.
        target: The file.
        step: The step that was taken.

    Raises:
        Unsupported: The door does not give it back under this name; a new file is deleted.
    """
    try:
        if step not in UNMOVED:
            run.names.prove(target)
    except Unsupported:
        if step is Step.CREATE:
            run.discard(target)
        raise
