"""Which reporter: bars on a terminal that can draw, plain lines elsewhere, nobody where the user wants quiet."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TextIO

from ctadata.progress.plain import PlainReporter
from ctadata.transfer.report import NullReporter, Reporter, TeeReporter

Progress = AbstractContextManager[Reporter] | bool
"""Who is told while a function works: a reporter inside its block, or True for what `shown` gives."""


def choose(
    stream: TextIO | None, *, quiet: bool, verbose: bool, env: Mapping[str, str]
) -> AbstractContextManager[Reporter]:
    """The reporter for a run that is told of on `stream`; it draws inside its `with` block only."""
    if quiet or stream is None:
        return nullcontext(NullReporter())
    if stream.isatty() and env.get("TERM", "dumb") not in ("dumb", "unknown"):
        from ctadata.progress.terminal import TerminalReporter

        return TerminalReporter(stream, verbose, env)
    return PlainReporter(stream, verbose)


def shown() -> AbstractContextManager[Reporter]:
    """The reporter for Python code that asks for one: a bar in a notebook, else what a command shows on stderr."""
    from ctadata.progress.notebook import NotebookReporter, is_notebook

    if is_notebook():
        return NotebookReporter()
    return choose(sys.stderr, quiet=False, verbose=False, env=os.environ)


def reporter_for(progress: Progress | None) -> AbstractContextManager[Reporter]:
    """The reporter that a function was asked to tell; None and False: nobody."""
    if isinstance(progress, bool):
        progress = shown() if progress else None
    return progress or nullcontext(NullReporter())


def paused(reporter: Reporter) -> AbstractContextManager[None]:
    """A block in which no bars are drawn, because somebody is asked."""
    from ctadata.progress.terminal import TerminalReporter

    inner = reporter.inner if isinstance(reporter, TeeReporter) else reporter
    return inner.paused() if isinstance(inner, TerminalReporter) else nullcontext()
