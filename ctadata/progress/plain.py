"""Plain lines for pipes and logs: how far the run is every ten seconds, and each ended file where asked for."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from types import TracebackType
from typing import Self, TextIO

from ctadata.paths import escape_unprintable
from ctadata.progress.format import outcome_line, progress_line
from ctadata.progress.tally import Tally
from ctadata.transfer.report import Outcome

EVERY = 10.0
"""Seconds between two lines."""


@dataclass(slots=True)
class PlainReporter:
    """Writes lines to `stream`; nothing is drawn, nothing is overwritten. `clock` gives seconds.

    verbose: a line for each file that ended.
    """

    stream: TextIO
    verbose: bool = False
    clock: Callable[[], float] = monotonic
    tally: Tally = field(init=False)
    due: float = field(init=False)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """The first line is due after `EVERY` seconds."""
        self.tally = Tally(self.clock)
        self.due = self.clock() + EVERY

    def planned(self, files: int, size: int) -> None:
        """So many more files and bytes are known."""
        self.tally.planned(files, size)

    def moved(self, name: str, size: int) -> None:
        """Bytes went by: perhaps a line is due."""
        self.tally.moved(name, size)
        self._perhaps()

    def ended(self, outcome: Outcome) -> None:
        """A file ended."""
        self.tally.ended(outcome)
        if self.verbose:
            self._write(outcome_line(outcome))
        self._perhaps()

    def remarked(self, words: str) -> None:
        """A sentence."""
        self._write(escape_unprintable(words))

    def _perhaps(self) -> None:
        if self.clock() < self.due:
            return
        with self.lock:
            now = self.clock()
            if now < self.due:
                return
            self.due = now + EVERY
        self._write(progress_line(self.tally.snapshot()))

    def _write(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # that nobody reads it must not stop a transfer
            self.stream.write(line + "\n")
            self.stream.flush()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing: the caller tells of the end."""
