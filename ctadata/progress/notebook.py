"""Draw a bar in a notebook with ipywidgets, if that is installed. When the run ends, the bar stays, with the counts."""

from __future__ import annotations

import contextlib
import importlib
import sys
import threading
from collections.abc import Callable
from time import monotonic
from types import TracebackType
from typing import Any, Self

from ctadata.progress.counting import CountingReporter
from ctadata.progress.format import progress_line
from ctadata.transfer.report import Outcome

EVERY = 0.25
"""Seconds between two pictures; each is a message to the browser."""


def is_notebook() -> bool:
    """Return whether this is a notebook's kernel with ipywidgets. Outside of a kernel, nothing is imported for that."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if getattr(shell, "kernel", None) is None:
        return False
    with contextlib.suppress(ImportError):
        return bool(importlib.import_module("ipywidgets"))
    return False


class NotebookReporter(CountingReporter):
    """Draws a bar and a line of text. Any thread may report to it."""

    def __init__(self, show: Callable[[object], object] | None = None, clock: Callable[[], float] = monotonic) -> None:
        """Make the widgets; they are shown when the block is entered.

        Args:
            show: Puts a widget into the notebook; None: IPython's own way.
            clock: Returns seconds of a monotonic clock.

        Raises:
            ImportError: ipywidgets is not installed.
        """
        super().__init__(clock)
        widgets: Any = importlib.import_module("ipywidgets")
        self.bar = widgets.FloatProgress(value=0.0, min=0.0, max=1.0)
        self.label = widgets.Label(value="looking …")
        self._box = widgets.HBox([self.bar, self.label])
        self._show = show
        self._clock = clock
        self._due = clock()
        self._lock = threading.Lock()

    def planned(self, files: int, size: int) -> None:
        """Count more files and bytes."""
        super().planned(files, size)
        self._draw_if_due()

    def moved(self, name: str, size: int) -> None:
        """Count bytes."""
        super().moved(name, size)
        self._draw_if_due()

    def ended(self, outcome: Outcome) -> None:
        """Count an outcome."""
        super().ended(outcome)
        self._draw_if_due()

    def remarked(self, words: str) -> None:
        """Show a sentence until the next picture."""
        with self._lock:
            self.label.value = words

    def _draw_if_due(self) -> None:
        if self._clock() >= self._due and self._lock.acquire(blocking=False):
            try:
                self._due = self._clock() + EVERY
                self._draw()
            finally:
                self._lock.release()

    def _draw(self) -> None:
        snapshot = self.tally.snapshot()
        self.bar.value = snapshot.moved / snapshot.size if snapshot.size else float(bool(snapshot.done))
        self.label.value = progress_line(snapshot)

    def __enter__(self) -> Self:
        """Show the widgets."""
        show = self._show or importlib.import_module("IPython.display").display
        show(self._box)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Draw the last picture, which is green if nothing failed."""
        with self._lock:
            self._draw()
            self.bar.bar_style = "danger" if error or self.tally.failed else "success"
            if self.tally.failed:
                self.label.value += f", {self.tally.failed} failed"
