"""How a run went over time, from the lines of its receipts: the rate, the failures and the retries in each interval."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ctadata.errors import UsageError
from ctadata.transfer.receipt import Record
from ctadata.transfer.report import State

INTERVALS = 120
"""The number of intervals that the time of the receipts is divided into."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """The intervals of a run; all have the same length, and all lists have the same number of items.

    Attributes:
        began: The start of the first interval, in seconds since 1970.
        step: The length of an interval, in seconds.
        rates: Bytes per second. The bytes of a file are spread evenly over the time that it took.
        failures: Files that failed.
        retries: Attempts after the first one of each file, counted where the file ended.
    """

    began: float
    step: float
    rates: list[float]
    failures: list[int]
    retries: list[int]


def read_timeline(records: Iterable[Record], intervals: int = INTERVALS) -> Timeline:
    """Return the timeline of the lines of receipts.

    Raises:
        UsageError: No line says when its file ended; earlier versions wrote such receipts.
    """
    timed = [(record, record.ended) for record in records if record.ended is not None]
    if not timed:
        raise UsageError("no line of these receipts says when it was written, so there is nothing to plot")
    began = min(ended - record.seconds for record, ended in timed)
    step = max(max(ended for _, ended in timed) - began, 1e-3) / intervals
    size, failures, retries = [0.0] * intervals, [0] * intervals, [0] * intervals
    for record, ended in timed:
        last = min(int((ended - began) / step), intervals - 1)
        failures[last] += record.is_undone
        retries[last] += record.retries
        if record.state is State.DONE:
            first = min(int((ended - record.seconds - began) / step), last)
            for number in range(first, last + 1):
                size[number] += record.size * _share(record, ended, began + number * step, step)
    return Timeline(began, step, [each / step for each in size], failures, retries)


def _share(record: Record, ended: float, start: float, step: float) -> float:
    """Return which share of a file moved in the interval from `start` on."""
    if record.seconds <= 0:
        return 1.0
    inside = min(ended, start + step) - max(ended - record.seconds, start)
    return max(0.0, inside) / record.seconds
