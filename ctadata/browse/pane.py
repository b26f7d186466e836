"""One pane: the path, the table of its entries, a filter, and a line about what is marked or under the cursor."""

from __future__ import annotations

import contextlib
import fnmatch
import time
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input, Static

from ctadata.browse.command_lines import spell
from ctadata.browse.entry_table import EntryTable, local_time
from ctadata.browse.places import LocalLink, Place, shown_name
from ctadata.entries import Entry
from ctadata.errors import CtadataError, Incomplete, Stopped
from ctadata.paths import RemotePath
from ctadata.printable import escape_unprintable
from ctadata.progress import units

EVERY = 0.2
"""Seconds between two pictures of a listing that still arrives."""

ORDERS: dict[str, Callable[[Entry], object]] = {
    "name": lambda entry: entry.path.name.casefold(),
    "size": lambda entry: -(entry.size or 0),
    "time": lambda entry: -(entry.mtime or 0),
}
"""The orders of a pane; directories come first in each."""


class Pane(Vertical):
    """Shows one directory of one place. Listings run in threads: the screen waits for none."""

    DEFAULT_CSS = """
    Pane { width: 1fr; height: 1fr; border: round $surface-lighten-2; padding: 0; }
    Pane:focus-within { border: round $primary; }
    Pane > .path { height: 1; text-style: bold; }
    Pane > .about { height: 1; color: $text-muted; }
    Pane > .about.error { color: $text-error; }
    Pane > Input { height: 1; border: none; display: none; padding: 0; }
    Pane > Input.shown { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("backspace,left", "up", show=False),
        Binding("slash", "filter", show=False),
        Binding("escape", "stop", show=False),
        Binding("o", "order", show=False),
        Binding("tilde", "home", show=False),
        Binding("ctrl+r,f2", "refresh", show=False),
    ]

    class Listed(Message):
        """A directory is shown, or could not be."""

        def __init__(self, pane: Pane, error: CtadataError | None = None, *, walked: bool = False) -> None:
            """Name the pane, the error, and whether the user has come from another directory."""
            super().__init__()
            self.pane, self.error, self.walked = pane, error, walked

    def __init__(self, place: Place, start: str | None, *, id: str) -> None:
        """Show nothing yet.

        Args:
            place: The place.
            start: The directory that the user typed; None: the home.
            id: The name of the widget.
        """
        super().__init__(id=id)
        self.place, self.path = place, RemotePath()
        self.entries: list[Entry] = []
        self.order, self.filter = "name", ""
        self.words, self.is_error = "", False
        self.table = EntryTable()
        self._start, self._listing = start, 0
        self._shown: tuple[Place, RemotePath] | None = None
        self._walked = False

    def compose(self) -> ComposeResult:
        """Make the parts."""
        yield Static("", classes="path", markup=False)
        yield self.table
        yield Input(placeholder="filter: part of a name, or *.h5", select_on_focus=False)
        yield Static("", classes="about", markup=False)

    def on_mount(self) -> None:
        """List the first directory."""
        self.open_place(self.place, self._start)

    def on_unmount(self) -> None:
        """Show nothing that still arrives."""
        self._listing += 1

    def open_place(self, place: Place, start: str | None = None) -> None:
        """Show another place.

        Args:
            place: The place.
            start: The directory that the user typed; None: the home.
        """
        self.place, self.path, self.entries = place, RemotePath(), []
        self._show()
        self._in_thread(lambda number: self._list(number, place, None, start, None))

    def go(self, path: RemotePath, select: str | None = None) -> None:
        """Show a directory; until its listing begins, the old one stays.

        Args:
            path: The directory.
            select: The name under the cursor.
        """
        place = self.place
        self._in_thread(lambda number: self._list(number, place, path, None, select))

    def clear_marks(self) -> None:
        """Take all marks away."""
        self.table.marked.clear()
        self.table.refresh()

    def refresh_listing(self) -> None:
        """List the directory again, and keep the cursor on its entry."""
        current = self.table.current
        self.go(self.path, current.path.name if current else None)

    def _in_thread(self, work: Callable[[int], None]) -> None:
        self._listing += 1
        number = self._listing
        self._say("listing …  Esc stops")
        self.run_worker(lambda: work(number), thread=True, group=f"list {self.id}", exit_on_error=True)

    def _list(self, number: int, place: Place, path: RemotePath | None, start: str | None, select: str | None) -> None:
        """List in this thread, and hand the entries to the screen as they arrive."""
        error: CtadataError | None = None
        batch, due = list[Entry](), time.monotonic() + EVERY
        try:
            path = place.start(start) if path is None else path
            for entry in place.list(path):
                batch.append(entry)
                if time.monotonic() > due:
                    if number != self._listing:
                        return
                    self.app.call_from_thread(self._take, number, place, path, tuple(batch), select, False)
                    due = time.monotonic() + EVERY
        except Incomplete as incomplete:
            error = incomplete
        except CtadataError as failed:
            if number == self._listing:
                self.app.call_from_thread(self._fail, number, failed)
            return
        if number == self._listing:
            self.app.call_from_thread(self._take, number, place, path, tuple(batch), select, True, error)

    def _take(
        self,
        number: int,
        place: Place,
        path: RemotePath,
        entries: Sequence[Entry],
        select: str | None,
        whole: bool,
        error: CtadataError | None = None,
    ) -> None:
        if number != self._listing:
            return
        if (place, path) != self._shown:
            self._set_filter("")
            self._shown, self._walked = (place, path), True
        self.path, self.entries = path, list(entries)
        self._show(select)
        if whole:
            self._say(str(error) if error else "", error=bool(error))
            self.post_message(self.Listed(self, error, walked=self._walked))
            self._walked = False
        else:
            self._say(f"{len(entries)} entries, listing …  Esc stops")

    def _fail(self, number: int, error: CtadataError) -> None:
        if number != self._listing:
            return
        self._say("stopped" if isinstance(error, Stopped) else str(error), error=True)
        self.post_message(self.Listed(self, error))

    def _show(self, select: str | None = None) -> None:
        """Sort and filter the entries, and draw them."""
        shown = [entry for entry in self.entries if self._takes(entry)]
        shown.sort(key=lambda entry: (not entry.is_directory, ORDERS[self.order](entry), entry.path.name))
        rows: list[Entry | None] = [None, *shown] if self.path.parts else [*shown]
        names = [row.path.name if row else None for row in rows]
        first = 1 if self.filter and self.path.parts else 0  # the first match, not the directory above
        cursor = names.index(select) if select in names and select is not None else first
        self.table.show(rows, cursor)
        self._draw_path()

    def on_resize(self) -> None:
        """Cut the path anew."""
        self._draw_path()

    def _draw_path(self) -> None:
        """Show the end of the path: its beginning is cut off if the pane is narrow."""
        text = escape_unprintable(spell(self.place.profile, self.path, slash=True))
        width = max(8, self.size.width)
        text = text if cell_len(text) <= width else f"…{text[1 - width :]}"
        self.query_one(".path", Static).update(text, layout=False)

    def _takes(self, entry: Entry) -> bool:
        if not self.filter:
            return True
        name, wanted = entry.path.name.casefold(), self.filter.casefold()
        return fnmatch.fnmatchcase(name, wanted) if any(c in wanted for c in "*?[") else wanted in name

    def _say(self, words: str, *, error: bool = False) -> None:
        """Show a sentence below the table; an empty one gives the line back to the entries."""
        self.words, self.is_error = words, error
        self._draw_about()

    @contextlib.contextmanager
    def words_during(self, words: str) -> Iterator[None]:
        """Show a sentence below the table while the block runs, unless a listing still arrives."""
        if not self.words.endswith("Esc stops"):
            self._say(words)
        try:
            yield
        finally:
            if self.words == words:
                self._say("")

    def _draw_about(self) -> None:
        about = self.query_one(".about", Static)
        about.set_class(self.is_error, "error")
        about.update(escape_unprintable(self.words) if self.words else self._summary(), layout=False)

    def _summary(self) -> str:
        """Return what is marked, or what is known about the entry under the cursor, or the number of entries."""
        chosen = self.table.chosen
        if self.table.marked:
            size = units.size(sum(entry.size or 0 for entry in chosen))
            return f"{units.names(len(chosen))} marked, {size}"
        if not chosen:
            count = len(self.table.rows) - bool(self.path.parts)
            return f"{count} of {units.names(len(self.entries))}" if self.filter else units.names(count)
        [entry] = chosen
        size = "directory" if entry.is_directory else "size unknown" if entry.size is None else units.size(entry.size)
        if isinstance(entry, LocalLink):
            return f"link  {shown_name(entry)}"
        words = [size, local_time(entry.mtime, wide=True), (entry.locality or "").lower()]
        return "  ".join(filter(None, [*words, escape_unprintable(entry.path.name)]))

    def on_entry_table_opened(self, event: EntryTable.Opened) -> None:
        """Go into a directory; the application opens files."""
        if event.entry is None:
            event.stop()
            self.action_up()
        elif event.entry.is_directory:
            event.stop()
            self.go(event.entry.path)

    def on_entry_table_moved(self, event: EntryTable.Moved) -> None:
        """Show what is under the cursor."""
        event.stop()
        if not self.is_error and not self.words.endswith("Esc stops"):
            self.words = ""
        self._draw_about()

    def on_entry_table_sort_wanted(self, event: EntryTable.SortWanted) -> None:
        """Sort by the column."""
        event.stop()
        self._sort(event.column)

    def action_order(self) -> None:
        """Sort by the next column."""
        names = list(ORDERS)
        self._sort(names[(names.index(self.order) + 1) % len(names)])

    def _sort(self, order: str) -> None:
        current = self.table.current
        self.order = order
        self._show(current.path.name if current else None)
        self._say(f"sorted by {order}")

    def action_up(self) -> None:
        """Show the directory above, with the cursor where it came from."""
        if self.path.parts:
            self.go(self.path.parent, self.path.name)

    def action_home(self) -> None:
        """Show the home of the place."""
        self.open_place(self.place)

    def action_refresh(self) -> None:
        """List again."""
        self.refresh_listing()

    def action_stop(self) -> None:
        """Stop a listing that still arrives; else take filter and marks away."""
        if self.words.endswith("Esc stops"):
            self._listing += 1
            self.place.interrupt()
            self._say("stopped", error=True)
            return
        self.table.marked.clear()
        self._set_filter("")
        self._say("")
        self._show()

    def action_filter(self) -> None:
        """Ask for a filter."""
        field = self.query_one(Input)
        field.add_class("shown")
        field.focus()

    def _set_filter(self, text: str) -> None:
        self.filter = text
        field = self.query_one(Input)
        with field.prevent(Input.Changed):
            field.value = text
        field.set_class(bool(text), "shown")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while the user types."""
        event.stop()
        self.filter = event.value
        self._show()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go back to the table; the filter stays until Esc."""
        event.stop()
        self.query_one(Input).set_class(bool(self.filter), "shown")
        self.table.focus()

    def on_key(self, event: object) -> None:
        """Leave the filter's field with Esc or the cursor keys."""
        if self.query_one(Input).has_focus and getattr(event, "key", "") in ("escape", "down", "up"):
            if getattr(event, "key", "") == "escape":
                self._set_filter("")
                self._show()
            self.table.focus()
            event.stop()  # type: ignore[attr-defined]
            event.prevent_default()  # type: ignore[attr-defined]
