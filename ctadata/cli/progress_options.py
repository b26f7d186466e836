"""The options about what a run shows and records while it goes on, which the commands of transfers share."""

from __future__ import annotations

import math
from dataclasses import dataclass
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
        show_default=False,
        help="In a pipe, write a line of progress every so many seconds; 0 writes none. Usual are 30, or 5 percent.",
    ),
]


@dataclass(frozen=True)
class ProgressOptions:
    """The options of a run about its progress.

    Attributes:
        stats: Seconds between two plain lines of progress; 0 writes none, None is the usual rule.
    """

    stats: Stats = None
