"""Characters that XML cannot hold: some servers write bytes that are no UTF-8, and control characters, as they are.

Expat rejects a whole body because of one of them. `Characters` replaces each by a private character before expat sees
it, and puts it back into the texts that expat returns, so that one odd name costs nothing else. Zero bytes stay an
error: they are what remains of bytes that were lost.
"""

from __future__ import annotations

import codecs
import re

_PRIVATE = 0xF0000
_ODD = re.compile("[\x01-\x08\x0b\x0c\x0e-\x1f\udc80-\udcff\ufffe\uffff]")
_PLAIN = re.compile(rb"[\t\n\r -\x7f]*")
_ENCODING = re.compile(rb"""\s*<\?xml[^>]*\sencoding\s*=\s*["']([^"'>]*)""")
_DECLARATION = b"<?xml"
_LONGEST = 1024
"""The largest number of bytes of a declaration."""
_BACK = re.compile(f"[{chr(_PRIVATE)}-{chr(_PRIVATE + 0xFFFD)}]")


class Characters:
    """The replaced characters of one body."""

    def __init__(self) -> None:
        """Start without any replaced character."""
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._head: bytes | None = b""  # what may belong to an XML declaration; None once this is decided
        self._is_utf8 = True
        self._replaced = False

    def replace(self, block: bytes, *, last: bool = False) -> bytes:
        """Return the next bytes, fit for expat; those of a body that is not UTF-8 stay as they are."""
        if self._head is not None:
            self._head += block
            if not last and _may_be_declaration(self._head):
                return b""
            block, self._head = self._head, None
            declared = _ENCODING.match(block)
            self.declare(declared[1].decode("ascii", "replace") if declared else None)
            self._is_utf8 = self._is_utf8 and block[:2] not in (codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE)
        if not self._is_utf8 or (_PLAIN.fullmatch(block) and not self._decoder.getstate()[0]):
            return block
        text = self._decoder.decode(block, last)
        fit = _ODD.sub(_stand_in, text)
        self._replaced = self._replaced or fit != text
        return fit.encode()

    def declare(self, encoding: str | None) -> None:
        """Take note of the encoding that the XML declaration names; None if it names none."""
        self._is_utf8 = self._is_utf8 and (encoding or "utf-8").lower() in ("utf-8", "utf8", "us-ascii")

    def restore(self, text: str) -> str:
        """Return a text from expat with the original characters."""
        return _BACK.sub(_original, text) if self._replaced else text


def _may_be_declaration(head: bytes) -> bool:
    """Return whether the body begins with an XML declaration, or a byte order mark, that is not complete yet."""
    start = head.lstrip(b"\t\n\r ")
    declares = start.startswith(_DECLARATION) or _DECLARATION.startswith(start)
    return len(head) < 2 or (len(head) < _LONGEST and declares and b">" not in head)


def _stand_in(odd: re.Match[str]) -> str:
    number = ord(odd[0])
    return chr(_PRIVATE + (number - 0xDC00 if 0xDC80 <= number <= 0xDCFF else min(number, 0xFFFD)))


def _original(private: re.Match[str]) -> str:
    number = ord(private[0]) - _PRIVATE
    return chr(0xDC00 + number) if 0x80 <= number <= 0xFF else chr(number) if number < 0x20 else "\ufffd"
