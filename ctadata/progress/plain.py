"""Write plain lines for pipes and logs: the progress every ten seconds, and each ended file if the user wants that."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from types import TracebackType
from typing import Self, TextIO

from ctadata.printable import escape_unprintable
from ctadata.progress.format import outcome_line, progress_line
from ctadata.progress.tally import Tally
from ctadata.transfer.report import Outcome

EVERY = 10.0
"""Seconds between two lines of progress."""


@dataclass(slots=True)
class PlainReporter:
    """Writes lines; draws nothing and overwrites nothing. Any thread may report to it.

    Attributes:
        stream: Where the lines go.
        verbose: Whether each file that ended gets a line.
        clock: Returns seconds of a monotonic clock.
        tally: The counts.
        due: When the next line of progress is due, in seconds of `clock`.
        lock: Held for the decision about that line.
    """

    stream: TextIO
    verbose: bool = False
    clock: Callable[[], float] = monotonic
    tally: Tally = field(init=False)
    due: float = field(init=False)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Make the first line due after `EVERY` seconds."""
        self.tally = Tally(self.clock)
        self.due = self.clock() + EVERY

    def planned(self, files: int, size: int) -> None:
        """Count more files and bytes."""
        self.tally.planned(files, size)

    def moved(self, name: str, size: int) -> None:
        """Count bytes; write a line if it is due."""
        self.tally.moved(name, size)
        self._write_if_due()

    def ended(self, outcome: Outcome) -> None:
        """Count an outcome; write its line if `verbose`."""
        self.tally.ended(outcome)
        if self.verbose:
            self._write(outcome_line(outcome))
        self._write_if_due()

    def remarked(self, words: str) -> None:
        """Write a sentence."""
        self._write(escape_unprintable(words))

    def paused(self) -> contextlib.AbstractContextManager[None]:
        """Return a block without effect: lines disturb no question."""
        return contextlib.nullcontext()

    def _write_if_due(self) -> None:
        if self.clock() < self.due:
            return
        with self.lock:
            now = self.clock()
            if now < self.due:
                return
            self.due = now + EVERY
        self._write(progress_line(self.tally.snapshot()))

    def _write(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # a reader that is gone must not stop a transfer
            self.stream.write(line + "\n")
            self.stream.flush()

    def __enter__(self) -> Self:
        """Return the reporter."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing: the caller writes the summary."""
