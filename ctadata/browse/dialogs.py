"""The dialogs: a question with buttons, a field for a name, a list to choose from, and a text to read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, TypeVar

import segno
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, OptionList, Static
from textual.widgets.option_list import Option

MAX_SHOWN = 8
"""The largest number of names that a question shows."""

Result = TypeVar("Result")


class Dialog(ModalScreen[Result]):
    """A box in the middle of the screen, which Esc closes."""

    DEFAULT_CSS = """
    Dialog { align: center middle; }
    Dialog .box { width: auto; min-width: 40; max-width: 100%; height: auto; max-height: 100%;
        border: round $primary; background: $surface; padding: 0 1; }
    Dialog Static { width: auto; max-width: 100%; }
    Dialog Static.line { color: $text-muted; margin-top: 1; }
    Dialog Horizontal { height: auto; width: auto; margin-top: 1; }
    Dialog Button { min-width: 10; margin-right: 1; }
    Dialog Input { width: 70; max-width: 100%; border: none; height: 1; background: $boost; }
    Dialog OptionList { height: auto; max-height: 16; width: 70; max-width: 100%; border: none; }
    Dialog VerticalScroll { width: auto; max-width: 100%; height: auto; max-height: 100%; overflow-x: auto; }
    Dialog #qr { max-width: 1000; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", show=False)]


class Question(Dialog[str | None]):
    """Asks a question; the result is the button's label in lower case, or None."""

    DEFAULT_CSS = "Question .name { text-wrap: nowrap; text-overflow: ellipsis; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "app.focus_previous", show=False),
        Binding("right", "app.focus_next", show=False),
    ]

    def __init__(self, title: str, names: Sequence[str], line: str, *buttons: str, danger: bool = False) -> None:
        """Prepare the question.

        Args:
            title: The question.
            names: The names in question; the first ones are shown. What has no room scrolls, but never the buttons.
            line: The command line that does the same.
            buttons: The labels of the answers; the first one has the focus, unless `danger`.
            danger: The answer cannot be taken back, so the last button, which does nothing, has the focus.
        """
        super().__init__()
        self._title, self._names, self._line, self._buttons, self._danger = title, names, line, buttons, danger

    def compose(self) -> ComposeResult:
        """Make the parts."""
        with Vertical(classes="box"):
            with VerticalScroll(can_focus=False):
                yield Static(self._title, markup=False)
                for name in self._names[:MAX_SHOWN]:
                    yield Static(f"  {name}", classes="name", markup=False)
                if len(self._names) > MAX_SHOWN:
                    yield Static(f"  ... and {len(self._names) - MAX_SHOWN} more", markup=False)
                yield Static(f"$ {self._line}", classes="line", markup=False)
            with Horizontal():
                for label in self._buttons:
                    yield Button(Content(label), name=label.lower(), compact=True)

    def on_mount(self) -> None:
        """Put the focus on the answer."""
        self.query(Button)[-1 if self._danger else 0].focus()
        self.on_resize()

    def on_resize(self) -> None:
        """Leave four lines to the border, and to the buttons with the empty line above them."""
        self.query_one(VerticalScroll).styles.max_height = max(1, self.app.size.height - 4)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Return the answer."""
        self.dismiss(None if event.button.name == "cancel" else event.button.name)


class Ask(Dialog[str | None]):
    """Asks for a text; the result is the text, or None."""

    def __init__(self, title: str, value: str = "") -> None:
        """Prepare the field with a first value."""
        super().__init__()
        self._title, self._value = title, value
        self._early: list[events.Event] = []

    def _forward_event(self, event: events.Event) -> None:
        """Keep what is typed before the field is there; the screen would drop it."""
        if self.focused is None and isinstance(event, events.Key | events.Paste):
            self._early.append(event)
        else:
            super()._forward_event(event)

    def on_mount(self) -> None:
        """Give the field what was typed before it was there."""
        field = self.query_one(Input)
        self.set_focus(field)
        for event in self._early:
            field._forward_event(event)

    def compose(self) -> ComposeResult:
        """Make the parts."""
        with Vertical(classes="box"):
            yield Static(self._title, markup=False)
            yield Input(self._value, select_on_focus=False)
            yield Static("Enter does it, Esc leaves all as it is", classes="line", markup=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Return the text."""
        self.dismiss(event.value or None)


class Choose(Dialog[int | None]):
    """Lets the user choose a line; the result is its number, or None."""

    def __init__(self, title: str, lines: Sequence[str], chosen: int = 0) -> None:
        """Prepare the list, with the cursor on a line."""
        super().__init__()
        self._title, self._lines, self._chosen = title, lines, chosen

    def compose(self) -> ComposeResult:
        """Make the parts."""
        with Vertical(classes="box"):
            yield Static(self._title, markup=False)
            yield OptionList(*(Option(Content(line)) for line in self._lines))

    def on_mount(self) -> None:
        """Put the cursor on the line."""
        self.query_one(OptionList).highlighted = self._chosen
        self.query_one(OptionList).focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Return the number of the line."""
        self.dismiss(event.option_index)


class Read(Dialog[None]):
    """Shows a text, which may be longer than the screen."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter,f3,q", "dismiss(None)", show=False)]

    def __init__(self, title: str, text: str, line: str = "", code: str = "") -> None:
        """Prepare the text.

        Args:
            title: The title.
            text: The text, safe for a terminal.
            line: The command line that shows the same; empty: none.
            code: A text to show as a QR code too; empty: none.
        """
        super().__init__()
        self._title, self._text, self._line, self._code = title, text, line, code

    def compose(self) -> ComposeResult:
        """Make the parts."""
        with Vertical(classes="box"), VerticalScroll():
            yield Static(self._title, markup=False)
            yield Static(self._text, markup=False)
            if self._line:
                yield Static(f"$ {self._line}", classes="line", markup=False)
            if self._code:
                yield Static(qr_code(self._code), id="qr")

    def on_mount(self) -> None:
        """Let the keys scroll the text."""
        self.query_one(VerticalScroll).focus()


def qr_code(text: str) -> Content:
    """Return a QR code in half blocks, black on white in every theme."""
    rows = [[bool(dark) for dark in row] for row in segno.make(text, error="l", micro=False).matrix_iter(border=2)]
    if len(rows) % 2:
        rows.append([False] * len(rows[0]))
    lines = [
        "".join(" ▄▀█"[2 * upper + lower] for upper, lower in zip(above, below, strict=True))
        for above, below in zip(rows[::2], rows[1::2], strict=True)
    ]
    return Content("\n".join(lines)).stylize("black on white")
