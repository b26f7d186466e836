"""Draw bars on a terminal: one for the whole run, below it the files in transfer. They are wiped when the run ends."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TextIO, cast

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ctadata.printable import escape_unprintable
from ctadata.progress import units
from ctadata.progress.counting import CountingReporter
from ctadata.progress.format import active_lines, outcome_line
from ctadata.progress.periodic import Periodic
from ctadata.progress.tally import Snapshot
from ctadata.transfer.report import Outcome, State

BAR, RED = "green", "red"
"""The colours. Red is for failures only."""

FRAMES = 8
"""Pictures per second."""

TITLED = (
    *("xterm", "screen", "tmux", "rxvt", "vte", "gnome", "konsole", "kitty", "alacritty", "foot", "wezterm", "ghostty"),
    *("putty", "st-"),
)
"""The beginnings of the names (TERM) of terminals that have windows with a title."""

LONGEST_TITLE = 80
"""The number of characters of the command in a title."""

SAVE_TITLE, RESTORE_TITLE = "\x1b[22;0t", "\x1b]0;\x07\x1b[23;0t"
"""The title goes to a stack of the terminal (XTWINOPS in xterm's control sequences), and comes back. A terminal without
such a stack has an empty title then, until the shell sets its own."""


class TerminalReporter(CountingReporter):
    """Draws bars. Between two pictures, a report costs next to nothing.

    Attributes:
        live: Rich's picture.
    """

    def __init__(self, stream: TextIO, verbose: bool, env: Mapping[str, str], title: str = "") -> None:
        """Prepare the picture; it is drawn when the block is entered.

        Args:
            stream: A terminal.
            verbose: Whether each file that ended gets a line above the bars.
            env: The environment: NO_COLOR and CTADATA_NO_COLOR count, and TERM for the title.
            title: The words for the title of the window, after the percentage; empty leaves the title as it is.
        """
        super().__init__()
        self._verbose = verbose
        self._stream = _Terminal(stream)
        self._title = escape_unprintable(title)[:LONGEST_TITLE] if env.get("TERM", "").startswith(TITLED) else ""
        self._titles = Periodic(1.0, self.draw_title)
        no_color = any(env.get(name) for name in ("NO_COLOR", "CTADATA_NO_COLOR"))
        console = Console(file=cast(TextIO, self._stream), no_color=no_color, highlight=False)
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
            self._print(outcome_line(outcome), RED if outcome.state is State.FAILED else "")

    def remarked(self, words: str) -> None:
        """Write a sentence above the bars."""
        self._print(escape_unprintable(words))

    def interject(self, lines: Sequence[str]) -> None:
        """Write lines above the bars."""
        self._print("\n".join(lines))

    def _print(self, text: str, style: str = "") -> None:
        """Write text that is safe for a terminal above the bars."""
        self.live.console.print(Text(text, style), soft_wrap=True)

    def draw_title(self) -> None:
        """Show the percentage in the title of the window."""
        self.live.console.set_window_title(f"{self.tally.snapshot().percent}% {self._title}")

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
        if self._title:
            self._stream.write(SAVE_TITLE)
            self.draw_title()
            self._titles.__enter__()
        self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Bring the title back, and wipe the bars."""
        if self._title:
            self._titles.__exit__(kind, error, trace)
            self._stream.write(RESTORE_TITLE)
        self.live.stop()


class _Terminal:
    """A terminal whose loss is no error: a transfer goes on without it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def draw(snapshot: Snapshot) -> RenderableType:
    """Return the picture of one moment: the counts, the bar, and the files in transfer."""
    active = (Text(line, no_wrap=True, overflow="ellipsis") for line in active_lines(snapshot))
    return Group(_counts(snapshot), _bar(snapshot), *active)


def _counts(snapshot: Snapshot) -> Text:
    if not snapshot.planned:
        return Text("looking …")
    words = f"{snapshot.done} of {units.files(snapshot.planned)}"
    words += f"  {units.size(snapshot.moved)} of {units.size(snapshot.size)}"
    if snapshot.rate:
        words += f"  {units.rate(snapshot.rate)}"
    line = Text(words, no_wrap=True, overflow="ellipsis")
    return line.append(f"  {snapshot.failed} failed", RED) if snapshot.failed else line


def _bar(snapshot: Snapshot) -> RenderableType:
    grid = Table.grid(padding=(0, 2), expand=True)
    for width in (None, 1, None, None):
        grid.add_column(ratio=width, no_wrap=True)
    grid.add_row(
        f"{snapshot.percent:>3}%",
        ProgressBar(completed=snapshot.percent, complete_style=BAR, finished_style=BAR),
        f"{units.duration(snapshot.elapsed)} elapsed",
        f"{units.duration(snapshot.left)} left" if math.isfinite(snapshot.left) else "",
    )
    return grid
