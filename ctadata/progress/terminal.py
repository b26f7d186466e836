"""Draw bars on a terminal: one for the whole run, below it the files in transfer. They are wiped when the run ends."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ctadata.printable import escape_unprintable
from ctadata.progress import units
from ctadata.progress.counting import CountingReporter
from ctadata.progress.format import outcome_line
from ctadata.progress.tally import Snapshot
from ctadata.transfer.report import Outcome

SHOWN = 5
"""The number of files in transfer that get a line each."""

FRAMES = 8
"""Pictures per second."""


class TerminalReporter(CountingReporter):
    """Draws bars. Between two pictures, a report costs next to nothing.

    Attributes:
        live: Rich's picture.
    """

    def __init__(self, stream: TextIO, verbose: bool, env: Mapping[str, str]) -> None:
        """Prepare the picture; it is drawn when the block is entered.

        Args:
            stream: A terminal.
            verbose: Whether each file that ended gets a line above the bars.
            env: The environment: NO_COLOR and CTADATA_NO_COLOR count.
        """
        super().__init__()
        self._verbose = verbose
        no_color = any(env.get(name) for name in ("NO_COLOR", "CTADATA_NO_COLOR"))
        console = Console(file=stream, no_color=no_color, highlight=False)
        self.live = Live(
            get_renderable=lambda: draw(self.tally.snapshot()),
            console=console,
            refresh_per_second=FRAMES,
            transient=True,
            redirect_stdout=False,
        )

    def ended(self, outcome: Outcome) -> None:
        """Count an outcome; write its line if `verbose`."""
        super().ended(outcome)
        if self._verbose:
            self._print(outcome_line(outcome))

    def remarked(self, words: str) -> None:
        """Write a sentence above the bars."""
        self._print(words)

    def _print(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # a terminal that is gone must not stop a transfer
            self.live.console.print(Text(escape_unprintable(line)), soft_wrap=True)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Wipe the bars for the time of the block."""
        self.live.stop()
        try:
            yield
        finally:
            self.live.start()

    def __enter__(self) -> Self:
        """Start to draw."""
        self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wipe the bars."""
        self.live.stop()


def draw(snapshot: Snapshot) -> RenderableType:
    """Return the picture of one moment."""
    return Group(_total(snapshot), *(_file(name, size) for name, size in snapshot.active[:SHOWN]), *_more(snapshot))


def _total(snapshot: Snapshot) -> RenderableType:
    if not snapshot.planned:
        return Text("looking …")
    grid = Table.grid(padding=(0, 2), expand=True)
    for width in (None, None, 1, None, None):
        grid.add_column(ratio=width, no_wrap=True)
    grid.add_row(
        f"{snapshot.done} of {units.files(snapshot.planned)}",
        f"{units.size(snapshot.moved)} of {units.size(snapshot.size)}",
        ProgressBar(total=max(snapshot.size, 1), completed=snapshot.moved),
        units.rate(snapshot.rate),
        f"{units.duration(snapshot.left)} left" if math.isfinite(snapshot.left) else "",
    )
    return grid


def _file(name: str, size: int) -> RenderableType:
    return Text(f"  {units.size(size):>10}  {escape_unprintable(name.lstrip('/'))}", no_wrap=True, overflow="ellipsis")


def _more(snapshot: Snapshot) -> list[Text]:
    more = len(snapshot.active) - SHOWN
    return [Text(f"  and {more} more", style="dim")] if more > 0 else []
