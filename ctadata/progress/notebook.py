"""A bar in a notebook, drawn with ipywidgets where that is installed; it stays, with the counts, when the run ends."""

from __future__ import annotations

import contextlib
import importlib
import sys
import threading
from collections.abc import Callable
from time import monotonic
from types import TracebackType
from typing import Any, Self

from ctadata.progress.format import progress_line
from ctadata.progress.tally import Tally
from ctadata.transfer.report import Outcome, State

EVERY = 0.25
"""Seconds between two pictures: each is a message to the browser."""


def is_notebook() -> bool:
    """Whether this is a kernel with widgets; nothing is imported to find out, unless it is a kernel."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if getattr(shell, "kernel", None) is None:
        return False
    with contextlib.suppress(ImportError):
        return bool(importlib.import_module("ipywidgets"))
    return False


class NotebookReporter:
    """Draws a bar and a line of words; any thread may tell it something.

    show:  puts a widget into the notebook; None for IPython's own way.  clock: gives seconds.
    """

    def __init__(self, show: Callable[[object], object] | None = None, clock: Callable[[], float] = monotonic) -> None:
        """Nothing is shown before the block is entered. ImportError where there is no ipywidgets."""
        widgets: Any = importlib.import_module("ipywidgets")
        self.bar = widgets.FloatProgress(value=0.0, min=0.0, max=1.0)
        self.label = widgets.Label(value="looking …")
        self._box = widgets.HBox([self.bar, self.label])
        self._show = show
        self._clock = clock
        self._tally = Tally(clock)
        self._failed = 0
        self._due = clock()
        self._lock = threading.Lock()

    def planned(self, files: int, size: int) -> None:
        """So many more files and bytes are known."""
        self._tally.planned(files, size)
        self._perhaps()

    def moved(self, name: str, size: int) -> None:
        """Bytes went by."""
        self._tally.moved(name, size)
        self._perhaps()

    def ended(self, outcome: Outcome) -> None:
        """A file ended."""
        self._tally.ended(outcome)
        if outcome.state is State.FAILED:
            self._failed += 1
        self._perhaps()

    def remarked(self, words: str) -> None:
        """A sentence, until there is something new."""
        with self._lock:
            self.label.value = words

    def _perhaps(self) -> None:
        if self._clock() >= self._due and self._lock.acquire(blocking=False):
            try:
                self._due = self._clock() + EVERY
                self._draw()
            finally:
                self._lock.release()

    def _draw(self) -> None:
        now = self._tally.snapshot()
        self.bar.value = now.moved / now.size if now.size else float(bool(now.done))
        self.label.value = progress_line(now)

    def __enter__(self) -> Self:
        """Show it."""
        show = self._show or importlib.import_module("IPython.display").display
        show(self._box)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The last picture: green where all went well."""
        with self._lock:
            self._draw()
            self.bar.bar_style = "danger" if error or self._failed else "success"
            if self._failed:
                self.label.value += f", {self._failed} failed"
