"""Add up the lines of receipts: how many files and bytes, what failed and why, and how long it took."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from ctadata.printable import escape_unprintable
from ctadata.transfer.receipt import Record
from ctadata.transfer.report import State

SLOWEST = 5
"""The number of files that a summary names as the slowest."""


@dataclass(slots=True)
class ReceiptSummary:
    """The sums of some receipts.

    Attributes:
        files: Files in each state (`State`).
        size: Bytes of the files that moved.
        failures: Failed files, by the reason; a reason does not have the file's path.
        slowest: The files that took longest, the slowest first.
        began: The start of the first file, in seconds since 1970; None if no line says when.
        ended: The end of the last one.
    """

    files: Counter[str] = field(default_factory=Counter)
    size: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    slowest: list[Record] = field(default_factory=list)
    began: float | None = None
    ended: float | None = None

    @property
    def seconds(self) -> float | None:
        """The time from the start of the first file to the end of the last one; None if no line says when."""
        return None if self.began is None or self.ended is None else self.ended - self.began

    @property
    def rate(self) -> float | None:
        """Bytes per second, of all tasks together; None if no line says when, or if it took no time."""
        return self.size / self.seconds if self.seconds else None


def summarize(records: Iterable[Record]) -> ReceiptSummary:
    """Return the sums of the lines of receipts, of which each file has one."""
    summary, moved = ReceiptSummary(), list[Record]()
    for record in records:
        summary.files[record.state] += 1
        if record.state is State.DONE:
            summary.size += record.size
            moved.append(record)
        if record.is_undone:
            summary.failures[_reason(record)] += 1
        if record.ended is not None:
            began = record.ended - record.seconds
            summary.began = began if summary.began is None else min(began, summary.began)
            summary.ended = record.ended if summary.ended is None else max(record.ended, summary.ended)
    summary.slowest = heapq.nlargest(SLOWEST, moved, key=lambda record: record.seconds)
    return summary


def _reason(record: Record) -> str:
    """Return the error without the path of the file, which differs for each file."""
    words = record.error
    path = "/".join(record.path.parts)
    for name in (record.key, str(record.local) if record.local else "", f"/{path}", path):
        shown = escape_unprintable(name)
        if shown and shown in words:
            words = words.replace(shown, "...")
    return words.removeprefix("...: ").removesuffix(": ...").strip() or "unknown"
