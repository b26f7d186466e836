"""Bars on a terminal: one for the whole run, below it the files on their way; gone when the run ends."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ctadata.paths import escape_unprintable
from ctadata.progress import units
from ctadata.progress.format import outcome_line
from ctadata.progress.tally import Snapshot, Tally
from ctadata.transfer.report import Outcome

SHOWN = 5
"""Files on their way that get a line of their own."""

FRAMES = 8
"""Pictures a second."""


@dataclass(slots=True)
class TerminalReporter:
    """Draws on `stream`, a terminal; between two pictures, telling it something costs next to nothing.

    verbose: a line above the bar for each file that ended.
    env:     where NO_COLOR and CTADATA_NO_COLOR are looked for.
    """

    stream: TextIO
    verbose: bool
    env: Mapping[str, str]
    tally: Tally = field(default_factory=Tally)
    live: Live = field(init=False)

    def __post_init__(self) -> None:
        """Nothing is drawn before the block is entered."""
        no_color = any(self.env.get(name) for name in ("NO_COLOR", "CTADATA_NO_COLOR"))
        console = Console(file=self.stream, no_color=no_color, highlight=False)
        self.live = Live(
            get_renderable=lambda: draw(self.tally.snapshot()),
            console=console,
            refresh_per_second=FRAMES,
            transient=True,
            redirect_stdout=False,
        )

    def planned(self, files: int, size: int) -> None:
        """So many more files and bytes are known."""
        self.tally.planned(files, size)

    def moved(self, name: str, size: int) -> None:
        """Bytes went by."""
        self.tally.moved(name, size)

    def ended(self, outcome: Outcome) -> None:
        """A file ended."""
        self.tally.ended(outcome)
        if self.verbose:
            self._print(outcome_line(outcome))

    def remarked(self, words: str) -> None:
        """A sentence, above the bars."""
        self._print(words)

    def _print(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # a terminal that is gone must not stop a transfer
            self.live.console.print(Text(escape_unprintable(line)), soft_wrap=True)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """No bars inside the block: somebody is asked."""
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
        """Wipe the bars away."""
        self.live.stop()


def draw(now: Snapshot) -> RenderableType:
    """The picture of one moment."""
    return Group(_total(now), *(_file(name, size) for name, size in now.active[:SHOWN]), *_more(now))


def _total(now: Snapshot) -> RenderableType:
    if not now.planned:
        return Text("looking …")
    grid = Table.grid(padding=(0, 2), expand=True)
    for width in (None, None, 1, None, None):
        grid.add_column(ratio=width, no_wrap=True)
    grid.add_row(
        f"{now.done} of {units.files(now.planned)}",
        f"{units.size(now.moved)} of {units.size(now.size)}",
        ProgressBar(total=max(now.size, 1), completed=now.moved),
        units.rate(now.rate),
        f"{units.duration(now.left)} left" if math.isfinite(now.left) else "",
    )
    return grid


def _file(name: str, size: int) -> RenderableType:
    return Text(f"  {units.size(size):>10}  {escape_unprintable(name.lstrip('/'))}", no_wrap=True, overflow="ellipsis")


def _more(now: Snapshot) -> list[Text]:
    more = len(now.active) - SHOWN
    return [Text(f"  and {more} more", style="dim")] if more > 0 else []
