"""Templates of `response` elements: the responses of a listing differ in a few texts only.

`learn_template` makes a template from a response that expat has parsed. `ResponseTemplate.read` then takes the texts of
later responses from their bytes alone, if these bytes equal the template's except for texts of harmless characters.
Expat would read the same texts, because

- all markup is equal byte for byte, and begins at the same place: after the end of a response, below the same root;
- each differing text was, and is, printable ASCII without `<`, `>` and `&`: it holds no markup, no reference, and no
  line end that XML changes; in the encodings of `PLAIN` each such byte is its character;
- a text may differ only if it stood complete before its end tag, so that nothing else belongs to it.

Expat reads all other responses, for example a name beyond ASCII or an empty text. The listings of one server begin with
the same bytes, so `Templates` keeps the templates of one listing for the next.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple

PLAIN = ("", "utf-8", "us-ascii", "iso-8859-1")
"""The encodings for which templates work, in lower case; empty if the XML declaration names none."""

END = re.compile(rb"</(?:[^<>/:]*:)?response[ \t\r\n]*>")
"""Matches what may be the end of a response. Expat decides whether it is one."""

FORMS = 8
"""The largest number of templates of a listing. Most servers have two forms: one of files, one of collections."""

_DIFFERING = "([ -%'-;=?-~]*)"
_HARMLESS = re.compile(_DIFFERING)


class Text(NamedTuple):
    """The text of one element.

    Attributes:
        name: The name of the element, with its namespace.
        text: Its text.
        stop: The offset of its end tag in the bytes.
    """

    name: str
    text: str
    stop: int


@dataclass(frozen=True, slots=True)
class ResponseTemplate:
    """What responses of one form have in common.

    Attributes:
        pattern: Matches such a response, with one group for each text that may differ.
        same: The texts that do not differ, and None for those that such a response has not.
        pick: Returns the wanted texts from all groups and `same`.
        status: The HTTP status of the response itself; 0 if it has none.
    """

    pattern: re.Pattern[str]
    same: tuple[str | None, ...]
    pick: Callable[[tuple[str | None, ...]], tuple[str | None, ...]]
    status: int

    def read(self, content: str, at: int) -> tuple[tuple[str | None, ...], int] | None:
        """Read the response that begins at offset `at`.

        Args:
            content: The bytes decoded as latin-1, so that each byte is one character.
            at: The offset of the response.

        Returns:
            The wanted texts, and the offset of the end; None if the response has another form.
        """
        match = self.pattern.match(content, at)
        return None if match is None else (self.pick(match.groups() + self.same), match.end())


class Templates:
    """The templates of the listings of one server that begin with the same bytes. Several threads may use them."""

    def __init__(self) -> None:
        """Start without templates."""
        self._known: tuple[bytes, list[ResponseTemplate]] = b"", []

    def head_of(self, content: bytes) -> bytes:
        """Return the head of the last listing if these first bytes of another one begin with it; else nothing."""
        head = self._known[0]
        return head if content.startswith(head) else b""

    def find(self, head: bytes) -> list[ResponseTemplate]:
        """Return the list of templates for a listing, which may append the ones that it learns.

        Args:
            head: The bytes of the listing before its first response: the markup that all responses lie below.

        Returns:
            The list of the last listing with the same head; an empty one if there is none, or if it is full: a listing
            with rare forms leaves no others without templates.
        """
        known, templates = self._known
        if known != head or len(templates) >= FORMS:
            templates = []
            self._known = head, templates
        return templates


def learn_template(raw: str, texts: Sequence[Text], status: int, wanted: Sequence[str]) -> ResponseTemplate | None:
    """Return the template of a response that expat has parsed.

    Args:
        raw: The bytes of the response as latin-1, from the end of the response before it.
        texts: The texts that count, in the order of their offsets, which are relative to `raw`.
        status: The HTTP status of the response itself; 0 if it has none.
        wanted: The names of the elements whose texts the template reads; two at least.

    Returns:
        None if no template can be made of this response.
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
    all_names = [*names, *constant, *(name for name in wanted if name not in read)]
    same = tuple(map(constant.get, all_names[len(names) :]))
    pick = itemgetter(*map(all_names.index, wanted))
    template = ResponseTemplate(re.compile(pattern + re.escape(raw[at:])), same, pick, status)
    return template if template.read(raw, 0) == (tuple(map(read.get, wanted)), len(raw)) else None
