"""What get and put share: a session, somebody to tell, the summary at the end and the exit code."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ctadata.cli.login import log_in_if_needed
from ctadata.cli.options import Common
from ctadata.cli.output import say, say_raw
from ctadata.cli.stopping import stopping
from ctadata.progress import amounts

if TYPE_CHECKING:
    from ctadata.session import Session
    from ctadata.transfer.report import Reporter, Summary

    Work = Callable[[Session, Reporter], Summary]

WORTH_A_RATE = 1 << 20
"""Bytes below which a rate says nothing."""


def move(common: Common, work: Work, *, token_file: Path | None, jobs: str | None, login: bool) -> None:
    """Do the work of get or put and tell of it; typer.Exit with the code of its summary where that is not 0.

    login: whether a person logs in first, where there is no token.
    """
    from ctadata.progress.choice import choose

    if login:
        log_in_if_needed(common.resolve(), token_file)
    began = time.monotonic()
    verbose = bool(common.verbose)
    with stopping() as stop, common.session(stop, token_file, jobs) as session:
        with choose(sys.stderr, quiet=common.quiet, verbose=verbose, env=os.environ) as reporter:
            summary = work(session, reporter)
        tell(summary, time.monotonic() - began, quiet=common.quiet)
        if stop.is_set():
            say("the same command goes on where this one ends")
    if summary.exit_code:
        raise typer.Exit(summary.exit_code)


def tell(summary: Summary, seconds: float, *, quiet: bool) -> None:
    """The summary on stderr: the counts, what was left alone and why, each failure; with `quiet` the failures."""
    from ctadata.progress.words import outcome_line

    if not quiet:
        for outcome in (*summary.passed, *summary.kept):
            say_raw(outcome_line(outcome))
    for outcome in summary.failed:
        say_raw(outcome_line(outcome))
    if not quiet:
        say(counts(summary, seconds))


def counts(summary: Summary, seconds: float) -> str:
    """`done 12 files (1.2 GiB in 41 s, 30.1 MiB/s); skipped 3 files, equal already; failed 2 files`."""
    words = []
    if summary.done:
        speed = f", {amounts.rate(summary.size / seconds)}" if summary.size >= WORTH_A_RATE and seconds else ""
        words.append(
            f"done {amounts.files(summary.done)} ({amounts.size(summary.size)} in {amounts.duration(seconds)}{speed})"
        )
    if summary.skipped:
        words.append(f"skipped {amounts.files(summary.skipped)}, equal already")
    for what, outcomes in (("kept", summary.kept), ("passed over", summary.passed), ("failed", summary.failed)):
        if outcomes:
            words.append(f"{what} {amounts.files(len(outcomes))}")
    return "; ".join(words) or "nothing to do: no files there"
