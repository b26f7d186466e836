"""Write plain lines for pipes and logs: the progress now and then, and each ended file if the user wants that."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from datetime import datetime
from time import monotonic
from types import TracebackType
from typing import Self, TextIO

from ctadata.printable import escape_unprintable
from ctadata.progress.counting import CountingReporter
from ctadata.progress.format import outcome_line, status_line
from ctadata.progress.periodic import Periodic
from ctadata.transfer.report import Outcome

EVERY = 30.0
"""Seconds between two lines of progress, at most."""

STEP = 5
"""The growth of the percentage that brings a line earlier."""

CLOSEST = 10.0
"""Seconds between two lines of progress, at least; a run that is shorter has none."""


class PlainReporter(CountingReporter):
    """Writes lines; draws nothing and overwrites nothing. Any thread may report to it."""

    def __init__(
        self,
        stream: TextIO,
        verbose: bool = False,
        clock: Callable[[], float] = monotonic,
        every: float | None = None,
    ) -> None:
        """Prepare to write.

        Args:
            stream: Where the lines go.
            verbose: Whether each file that ended gets a line.
            clock: Returns seconds of a monotonic clock.
            every: Seconds between two lines of progress; 0 writes none. None writes one after `STEP` more percent, but
                not before `CLOSEST`, and not later than `EVERY`.
        """
        super().__init__(clock)
        self._stream = stream
        self._verbose = verbose
        self._clock = clock
        self._every = math.inf if every == 0 else every
        self._last, self._percent = clock(), 0
        self._ticks = Periodic(min(every or 1.0, 1.0), self.tick)

    def ended(self, outcome: Outcome) -> None:
        """Count an outcome; write its line if `verbose`."""
        super().ended(outcome)
        if self._verbose:
            self._write(outcome_line(outcome))

    def remarked(self, words: str) -> None:
        """Write a sentence."""
        self._write(escape_unprintable(words))

    def tick(self) -> None:
        """Write a line of progress if it is due; also if nothing moves, because somebody waits for a word."""
        gone = self._clock() - self._last
        if self._every is None and gone < CLOSEST:
            return
        snapshot = self.tally.snapshot()
        is_due = gone >= (EVERY if self._every is None else self._every)
        if is_due or (self._every is None and snapshot.percent >= self._percent + STEP):
            self._last, self._percent = self._clock(), snapshot.percent
            self._write(f"{datetime.now().astimezone().isoformat(timespec='seconds')} {status_line(snapshot)}")

    def interject(self, lines: Sequence[str]) -> None:
        """Write lines."""
        self._write("\n".join(lines))

    def _write(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # a reader that is gone must not stop a transfer
            self._stream.write(line + "\n")
            self._stream.flush()

    def __enter__(self) -> Self:
        """Begin to write progress."""
        if self._every != math.inf:
            self._ticks.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write no more progress; the caller writes the summary."""
        if self._every != math.inf:
            self._ticks.__exit__(kind, error, trace)
