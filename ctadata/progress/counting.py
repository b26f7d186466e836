"""A reporter that counts, and shows nothing. The reporters that show the counts derive from it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Sequence
from time import monotonic
from types import TracebackType
from typing import Self

from ctadata.progress.tally import Tally
from ctadata.transfer.report import Outcome


class CountingReporter:
    """Counts what a run reports. Any thread may report to it.

    Attributes:
        tally: The counts.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        """Count from zero; `clock` returns seconds of a monotonic clock."""
        self.tally = Tally(clock)

    def planned(self, files: int, size: int) -> None:
        """Count more files and bytes."""
        self.tally.planned(files, size)

    def started(self, name: str, size: int) -> None:
        """Keep the size of a file."""
        self.tally.started(name, size)

    def moved(self, name: str, size: int) -> None:
        """Count bytes."""
        self.tally.moved(name, size)

    def ended(self, outcome: Outcome) -> None:
        """Count an outcome."""
        self.tally.ended(outcome)

    def remarked(self, words: str) -> None:
        """Do nothing."""

    def paused(self) -> contextlib.AbstractContextManager[None]:
        """Return a block without effect."""
        return contextlib.nullcontext()

    def interject(self, lines: Sequence[str]) -> None:
        """Write lines to stderr, where somebody has asked for them; they are safe for a terminal."""
        with contextlib.suppress(OSError, ValueError):
            print(*lines, sep="\n", file=sys.stderr, flush=True)  # noqa: T201

    def __enter__(self) -> Self:
        """Return the reporter."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing."""
