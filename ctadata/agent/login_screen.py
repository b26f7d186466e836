"""The text and the QR code that ask a user at a terminal to approve a login."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TextIO

from ctadata.tokens.device import DeviceLogin

QUIET_ZONE = 2
"""Modules of white around a QR code. ISO/IEC 18004 asks for four, for codes on dark paper; here the white is our own,
and with two a code with an address fits into 24 rows."""

_BLACK_ON_WHITE, _USUAL_COLOURS = "\x1b[30;47m\x1b[38;5;16;48;5;231m", "\x1b[0m"
"""The colours of a code. A terminal with 256 colours has a white that no theme changes; others take the first pair."""

_HALVES = {(0, 0): " ", (0, 1): "▄", (1, 0): "▀", (1, 1): "█"}


def instructions(login: DeviceLogin) -> str:
    """Return the text that asks the user to approve the login."""
    address = login.verification_uri_complete
    todo = "approve it if it shows" if address else "enter"
    lines = ["To log in, open in any browser, on any device:", "", f"  {address or login.verification_uri}", ""]
    return "\n".join([*lines, f"and {todo} the code  {login.user_code}"])


def login_screen(login: DeviceLogin, stream: TextIO, env: Mapping[str, str], *, rows_below: int = 1) -> str:
    """Return the instructions, below a QR code if the terminal has room for both.

    The address and the code come last, so that they stay on the screen.

    Args:
        login: The login that waits.
        stream: The stream that will show the text.
        env: The environment: TERM counts.
        rows_below: The rows that the caller needs below the text.
    """
    text = instructions(login)
    code = qr_code_that_fits(login.verification_uri_complete or login.verification_uri, stream, env)
    if not code:
        return text
    rows, columns = terminal_size(stream)
    close = text.replace("\n\n", "\n")
    for shown in (f"\n{text}", close):
        needed = sum(max(1, -(-len(line) // columns)) for line in shown.splitlines())
        if len(code.splitlines()) + needed + rows_below <= rows:
            return f"{code}\n{shown}"
    return text


def qr_code_that_fits(text: str, stream: TextIO, env: Mapping[str, str]) -> str:
    """Return a QR code for the terminal; empty if it cannot draw one, or if it is too small for it."""
    if not stream.isatty() or env.get("TERM", "dumb") in ("dumb", "unknown"):
        return ""
    code = qr_code(text)
    try:
        code.encode(stream.encoding or "ascii")
    except UnicodeEncodeError:
        return ""
    rows, columns = terminal_size(stream)
    lines = code.splitlines()
    return code if len(lines) < rows and _width(lines[0]) <= columns else ""


def qr_code(text: str) -> str:
    """Return a QR code as lines of block characters, black on white on every terminal."""
    import segno

    code = segno.make(text, error="l", micro=False)
    rows = [list(map(int, row)) for row in code.matrix_iter(border=QUIET_ZONE)]
    rows += [[0] * len(rows[0])] * (len(rows) % 2)
    return "\n".join(
        _BLACK_ON_WHITE + "".join(_HALVES[pair] for pair in zip(upper, lower, strict=True)) + _USUAL_COLOURS
        for upper, lower in zip(rows[::2], rows[1::2], strict=True)
    )


def _width(line: str) -> int:
    return len(line) - len(_BLACK_ON_WHITE) - len(_USUAL_COLOURS)


def terminal_size(stream: TextIO) -> tuple[int, int]:
    """Return the rows and columns of a terminal; 24 and 80 if it does not say."""
    try:
        columns, rows = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        return 24, 80
    return rows or 24, columns or 80
