"""Choose the reporter: bars on a terminal that can draw, plain lines elsewhere, nothing if the user wants quiet."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TextIO

from ctadata.progress.counting import CountingReporter
from ctadata.progress.plain import PlainReporter
from ctadata.transfer.report import NullReporter, Reporter

Progress = AbstractContextManager[Reporter] | bool
"""The `progress` of a Python function: a reporter, which is entered as a block; or True for `default_reporter`."""


def choose(
    stream: TextIO | None,
    *,
    quiet: bool,
    verbose: bool,
    env: Mapping[str, str],
    every: float | None = None,
    title: str = "",
) -> CountingReporter:
    """Return the reporter for a run that is shown on `stream`; it draws only inside its `with` block.

    Args:
        stream: A terminal or another text stream; None: nothing is shown.
        quiet: Whether nothing is shown.
        verbose: Whether each file that ended gets a line.
        env: The environment: TERM, NO_COLOR and CTADATA_NO_COLOR count.
        title: The words for the title of the terminal's window, after the percentage; empty leaves the title as it is.
        every: Seconds between two plain lines of progress; 0 writes none, None writes them as `PlainReporter` says.
    """
    if quiet or stream is None:
        return CountingReporter()
    if stream.isatty() and env.get("TERM", "dumb") not in ("dumb", "unknown"):
        from ctadata.progress.terminal import TerminalReporter

        return TerminalReporter(stream, verbose, env, title)
    return PlainReporter(stream, verbose, every=every)


def default_reporter() -> AbstractContextManager[Reporter]:
    """Return the reporter for Python code: a bar in a notebook; elsewhere what a command shows on stderr."""
    from ctadata.progress.notebook import NotebookReporter, is_notebook

    if is_notebook():
        return NotebookReporter()
    return choose(sys.stderr, quiet=False, verbose=False, env=os.environ)


def reporter_for(progress: Progress | None) -> AbstractContextManager[Reporter]:
    """Return the reporter for the `progress` of a Python function; for None and False, one that shows nothing."""
    if isinstance(progress, bool):
        progress = default_reporter() if progress else None
    return progress or nullcontext(NullReporter())
