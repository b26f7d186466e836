"""A table of entries that draws only the rows on the screen, so that a directory may hold any number of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from ctadata.browse.places import LocalLink
from ctadata.entries import Entry
from ctadata.paths import RemotePath
from ctadata.printable import escape_unprintable
from ctadata.progress import units

WIDE = 60
"""Columns from which a table has room for sizes with units, times with the year, and localities in full."""

LOCALITIES = {
    "ONLINE": "disk", "NEARLINE": "tape", "ONLINE_AND_NEARLINE": "both",
    "UNAVAILABLE": "away", "LOST": "lost", "NONE": "none",
}  # fmt: skip
"""dCache's FileLocality, in four letters."""


def short_size(entry: Entry) -> str:
    """Return a size in five characters at most, as `ls -lh` writes it: `1.2G`."""
    if isinstance(entry, LocalLink) and entry.size is None:
        return "link"
    if entry.is_directory:
        return "dir"
    if entry.size is None:
        return "?"
    number, unit = units.size(entry.size).split()
    number = number if len(number) < 4 or unit == "B" else number.partition(".")[0]
    return f"{number}{unit[0]}" if unit != "B" else number


def local_time(seconds: float | None, *, wide: bool) -> str:
    """Return a local time: `2026-08-01 14:03`; in a narrow table `08-01 14:03`, or `2025-08-01` for another year."""
    if seconds is None:
        return ""
    try:
        there, now = time.localtime(seconds), time.localtime()
    except (OverflowError, ValueError, OSError):
        return "?"
    if wide:
        return time.strftime("%Y-%m-%d %H:%M", there)
    return time.strftime("%m-%d %H:%M" if there.tm_year == now.tm_year else "%Y-%m-%d", there)


def fit(text: str, width: int, *, right: bool = False) -> str:
    """Return a text in exactly `width` cells; `…` stands for what is cut off."""
    missing = width - cell_len(text)
    if missing >= 0:
        return " " * missing + text if right else text + " " * missing
    return set_cell_size(text, max(0, width - 1)) + "…"[:width]


@dataclass(frozen=True, slots=True)
class Columns:
    """The widths of the columns, in cells; 0 leaves a column out."""

    name: int
    size: int
    time: int
    locality: int

    @classmethod
    def choose(cls, width: int, *, locality: bool) -> Columns:
        """Return the columns of a table that is `width` cells wide."""
        wide = width >= WIDE
        size, when, where = (9, 16, 4) if wide else (5, 11, 1)
        where = where if locality else 0
        rest = width - 1 - size - 1 - when - 1 - (where + 1 if where else 0)
        return cls(max(8, rest), size, when, where)

    @property
    def wide(self) -> bool:
        """Whether the long forms have room."""
        return self.size > 5

    def header(self) -> str:
        """Return the titles."""
        where = " " + fit("where" if self.locality > 4 else "on" if self.wide else "", self.locality)
        title = f" {fit('name', self.name)} {fit('size', self.size, right=True)} {fit('time', self.time)}"
        return title + (where if self.locality else "")

    def row(self, entry: Entry | None, *, marked: bool) -> str:
        """Return the line of an entry; None is the directory above."""
        mark = "*" if marked else " "
        if entry is None:
            return f"{mark}{fit('../', self.name)} {fit('up', self.size, right=True)}"
        name = escape_unprintable(entry.path.name) + ("/" if entry.is_directory else "")
        size = short_size(entry) if not self.wide or entry.size is None else units.size(entry.size)
        line = f"{mark}{fit(name, self.name)} {fit(size, self.size, right=True)} "
        line += fit(local_time(entry.mtime, wide=self.wide), self.time)
        if self.locality:
            known = LOCALITIES.get(entry.locality or "", "")
            line += " " + fit(known if self.wide else known[:1].upper(), self.locality)
        return line


class EntryTable(ScrollView, can_focus=True):
    """Rows of entries with a cursor and marks. The first row may be the directory above (None)."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "table--header", "table--cursor", "table--marked", "table--directory", "table--file",
    }  # fmt: skip
    DEFAULT_CSS = """
    EntryTable { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; }
    EntryTable > .table--header { color: $text-muted; text-style: bold; }
    EntryTable > .table--directory { color: $text-primary; text-style: bold; }
    EntryTable > .table--marked { color: $text-warning; text-style: bold; }
    EntryTable > .table--cursor { background: $surface-lighten-2; }
    EntryTable:focus > .table--cursor { background: $primary; color: $text; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", show=False),
        Binding("down", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home", "move(-1000000000)", show=False),
        Binding("end", "move(1000000000)", show=False),
        Binding("enter,right", "open", show=False),
        Binding("insert,space", "mark", show=False),
        Binding("asterisk", "invert", show=False),
    ]
    cursor = reactive(0)

    class Opened(Message):
        """The user opens the row under the cursor; None is the directory above."""

        def __init__(self, table: EntryTable, entry: Entry | None) -> None:
            """Name the row."""
            super().__init__()
            self.table, self.entry = table, entry

    class Moved(Message):
        """The cursor or the marks have changed."""

        def __init__(self, table: EntryTable) -> None:
            """Name the table."""
            super().__init__()
            self.table = table

    class SortWanted(Message):
        """The user clicks on the title of a column."""

        def __init__(self, table: EntryTable, column: str) -> None:
            """Name the column."""
            super().__init__()
            self.table, self.column = table, column

    def __init__(self) -> None:
        """Show nothing."""
        super().__init__()
        self.rows: Sequence[Entry | None] = []
        self.marked: set[RemotePath] = set()
        self._has_locality = False

    def show(self, rows: Sequence[Entry | None], cursor: int = 0) -> None:
        """Show these rows; marks of entries that are not among them are dropped."""
        self.rows = rows
        self._has_locality = any(row is not None and row.locality for row in rows)
        if self.marked:
            self.marked &= {row.path for row in rows if row is not None}
        self.virtual_size = Size(self.size.width, len(rows) + 1)
        self.cursor = max(0, min(cursor, len(rows) - 1))
        self._show_cursor()
        self.refresh()
        self.post_message(self.Moved(self))

    @property
    def current(self) -> Entry | None:
        """The entry under the cursor; None for the directory above and in an empty table."""
        return self.rows[self.cursor] if self.cursor < len(self.rows) else None

    @property
    def chosen(self) -> list[Entry]:
        """The marked entries, or else the one under the cursor."""
        if self.marked:
            return [row for row in self.rows if row is not None and row.path in self.marked]
        return [self.current] if self.current else []

    def watch_cursor(self) -> None:
        """Draw the cursor where it is now."""
        self._show_cursor()
        self.refresh()
        self.post_message(self.Moved(self))

    def _show_cursor(self) -> None:
        height = max(1, self.size.height - 1)
        top = self.scroll_offset.y
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False)
        elif self.cursor >= top + height:
            self.scroll_to(y=self.cursor - height + 1, animate=False)

    def on_resize(self) -> None:
        """Choose the columns anew."""
        self.virtual_size = Size(self.size.width, len(self.rows) + 1)
        self._show_cursor()
        self.refresh()

    def action_move(self, rows: int) -> None:
        """Move the cursor."""
        self.cursor = max(0, min(self.cursor + rows, len(self.rows) - 1))

    def action_page(self, pages: int) -> None:
        """Move the cursor by a page."""
        self.action_move(pages * max(1, self.size.height - 2))

    def action_open(self) -> None:
        """Open the row under the cursor."""
        if self.rows:
            self.post_message(self.Opened(self, self.current))

    def action_mark(self) -> None:
        """Mark the row under the cursor, or take its mark away; go to the next row."""
        if self.current:
            self.marked ^= {self.current.path}
        self.refresh()
        self.action_move(1)
        self.post_message(self.Moved(self))

    def action_invert(self) -> None:
        """Mark what is not marked, and the reverse; a link to a directory is only ever marked by itself."""
        self.marked = {
            row.path
            for row in self.rows
            if row is not None and not (isinstance(row, LocalLink) and row.is_directory) and row.path not in self.marked
        }
        self.refresh()
        self.post_message(self.Moved(self))

    def on_click(self, event: events.Click) -> None:
        """Move the cursor; twice: open; the right button marks; a title sorts."""
        columns = Columns.choose(self.size.width, locality=self._has_locality)
        if event.y == 0:
            names = columns.name + 2
            column = "name" if event.x < names else "size" if event.x < names + columns.size else "time"
            self.post_message(self.SortWanted(self, column))
            return
        row = event.y - 1 + self.scroll_offset.y
        if row >= len(self.rows):
            return
        self.cursor = row
        if event.button == 3:
            self.action_mark()
        elif event.chain == 2:
            self.action_open()

    def render_line(self, y: int) -> Strip:
        """Draw one line: the titles, or a row."""
        columns = Columns.choose(self.size.width, locality=self._has_locality)
        width = self.size.width
        if y == 0:
            return self._strip(columns.header(), width, self.get_component_rich_style("table--header"))
        index = y - 1 + self.scroll_offset.y
        if index >= len(self.rows):
            return Strip.blank(width, self.rich_style)
        entry = self.rows[index]
        marked = entry is not None and entry.path in self.marked
        kind = (
            "table--marked" if marked else "table--directory" if entry is None or entry.is_directory else "table--file"
        )
        style = self.get_component_rich_style(kind)
        if index == self.cursor:
            style += self.get_component_rich_style("table--cursor", partial=not self.has_focus)
        return self._strip(columns.row(entry, marked=marked), width, style)

    def _strip(self, text: str, width: int, style: Style) -> Strip:
        return Strip([Segment(fit(text, width), style)], width)
