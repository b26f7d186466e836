"""Names that XML cannot hold: servers write bytes that are no UTF-8, and control characters, into it as they are.

Expat refuses the whole body because of one of them. Each is replaced by a private character before expat sees it, and
put back into the texts that expat gives: one odd name costs nothing else. Zero bytes stay an error: they are what is
left of bytes that were lost.
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
"""Bytes of a declaration, at most."""
_BACK = re.compile(f"[{chr(_PRIVATE)}-{chr(_PRIVATE + 0xFFFD)}]")


class Characters:
    """The stand-ins of one body."""

    def __init__(self) -> None:
        """Nothing is replaced yet."""
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._head: bytes | None = b""  # what may be part of an XML declaration; None once that is known
        self._is_utf8 = True
        self._replaced = False

    def replace(self, block: bytes, *, last: bool = False) -> bytes:
        """The next bytes, fit for expat; of a body in another encoding than UTF-8 as they are."""
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
        """What the XML declaration says, None for nothing."""
        self._is_utf8 = self._is_utf8 and (encoding or "utf-8").lower() in ("utf-8", "utf8", "us-ascii")

    def restore(self, text: str) -> str:
        """A text of expat's, with what was replaced in it."""
        return _BACK.sub(_original, text) if self._replaced else text


def _may_be_declaration(head: bytes) -> bool:
    """Whether the body begins with an XML declaration, or a mark of its encoding, of which more is to come."""
    begun = head.lstrip(b"\t\n\r ")
    declares = begun.startswith(_DECLARATION) or _DECLARATION.startswith(begun)
    return len(head) < 2 or (len(head) < _LONGEST and declares and b">" not in head)


def _stand_in(odd: re.Match[str]) -> str:
    number = ord(odd[0])
    return chr(_PRIVATE + (number - 0xDC00 if 0xDC80 <= number <= 0xDCFF else min(number, 0xFFFD)))


def _original(private: re.Match[str]) -> str:
    number = ord(private[0]) - _PRIVATE
    return chr(0xDC00 + number) if 0x80 <= number <= 0xFF else chr(number) if number < 0x20 else "\ufffd"
