"""Write plain lines for pipes and logs: the progress every ten seconds, and each ended file if the user wants that."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from time import monotonic
from typing import TextIO

from ctadata.printable import escape_unprintable
from ctadata.progress.counting import CountingReporter
from ctadata.progress.format import outcome_line, progress_line
from ctadata.transfer.report import Outcome

EVERY = 10.0
"""Seconds between two lines of progress."""


class PlainReporter(CountingReporter):
    """Writes lines; draws nothing and overwrites nothing. Any thread may report to it."""

    def __init__(self, stream: TextIO, verbose: bool = False, clock: Callable[[], float] = monotonic) -> None:
        """Make the first line of progress due after `EVERY` seconds.

        Args:
            stream: Where the lines go.
            verbose: Whether each file that ended gets a line.
            clock: Returns seconds of a monotonic clock.
        """
        super().__init__(clock)
        self._stream = stream
        self._verbose = verbose
        self._clock = clock
        self._due = clock() + EVERY
        self._lock = threading.Lock()  # held for the decision about a line of progress

    def moved(self, name: str, size: int) -> None:
        """Count bytes; write a line if it is due."""
        super().moved(name, size)
        self._write_if_due()

    def ended(self, outcome: Outcome) -> None:
        """Count an outcome; write its line if `verbose`."""
        super().ended(outcome)
        if self._verbose:
            self._write(outcome_line(outcome))
        self._write_if_due()

    def remarked(self, words: str) -> None:
        """Write a sentence."""
        self._write(escape_unprintable(words))

    def _write_if_due(self) -> None:
        if self._clock() < self._due:
            return
        with self._lock:
            now = self._clock()
            if now < self._due:
                return
            self._due = now + EVERY
        self._write(progress_line(self.tally.snapshot()))

    def _write(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # a reader that is gone must not stop a transfer
            self._stream.write(line + "\n")
            self._stream.flush()
