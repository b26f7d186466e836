"""Ask a person: for a yes, or for a text that the terminal must not show."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence

from ctadata import system
from ctadata.cli.output import say, say_raw
from ctadata.errors import Stopped
from ctadata.printable import escape_unprintable
from ctadata.progress import units

MAX_SHOWN = 10
"""The largest number of names to show before the question."""
END = b"\x04"
"""Ctrl-D."""


def can_prompt() -> bool:
    """Whether stdin and stderr are a terminal, so that a person can answer; never with `--no-input`."""
    if os.environ.get("CTADATA_NO_INPUT"):
        return False
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def read_pasted(prompt: str) -> str:
    """Return the text that the user pastes, up to Ctrl-D, without showing it.

    Args:
        prompt: The line to show first.
    """
    text = system.read_hidden(sys.stdin.fileno(), END, lambda: say(prompt))
    return text.decode(errors="surrogateescape")


def confirm_delete(names: Sequence[str], stop: threading.Event, what: str = "") -> bool:
    """Show the names to delete, and ask for a yes.

    Args:
        names: The names; the first `MAX_SHOWN` are shown.
        stop: The event that Ctrl-C sets.
        what: The text of the question after "delete"; empty for the number of names.

    Returns:
        Whether the answer is `y` or `yes`.

    Raises:
        Stopped: Ctrl-C is the answer.
    """
    for name in names[:MAX_SHOWN]:
        say_raw(f"  {escape_unprintable(name)}")
    if len(names) > MAX_SHOWN:
        say_raw(f"  and {len(names) - MAX_SHOWN} more")
    _show_question(f"delete {what or units.names(len(names))}? [y/N] ")
    while not system.wait_for_input(0.2):
        if stop.is_set():
            raise Stopped("stopped")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def ask(question: str) -> str:
    """Show a question, and return the line of the answer without spaces around it.

    Raises:
        EOFError: Standard input has ended, as with Ctrl-D.
        KeyboardInterrupt: Ctrl-C is the answer.
    """
    _show_question(question)
    line = sys.stdin.readline()
    if not line:
        say_raw("")
        raise EOFError
    return line.strip()


def confirm(question: str) -> bool:
    """Ask a question as `ask` does, and return whether the answer is `y` or `yes`."""
    return ask(f"{question} [y/N] ").lower() in ("y", "yes")


def _show_question(question: str) -> None:
    print(question, end="", file=sys.stderr, flush=True)  # noqa: T201
