"""The QR code of a login: black on white, and the same modules as the library computes."""

from __future__ import annotations

import re

import segno

from ctadata.agent.login_screen import QUIET_ZONE, qr_code

ADDRESS = "https://issuer.example.org/realms/a/device?user_code=ABCD-EFGH"
HALVES = {" ": (0, 0), "▄": (0, 1), "▀": (1, 0), "█": (1, 1)}


def test_a_qr_code_sets_black_and_white_itself_and_has_every_module():
    lines = qr_code(ADDRESS).splitlines()
    black_on_white = "\x1b[30;47m\x1b[38;5;16;48;5;231m"
    assert all(line.startswith(black_on_white) and line.endswith("\x1b[0m") for line in lines)
    texts = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
    drawn = [[HALVES[each][half] for each in text] for text in texts for half in (0, 1)]
    code = segno.make(ADDRESS, error="l", micro=False)
    expected = [list(map(int, row)) for row in code.matrix_iter(border=QUIET_ZONE)]
    assert drawn[: len(expected)] == expected
    assert not any(map(any, drawn[len(expected) :]))
