"""Run a transfer of `get`, `put`, `sync`, `alias` or `verify`: session, progress, summary and exit code."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from ctadata.cli.login import log_in_if_needed
from ctadata.cli.options import Common
from ctadata.cli.output import PROGRAM, in_red, say, say_raw, stdout_is_terminal
from ctadata.cli.progress_options import ProgressOptions
from ctadata.cli.run_log import open_run_log
from ctadata.cli.run_output import RunOutput
from ctadata.cli.run_records import DONE, FAILED, STOPPED, begin_record, record_run
from ctadata.cli.sharing import Sharing
from ctadata.cli.signals import stop_on_signals
from ctadata.cli.transfer_options import RunOptions
from ctadata.errors import CtadataError, IntegrityError, Unsupported, UsageError
from ctadata.http.redaction import redact
from ctadata.printable import escape_unprintable
from ctadata.progress import units
from ctadata.progress.format import NAMED, counted_line, outcome_lines, status_lines
from ctadata.progress.reporters import choose
from ctadata.transfer.report import Outcome, Reporter, Summary, TooManyDeletions
from ctadata.transfer.special_files import SPECIAL

if TYPE_CHECKING:
    from ctadata.session import Session

Work = Callable[["Session", Reporter], Summary]
"""Transfers files with a session, tells a reporter, and returns the summary."""


@dataclass(frozen=True, slots=True)
class OpenWork:
    """A transfer whose sessions are open.

    Attributes:
        profile: The name of the profile, for the receipt.
        run: Transfers the files, tells a reporter, and returns the summary.
    """

    profile: str
    run: Callable[[Reporter], Summary]


_SPECIAL_FILES = "broken links, links to directories, sockets, FIFOs and devices"
MIN_SIZE_FOR_RATE = 1 << 20
"""Bytes. The summary of a smaller transfer shows no rate: it would be the latency of the requests."""


def run_transfer(
    common: Common,
    work: Work,
    output: RunOutput,
    run_options: RunOptions,
    progress: ProgressOptions = ProgressOptions(),  # noqa: B008  (frozen)
) -> None:
    """Open a session, do the work, and print its summary.

    Args:
        common: The common options; they choose the profile.
        work: The transfer.
        output: What to write to stdout and to the receipt.
        run_options: The login, the token file and the number of jobs.
        progress: The options about the progress of the run.

    Raises:
        typer.Exit: With the exit code of the summary, unless it is 0.
        CtadataError: The transfer could not begin.
    """
    if run_options.login:
        log_in_if_needed(common.resolve(), run_options.token_file)
    sharing = run_options.sharing

    @contextlib.contextmanager
    def open_work(stop: threading.Event) -> Iterator[OpenWork]:
        with common.session(stop, run_options.token_file, run_options.jobs, sharing.at_once) as session:
            yield OpenWork(session.profile.name, lambda reporter: work(session, reporter))

    run_work(common, open_work, output, sharing, progress)


def run_work(
    common: Common,
    open_work: Callable[[threading.Event], AbstractContextManager[OpenWork]],
    output: RunOutput,
    sharing: Sharing,
    progress: ProgressOptions,
) -> None:
    """Do the work in sessions that the caller opens, and print its summary.

    Args:
        common: The common options.
        open_work: Opens the sessions; it receives the event that ends the work.
        output: What to write to stdout and to the receipt.
        sharing: The share of the files that the run takes.
        progress: The options about the progress of the run.

    Raises:
        typer.Exit: With the exit code of the summary, unless it is 0.
        CtadataError: The transfer could not begin.
    """
    began, verbose = time.monotonic(), bool(common.verbose)
    if not common.quiet:
        sharing.announce()
    arguments = redact(shlex.join(sys.argv[1:]))
    command, title = f"{PROGRAM} {arguments}", "" if progress.no_title else arguments
    # progress bars would overwrite the lines of a dry run, and JSON lines on a terminal
    quiet = common.quiet or output.dry_run or (output.json and stdout_is_terminal())
    shown = choose(
        sys.stderr, quiet=quiet, verbose=verbose and not quiet, env=os.environ, every=progress.stats, title=title
    )

    def show_status() -> None:
        first, *rest = status_lines(shown.tally.snapshot())
        shown.interject([f"{PROGRAM}: {first}", *rest])

    log_files = sharing.name_file(progress.log_file), sharing.name_file(progress.log_json)
    with (
        open_run_log(*log_files, command) as log,
        stop_on_signals(show_status, outlives_terminal=not output.fills_terminal) as stop,
        open_work(stop) as work,
        record_run(
            None
            if output.dry_run
            else begin_record(output.action, command, work.profile, output.receipt, log_files[0] or log_files[1]),
            shown.tally.snapshot,
        ) as record,
    ):
        with (
            shown as reporter,
            log.follow(reporter, shown.tally.snapshot, progress.stats) if log else nullcontext(reporter) as logged,
            output.recording(logged, work.profile, verbose=verbose) as recorder,
        ):
            summary = work.run(recorder)
        seconds, stopped = time.monotonic() - began, stop.is_set() or summary.stopped
        print_summary(summary, seconds, output, common, stopped=stopped)
        words = "; ".join(summary_counts(summary, seconds, output.action))
        state = STOPPED if stopped else FAILED if summary.errors else DONE
        if log:
            log.write("error" if summary.errors else "info", "end", f"{state}: {words}", size=summary.size)
        if record:
            code = None if stopped else summary.exit_code
            record.end(state, code, words, _destination(summary, output.action) or None)
    if summary.exit_code:
        raise typer.Exit(summary.exit_code)
    if not (common.quiet or output.dry_run or output.action == "verify"):
        sharing.name_last_step()


def in_processes(work: Work, count: int | None, common: Common, run_options: RunOptions) -> Work:
    """Return the work, with the files moved by other processes of this machine.

    Args:
        work: The transfer.
        count: The number of processes; None moves the files in this process.
        common: The common options; they choose the profile.
        run_options: The token file and the number of jobs.

    Raises:
        UsageError: The command goes through the platform's services.
    """
    if count is None:
        return work
    if common.platform:
        raise UsageError("--processes goes straight to the storage", hint="use cta-data-direct")
    processes = count

    def work_in_processes(session: Session, reporter: Reporter) -> Summary:
        from ctadata.batch_transfer import BatchTransfer, run_in_workers

        resolved = common.resolve({} if run_options.jobs is None else {"jobs": run_options.jobs})
        with run_in_workers(session, BatchTransfer.of(resolved, run_options.token_file), processes):
            return work(session, reporter)

    return work_in_processes


def print_summary(summary: Summary, seconds: float, output: RunOutput, common: Common, *, stopped: bool) -> None:
    """Print to stderr which files were not transferred and why, how to try again, and the counts.

    Args:
        summary: The end of the run.
        seconds: The duration of the run.
        output: The output that the user asked for.
        common: The common options; with `--quiet` only failures are printed.
        stopped: A signal ended the run.
    """
    for line in outcome_lines(_outcomes_to_print(summary, quiet=common.quiet, dry_run=output.dry_run)):
        say_raw(in_red(line) if line.startswith("failed ") else line)
    if len(summary.failed) > NAMED and output.receipt is None and not (output.dry_run or common.quiet):
        say("with --receipt FILE, the file gets a line about each of them")
    special = [outcome for outcome in summary.passed if outcome.why in SPECIAL]
    if special and not output.dry_run and not common.quiet:
        if not any(outcome.error for outcome in special):
            say_raw(counted_line(special))
        elif output.action == "put":
            say(f"{_SPECIAL_FILES} cannot be sent (--skip-special leaves them out and does not count them as failures)")
    for line in (*summary.remarks, *map(str, summary.other_errors)):
        say(line)
    may_succeed = any(map(_may_succeed, summary.errors))
    if summary.failed and may_succeed and not output.dry_run and not common.quiet:
        say(output.retry_hint(common, summary.failed))
    words = dry_run_counts(summary) if output.dry_run else summary_counts(summary, seconds, output.action)
    if not common.quiet and (words or not stopped):
        nothing = "0 files verified" if output.action == "verify" else "nothing to do: no files to move"
        say(("dry run: " if output.dry_run else "") + ("; ".join(words) or nothing))
    if stopped:
        say(output.if_stopped)


def _outcomes_to_print(summary: Summary, *, quiet: bool, dry_run: bool) -> Iterator[Outcome]:
    """The outcomes that get a line on stderr; a dry run has written all but the failures to stdout."""
    if not dry_run:
        yield from (outcome for outcome in summary.passed if outcome.error or not (quiet or outcome.why in SPECIAL))
        yield from () if quiet else summary.kept
    yield from summary.failed


def _may_succeed(error: CtadataError) -> bool:
    """Whether the same command may succeed later; a wrong name and a damaged file stay as they are."""
    damaged = isinstance(error, IntegrityError) and not error.retryable
    return not (damaged or isinstance(error, UsageError | Unsupported))


def dry_run_counts(summary: Summary) -> list[str]:
    """Return the parts of the last line of a dry run: `12 files to move (1.2 GiB)`, `3 files to skip, equal`."""
    words = [f"{units.files(summary.done)} to move ({units.size(summary.size)})"] if summary.done else []
    words += [f"{units.files(count)} to skip, {why}" for why, count in summary.skips.items()]
    if summary.deleted:
        words.append(f"{units.names(summary.deleted)} to delete")
    return [*words, *_remaining_counts(summary)]


def summary_counts(summary: Summary, seconds: float, action: str = "get") -> list[str]:
    """Return the parts of the last line of a run.

    For example `12 files done (1.2 GiB in 41 s, 30.1 MiB/s)`, `3 files skipped, equal already`, `2 files failed`.

    Args:
        summary: The end of the run.
        seconds: The duration of the run.
        action: `verify` says that files are verified; any other action says that they are done.
    """
    words = []
    if summary.done:
        compared = summary.done - summary.unverified
        moved = summary.size - summary.resumed
        resumed = f", {units.size(summary.resumed)} already here," if summary.resumed else ""
        rate = f", {units.rate(moved / seconds)}" if moved >= MIN_SIZE_FOR_RATE and seconds else ""
        verb = "done" if action != "verify" else "verified" if compared else "of the right size"
        shown = summary.size - (summary.unverified_size if compared else 0)
        size = f"{units.size(shown)}{resumed} in {units.duration(seconds)}{rate}"
        destination = _destination(summary, action)
        words.append(f"{units.files(compared or summary.done)} {verb} ({size}){destination and f' to {destination}'}")
        if compared and summary.unverified:
            words.append(f"{units.files(summary.unverified)} of the right size ({units.size(summary.unverified_size)})")
    for why, count in summary.skips.items():
        words.append(f"{units.files(count)} skipped, {'equal already' if why == 'equal' else why}")
    if summary.deleted:
        words.append(f"{units.names(summary.deleted)} deleted")
    return [*words, *_remaining_counts(summary)]


def _destination(summary: Summary, action: str) -> str:
    """Return the path of the file that was moved, or of the directory that holds all of them; empty for a pipe."""
    if action == "get" and summary.local_top.parts is not None:
        path = os.path.abspath("/".join(summary.local_top.parts))  # noqa: PTH100
    elif action in ("put", "copy") and summary.remote_top.parts is not None:
        path = "/" + "/".join(summary.remote_top.parts)
    else:
        return ""
    return escape_unprintable(path)


def _remaining_counts(summary: Summary) -> list[str]:
    """The counts of files that were not transferred, and of directories that listed as empty."""
    words = []
    failed = [outcome for outcome in summary.failed if not isinstance(outcome.error, TooManyDeletions)]
    if len(failed) < len(summary.failed):
        words.append("nothing deleted: more names than --max-delete allows")
    for verb, outcomes in (("kept", summary.kept), ("passed over", summary.passed), ("failed", failed)):
        if outcomes:
            words.append(f"{units.files(len(outcomes))} {verb}")
    if summary.empty and summary.hides:
        verb = "is empty, or you may not read it" if summary.empty == 1 else "are empty, or you may not read them"
        words.append(f"{units.directories(summary.empty)} {verb}")
    return words
