"""Asking a person: for a yes, for a text that nobody is to see."""

from __future__ import annotations

import os
import select
import sys
import termios
import threading
from collections.abc import Sequence

from ctadata.cli.output import say, say_raw
from ctadata.errors import Stopped
from ctadata.paths import escape_unprintable
from ctadata.progress import units

MAX_SHOWN = 10
"""Names shown at most."""
END = b"\x04"
"""Ctrl-D."""


def can_prompt() -> bool:
    """Whether a person can be asked."""
    if os.environ.get("CTADATA_NO_INPUT"):
        return False
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def read_pasted(invitation: str) -> str:
    """All that is pasted up to Ctrl-D, shown nowhere; lines may be longer than the 4095 bytes a terminal else takes."""
    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    quiet = [*before[:3], before[3] & ~(termios.ECHO | termios.ICANON), *before[4:]]
    came = b""
    termios.tcsetattr(fd, termios.TCSADRAIN, quiet)
    try:
        say(invitation)
        while END not in came and (block := os.read(fd, 1 << 16)):
            came += block
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)
    return came.partition(END)[0].decode(errors="surrogateescape")


def confirm_delete(names: Sequence[str], stop: threading.Event, what: str = "") -> bool:
    """Show what is to be deleted and ask; Stopped where Ctrl-C is the answer. `what`: all of it, in words."""
    for name in names[:MAX_SHOWN]:
        say_raw(f"  {escape_unprintable(name)}")
    if len(names) > MAX_SHOWN:
        say_raw(f"  and {len(names) - MAX_SHOWN} more")
    print(f"delete {what or units.names(len(names))}? [y/N] ", end="", file=sys.stderr, flush=True)  # noqa: T201
    while not select.select([sys.stdin], [], [], 0.2)[0]:
        if stop.is_set():
            raise Stopped("stopped")
    return sys.stdin.readline().strip().lower() in ("y", "yes")
