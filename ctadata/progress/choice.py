"""Which reporter: bars on a terminal that can draw, plain lines elsewhere, nobody where the user wants quiet."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TextIO

from ctadata.progress.plain import PlainReporter
from ctadata.transfer.report import Reporter, Silent


def choose(
    stream: TextIO, *, quiet: bool, verbose: bool, env: Mapping[str, str]
) -> contextlib.AbstractContextManager[Reporter]:
    """The reporter for a run that is told of on `stream`; it draws inside its `with` block only."""
    if quiet:
        return contextlib.nullcontext(Silent())
    if stream.isatty() and env.get("TERM", "dumb") not in ("dumb", "unknown"):
        from ctadata.progress.terminal import TerminalReporter

        return TerminalReporter(stream, verbose, env)
    return PlainReporter(stream, verbose)
