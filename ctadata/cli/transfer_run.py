"""What get and put share: a session, somebody to tell, the summary at the end and the exit code."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import typer

from ctadata.cli.login import log_in_if_needed
from ctadata.cli.options import Common
from ctadata.cli.output import say, say_raw, stdout_is_terminal
from ctadata.cli.run_output import RunOutput
from ctadata.cli.signals import stopping
from ctadata.cli.transfer_options import RunOptions
from ctadata.errors import CtadataError, IntegrityError, Unsupported, UsageError
from ctadata.progress import units

if TYPE_CHECKING:
    from ctadata.session import Session
    from ctadata.transfer.report import Outcome, Reporter, Summary

    Work = Callable[[Session, Reporter], Summary]

_SPECIAL = "links that lead nowhere or to directories, sockets, FIFOs and devices"

WORTH_A_RATE = 1 << 20
"""Bytes below which a rate says nothing."""


def move(common: Common, work: Work, account: RunOutput, conduct: RunOptions) -> None:
    """Do the work of get or put and tell of it; typer.Exit with the code of its summary where that is not 0."""
    from ctadata.progress.reporters import choose

    if conduct.login:
        log_in_if_needed(common.resolve(), conduct.token_file)
    began = time.monotonic()
    verbose = bool(common.verbose)
    with stopping() as stop, common.session(stop, conduct.token_file, conduct.jobs) as session:
        # a dry run, and lines of JSON, are for reading: no bars go over them
        quiet = common.quiet or account.dry_run or (account.json and stdout_is_terminal())
        with (
            choose(sys.stderr, quiet=quiet, verbose=verbose and not quiet, env=os.environ) as reporter,
            account.kept(reporter, session.profile.name, verbose=verbose) as kept,
        ):
            summary = work(session, kept)
        tell(summary, time.monotonic() - began, account, common, stopped=stop.is_set() or summary.stopped)
    if summary.exit_code:
        raise typer.Exit(summary.exit_code)


def tell(summary: Summary, seconds: float, account: RunOutput, common: Common, *, stopped: bool) -> None:
    """The summary on stderr: the counts, what was left alone and why, each failure; if quiet, the failures alone."""
    from ctadata.progress.format import counted_line, outcome_lines
    from ctadata.transfer.special_files import SPECIAL

    for line in outcome_lines(_told(summary, quiet=common.quiet, dry_run=account.dry_run)):
        say_raw(line)
    special = [outcome for outcome in summary.passed if outcome.why in SPECIAL]
    if special and not account.dry_run and not common.quiet:
        if not any(outcome.error for outcome in special):
            say_raw(counted_line(special))
        elif account.action == "put":
            say(f"--skip-special passes over {_SPECIAL} without a failure")
    for remark in summary.remarks:
        say(remark)
    hopeless = not any(map(_may_succeed, summary.errors))
    if summary.failed and not hopeless and not account.dry_run and not common.quiet:
        say(account.again(common, summary.failed))
    words = foreseen(summary) if account.dry_run else counts(summary, seconds, account.action)
    if not common.quiet and (words or not stopped):
        say(("dry run: " if account.dry_run else "") + ("; ".join(words) or "nothing to do: no files to move"))
    if stopped:
        say(account.onward)


def _told(summary: Summary, *, quiet: bool, dry_run: bool) -> Iterator[Outcome]:
    """The outcomes that stderr tells of: what is not done, and if not quiet what was left alone."""
    from ctadata.transfer.special_files import SPECIAL

    if not dry_run:  # stdout has told of it
        yield from (outcome for outcome in summary.passed if outcome.error or not (quiet or outcome.why in SPECIAL))
        yield from () if quiet else summary.kept
    yield from summary.failed


def _may_succeed(error: CtadataError) -> bool:
    """Whether the same command may do what it did not do now; not for a wrong name, nor for a damaged file."""
    damaged = isinstance(error, IntegrityError) and not error.retryable
    return not (damaged or isinstance(error, UsageError | Unsupported))


def foreseen(summary: Summary) -> list[str]:
    """`12 files to move (1.2 GiB); 3 files to skip, equal`."""
    words = [f"{units.files(summary.done)} to move ({units.size(summary.size)})"] if summary.done else []
    words += [f"{units.files(count)} to skip, {why}" for why, count in summary.skips.items()]
    if summary.deleted:
        words.append(f"{units.names(summary.deleted)} to delete")
    return [*words, *left_alone(summary)]


def counts(summary: Summary, seconds: float, action: str = "get") -> list[str]:
    """`done 12 files (1.2 GiB in 41 s, 30.1 MiB/s); skipped 3 files, equal already; failed 2 files`."""
    words = []
    if summary.done:
        moved = summary.size - summary.resumed
        before = f", {units.size(summary.resumed)} of it before," if summary.resumed else ""
        speed = f", {units.rate(moved / seconds)}" if moved >= WORTH_A_RATE and seconds else ""
        what = "right" if action == "verify" else "done"
        size = f"{units.size(summary.size)}{before} in {units.duration(seconds)}{speed}"
        words.append(f"{what} {units.files(summary.done)} ({size})")
    for why, count in summary.skips.items():
        words.append(f"skipped {units.files(count)}, {'equal already' if why == 'equal' else why}")
    if summary.deleted:
        words.append(f"deleted {units.names(summary.deleted)}")
    return [*words, *left_alone(summary)]


def left_alone(summary: Summary) -> list[str]:
    """What was kept, passed over, or failed; and the directories that listed as empty."""
    words = []
    for what, outcomes in (("kept", summary.kept), ("passed over", summary.passed), ("failed", summary.failed)):
        if outcomes:
            words.append(f"{what} {units.files(len(outcomes))}")
    if summary.empty and summary.hides:
        they = "is empty, or may" if summary.empty == 1 else "are empty, or may"
        words.append(f"{units.directories(summary.empty)} {they} not be read")
    return words
