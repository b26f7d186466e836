"""The options about what a run shows and records while it goes on, which the commands of transfers share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ctadata.errors import UsageError


def _refuse_nan(value: float | None) -> float | None:
    """Refuse the number of seconds that is none; the smallest number does not."""
    if value is not None and math.isnan(value):
        raise UsageError("--stats: 'nan' is no number of seconds")
    return value


Stats = Annotated[
    float | None,
    typer.Option(
        "--stats",
        metavar="SECONDS",
        callback=_refuse_nan,
        min=0,
        max=86400,
        show_default=False,
        help="In a pipe, write a line of progress every so many seconds; 0 writes none. Usual are 30, or 5 percent.",
    ),
]
LogFile = Annotated[
    Path | None,
    typer.Option("--log-file", metavar="FILE", help="Add lines about the run, its files and its retries to FILE."),
]
LogJson = Annotated[
    Path | None,
    typer.Option("--log-json", metavar="FILE", help="The same as one JSON object a line."),
]
NoTitle = Annotated[
    bool, typer.Option("--no-title", help="Leave the title of the terminal's window as it is: no percentage in it.")
]


@dataclass(frozen=True)
class ProgressOptions:
    """The options of a run about its progress.

    Attributes:
        stats: Seconds between two plain lines of progress; 0 writes none, None is the usual rule.
        log_file: The file that gets a line about each event of the run.
        log_json: The file that gets a JSON object about each event.
        no_title: The title of the terminal's window stays as it is.
    """

    stats: Stats = None
    log_file: LogFile = None
    log_json: LogJson = None
    no_title: NoTitle = False
