"""The download of one file as a task of a run: its plan, its outcome, and what another process needs to do it."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Iterable
from pathlib import Path

from ctadata.entries import Entry
from ctadata.errors import LocalError
from ctadata.local_names import check_local_name
from ctadata.printable import escape_unprintable
from ctadata.transfer.aliases import may_be_alias, resolve_alias, with_alias_remark
from ctadata.transfer.dir_cache import DirCache
from ctadata.transfer.download_file import download_file
from ctadata.transfer.download_target import DownloadTarget
from ctadata.transfer.local_entries import check_spelling, find_folder
from ctadata.transfer.plan import UNMOVED, Step, listed_digest, plan_download
from ctadata.transfer.report import Outcome, State, Summary
from ctadata.transfer.run import Run, Task
from ctadata.transfer.run_receipt import is_receipt, receipt_error
from ctadata.transfer.staging import is_on_tape, refuse_tape, with_current_locality


def download_task(run: Run, folders: DirCache, target: DownloadTarget) -> Task:
    """Return the task that downloads one file, or plans its download in a dry run.

    Args:
        run: The run.
        folders: The open directories of the run.
        target: The file.
    """
    local = target.local
    if run.rules.receipt is not None and is_receipt(run.rules.receipt, local.parent, local.name):
        return run.task(target.entry.path, local, 0, functools.partial(_refuse_receipt, local), target.entry.etag)
    if is_on_tape(target.entry):
        target = dataclasses.replace(target, entry=with_current_locality(run.store, target.entry))
    work = functools.partial(_download, run, folders, target, local)
    task = run.task(target.entry.path, local, target.entry.size or 0, work, target.entry.etag)
    task.item = target
    if run.staging and is_on_tape(target.entry) and not run.rules.dry_run:
        task.on_tape = _plan_outcome(run, target).state is State.DONE
        task.item = dataclasses.replace(target, entry=dataclasses.replace(target.entry, locality=None))
    return task


def _refuse_receipt(local: Path) -> Outcome:
    raise receipt_error(local)


def _download(run: Run, folders: DirCache, target: DownloadTarget, local: Path) -> Outcome:
    if may_be_alias(run.store, target.entry):
        target = dataclasses.replace(target, entry=resolve_alias(run.store, target.entry))
    entry = target.entry
    if run.rules.dry_run:
        return _plan_outcome(run, target)
    with folders.borrow(target.base, target.parts) as folder:
        try:
            outcome = download_file(run, entry, folder, check_local_name(target.name), local)
        except LocalError as error:
            if error.path == escape_unprintable(str(folder.path)):  # the part has no name that tells the user anything
                error.path = escape_unprintable(str(local))
            raise
    if not outcome.etag or (entry.checksums and not outcome.digest):
        outcome = _with_version(outcome, entry)
    return with_alias_remark(run.summary, entry, outcome) if entry.alias_of is not None else outcome


def _plan_outcome(run: Run, target: DownloadTarget) -> Outcome:
    """Return the outcome that a download would have; nothing is made or changed."""
    entry, name = target.entry, check_local_name(target.name)
    with find_folder(target.base, target.parts) or contextlib.nullcontext() as folder:
        existing = folder.stat(name) if folder else None
        pair = run.pair(entry.path, target.base.joinpath(*target.parts))
        step = plan_download(entry, target.local, existing, run.rules, run.store.features, pair, run.check_stop)
        if folder and step is Step.REPLACE:
            check_spelling(folder, name)
    state, why = UNMOVED.get(step, (State.DONE, ""))
    if state is State.DONE and not run.staging:
        refuse_tape(entry)
    return _with_version(Outcome(state, entry.path, target.local, entry.size or 0, why=why), entry)


def _with_version(outcome: Outcome, entry: Entry) -> Outcome:
    """Return the outcome with tag and digest of the listing, if nothing better is known."""
    etag, digest = outcome.etag or entry.etag, outcome.digest or listed_digest(entry)
    was_compared = digest.partition(":")[0] in outcome.verified.split(", ")
    if not outcome.digest and outcome.state is not State.SKIPPED and not was_compared:
        digest = ""
    if (etag, digest) == (outcome.etag, outcome.digest):
        return outcome
    return dataclasses.replace(outcome, etag=etag, digest=digest)


def download_files(run: Run, targets: Iterable[DownloadTarget]) -> Summary:
    """Download files whose names another process has looked up and selected.

    Args:
        run: The run.
        targets: The files, each with its local target.

    Returns:
        The summary, with each failure.
    """
    with DirCache() as folders:
        return run.execute(download_task(run, folders, target) for target in targets)
