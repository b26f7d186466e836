"""Templates: the responses of a listing differ in a few texts, and one that has been read tells where these stand.

`learn` looks at a response that expat has read; `ResponseTemplate.read` takes the texts of the next ones from their
bytes alone, where these are the same but for texts of harmless characters. Expat would read the same, since

- all markup is equal byte for byte, and begins in the same place: after the end of a response, below the same root;
- what differs was, and is, printable ASCII without `<`, `>` and `&`: no markup, no reference, no line end that XML
  rewrites; and in the encodings of `PLAIN` each such byte is its character;
- a text may differ only where it stood whole before its end tag, so that nothing else belonged to it.

All else, as a name beyond ASCII or a text that is empty, is left to expat.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

PLAIN = ("", "utf-8", "us-ascii", "iso-8859-1")
"""Encodings that an XML declaration may name (empty: none named), in lower case."""

END = re.compile(rb"</(?:[^<>/:]*:)?response[ \t\r\n]*>")
"""What may be the end of a response; whether it is one, expat says."""

_DIFFERING = "([ -%'-;=?-~]*)"
_HARMLESS = re.compile(_DIFFERING)


class Text(NamedTuple):
    """What was read of one element: whose it is, the text, and where its end tag begins in the bytes."""

    name: str
    text: str
    stop: int


@dataclass(frozen=True, slots=True)
class ResponseTemplate:
    """What responses of one form have in common.

    pattern: matches such a response, with a group for each text that may differ; `names` says whose they are.
    same:    the texts that do not differ, by name.
    status:  of the response itself, 0 where it says none.
    """

    pattern: re.Pattern[str]
    names: tuple[str, ...]
    same: Mapping[str, str]
    status: int

    def read(self, content: str, at: int) -> tuple[dict[str, str], int] | None:
        """The texts, by name, of the response that begins at `at`, and its end; None where it has another form.

        content: bytes as latin-1, which keeps each in its place.
        """
        match = self.pattern.match(content, at)
        if match is None:
            return None
        texts = dict(zip(self.names, match.groups(), strict=False))
        texts.update(self.same)
        return texts, match.end()


def learn(raw: str, texts: Sequence[Text], status: int) -> ResponseTemplate | None:
    """The skeleton of a response that expat has read; None where it is not fit to be one.

    raw:   its bytes as latin-1, from the end of the response before it.
    texts: those that count, in the order of their places.
    """
    read = {text.name: text.text for text in texts}
    if len(read) < len(texts) or not raw.isascii():
        return None
    pattern, names, at = "", [], 0
    for name, text, stop in texts:
        start = stop - len(text)
        if text and raw[start:stop] == text and _HARMLESS.fullmatch(text):
            pattern += re.escape(raw[at:start]) + _DIFFERING
            names.append(name)
            at = stop
    constant = {name: text for name, text in read.items() if name not in names}
    skeleton = ResponseTemplate(re.compile(pattern + re.escape(raw[at:])), tuple(names), constant, status)
    return skeleton if skeleton.read(raw, 0) == (read, len(raw)) else None
