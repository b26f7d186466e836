"""Text that no terminal obeys: what comes from servers, names and files is shown so."""

from __future__ import annotations

import unicodedata


def escape_unprintable(text: str) -> str:
    r"""Return `text` with every character escaped that could control a terminal.

    Control characters (C0, C1, DEL), bidirectional overrides, line separators and bytes that are not UTF-8 become
    `\x1b`, `\u202e` and so on; letters of all scripts stay.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if _is_printable(c) else c.encode("unicode_escape").decode("ascii") for c in text)


def _is_printable(c: str) -> bool:
    return unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
