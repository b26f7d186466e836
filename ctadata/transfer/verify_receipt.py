"""Verify the files of a receipt: are they still what they were, locally or on the storage?"""

from __future__ import annotations

import functools
import os
import stat
import time
from collections.abc import Callable, Iterable

from ctadata.checksums import strongest_digest
from ctadata.errors import CtadataError, IntegrityError, LocalError, NotFound, UsageError
from ctadata.printable import escape_unprintable
from ctadata.shards import own_items
from ctadata.transfer import integrity
from ctadata.transfer.partial_file import local_errors
from ctadata.transfer.receipt import Record
from ctadata.transfer.report import Outcome, State, Summary
from ctadata.transfer.run import Run, Task
from ctadata.versions import tags_differ, tags_match

_Check = Callable[[Run, Record], str]

VERIFIED_STATES = (State.DONE, State.SKIPPED)
"""The states of records whose files are verified. A record of a failure is reported with the error of that time."""

_KINDS = {kind.exit_code: kind for kind in (NotFound, LocalError, UsageError)}


def verify_receipt(run: Run, records: Iterable[Record], *, remote: bool) -> Summary:
    """Verify the files of a receipt.

    Args:
        run: The run.
        records: The lines of the receipt.
        remote: Whether the files on the storage are verified; else the local ones.

    Returns:
        The summary: DONE is verified, FAILED is missing or different.
    """
    check = _check_remote if remote else _check_local
    verifiable = own_items(
        (record for record in records if record.state in VERIFIED_STATES or record.is_undone),
        run.rules.shard,
        key=lambda record: f"{record.path}\0{record.local}\0{record.key}",
        size=lambda record: record.size,
    )
    run.execute(Task(record.path, record.local, functools.partial(_check, run, record, check)) for record in verifiable)
    if count := run.summary.unverified:
        files = "1 file" if count == 1 else f"{count} files"
        lack = (
            "storage and receipt have no digest in common" if remote else "the receipt has no digest that is known here"
        )
        run.summary.remarks.append(f"of {files} only the size was compared: {lack}")
    return run.summary


def _check(run: Run, record: Record, check: _Check) -> Outcome:
    began = time.monotonic()
    if record.state is State.FAILED:
        raise CtadataError(f"the run failed on it: {record.error}")
    if record.state is State.PASSED:
        error = _KINDS.get(record.exit_code or 0, CtadataError)(record.error)
        return Outcome(State.PASSED, record.path, record.local, why=record.why, error=error, key=record.key)
    run.reporter.planned(1, record.size)
    verified = check(run, record)
    if verified == "size":
        run.summary.add_unverified(record.size)
    seconds = time.monotonic() - began
    return Outcome(
        State.DONE, record.path, record.local, record.size, seconds,
        verified=verified, digest=record.digest, etag=record.etag,
    )  # fmt: skip


def _check_local(run: Run, record: Record) -> str:
    """Return what was compared; raise IntegrityError, NotFound or LocalError, or UsageError if there is no file."""
    path = escape_unprintable(str(record.local))
    if record.local is None:
        raise UsageError(
            f"it is not verified: {record.why_not_local}", hint="--remote verifies the file on the storage"
        )
    with local_errors(path):
        try:
            status = os.stat(record.local)  # noqa: PTH116
        except FileNotFoundError:
            raise NotFound("local: it is not there any more", path=path) from None
    if not stat.S_ISREG(status.st_mode):
        raise IntegrityError("local: it is not a file any more", path=path)
    if status.st_size != record.size:
        raise IntegrityError(f"the file has {status.st_size} bytes instead of {record.size}", path=path)
    algorithm, _, digest = record.digest.partition(":")
    try:
        if strongest_digest({algorithm: digest}) is None:  # none, or a library is missing that computes it
            return "size"
        computed = integrity.digest_of(record.local, algorithm, run.check_stop)
        integrity.check_digest(algorithm, computed, {algorithm: digest})
    except IntegrityError as error:
        error.path = path
        raise
    run.reporter.moved(str(record.path), record.size)
    return f"size, {algorithm}"


def _check_remote(run: Run, record: Record) -> str:
    """Return what was compared; raise IntegrityError, NotFound, or what the store raises."""
    entry = run.store.info(record.path)
    if entry.is_directory:
        raise IntegrityError("it is a directory now")
    integrity.check_entry(run.store, entry, record.size)
    algorithm, _, digest = record.digest.partition(":")
    known = entry.checksums if algorithm in entry.checksums else run.store.digests(record.path)
    if digest and algorithm in known:
        integrity.check_digest(algorithm, known[algorithm], {algorithm: digest})
        return f"size, {algorithm}"
    if tags_differ(entry.etag, record.etag):
        raise IntegrityError("it is another version now: its tag has changed, and no checksum is known")
    return "size, tag" if tags_match(entry.etag, record.etag) else "size"
