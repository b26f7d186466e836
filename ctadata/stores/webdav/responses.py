"""Read the responses of a Multi-Status body (RFC 4918 section 13) while it arrives, in constant memory.

Namespaces count, prefixes do not. Only values below a `propstat` with a 2xx status count; the status may come first. A
response without such a `propstat` has the status of the ones it has. Expat parses the XML, except for responses of a
form that came before: a `ResponseTemplate` reads those many times faster.

The time is linear in the number of bytes, however small the blocks are and however many properties a response has.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache, partial
from typing import NamedTuple
from xml.parsers import expat

from ctadata.errors import CtadataError, ServerTrouble
from ctadata.http.failures import find_meaning
from ctadata.http.redaction import sanitize
from ctadata.stores.webdav.response_template import (
    END,
    FORMS,
    PLAIN,
    ResponseTemplate,
    Templates,
    Text,
    learn_template,
)
from ctadata.stores.webdav.xml_characters import Characters

_DAV = "DAV: "  # namespace, and the separator that expat puts before the local name
_RESPONSE = (2, _DAV + "response")
_HREF = (3, _DAV + "href")
_RESPONSE_STATUS = (3, _DAV + "status")
_PROPSTAT = (3, _DAV + "propstat")
_STATUS = (4, _DAV + "status")
_COLLECTION = (6, _DAV + "collection")
_ERROR = _DAV + "error"

_ELEMENTS = (
    _HREF[1],
    _COLLECTION[1],
    _DAV + "iscollection",
    _DAV + "getcontentlength",
    _DAV + "getlastmodified",
    _DAV + "getetag",
    "http://www.dcache.org/2013/webdav Checksums",
    "http://srm.lbl.gov/StorageResourceManager FileLocality",
)
"""The names of the elements, in the order of the fields of `Texts`."""

_TEXTS = {_HREF, _RESPONSE_STATUS, _STATUS}
_PROPERTY = 5  # the depth of every property, requested or not

_LONGEST = 1 << 20  # bytes of one response at most; a real one has about a thousand
_LEARNT = 1 << 14  # bytes of a response at most for a template: the pattern costs time for each byte
_PROPERTIES = 64  # properties of a response that are kept at most, besides the requested ones
_TAG = 1024  # bytes of a tag at most that may begin in one block and end in the next
_GONE = (404, 410)

_REQUESTED = {*_ELEMENTS[1:]}

_EXCEPTIONS = {"NotFound": 404, "Forbidden": 403, "NotAuthenticated": 401, "Locked": 423, "ServiceUnavailable": 503}
"""The endings of the names of Sabre's exceptions, and the HTTP status that each stands for."""


class Texts(NamedTuple):
    """The texts of one response; None for an element that it has not. `collection` is empty for a collection."""

    href: str | None
    collection: str | None
    iscollection: str | None
    size: str | None
    mtime: str | None
    etag: str | None
    checksums: str | None
    locality: str | None


_make_texts: Callable[[tuple[str | None, ...]], Texts] = partial(tuple.__new__, Texts)

Report = Callable[[Texts, int], None]
"""Receives one response: its texts, and its status."""


class Responses:
    """The reader of one body: pass it every block with `feed`, then call `close`.

    Its methods raise ServerTrouble if the body is no Multi-Status, and the error that a `DAV:error` in its place
    describes.
    """

    def __init__(self, report: Report, path: str, *, forms: int = FORMS, known: Templates | None = None) -> None:
        """Start before the first block.

        Args:
            report: Receives each response.
            path: The path that is listed, for the errors.
            forms: The largest number of templates.
            known: The templates of earlier listings of the same server, which this listing uses and adds to.
        """
        self._report = report
        self._path = path
        self._forms = forms
        self._known = known
        self._templates: list[ResponseTemplate] = []
        self._first = b""  # the first bytes passed to expat
        self._plain = True
        self._characters = Characters()
        self._pending = bytearray()
        self._searched = 0  # no response ends in `_pending` before this offset
        self._rests = False  # expat stands right after the end of a response
        self._given = self._since = 0  # bytes passed to expat: in all, and since the last response ended
        self._reported = 0
        self._ended = -1  # the offset of the end tag of the last response, in the bytes passed to expat
        self._last: tuple[list[Text], int] = ([], 0)
        self._depth = 0
        self._text: list[str] = []
        self._texts: list[Text] = []  # the texts of the current response that count
        self._status = 0
        self._held: list[Text] = []  # the texts of the current propstat
        self._held_status = 0
        self._found = False  # a propstat of the current response had a 2xx status
        self._refused = 0  # the status of the other propstats; 404 only if all had it
        self._error: dict[str, str] | None = None  # the texts of a DAV:error, by element name
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.XmlDeclHandler = self._declare
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype

    def feed(self, block: bytes | memoryview) -> None:
        """Take the next bytes, and report the responses that they complete."""
        self._pending += block
        if END.search(self._pending, self._searched) or not self._rests:
            self._read()
        else:  # a tag may begin at the last `<`
            self._searched = max(self._pending.rfind(b"<"), len(self._pending) - _TAG, 0)
        if self._since + len(self._pending) > _LONGEST:
            raise self._trouble("an entry of the listing has no end")

    def _read(self) -> None:
        """Read the complete responses, and pass expat what it may have of the next one."""
        pending = bytes(self._pending)
        content = pending.decode("latin-1")
        at = self._follow(content, self._read_known_head(pending))
        while end := END.search(pending, at):
            self._ask_expat(pending, content, at, end)
            at = self._follow(content, end.end())
        if not self._rests:
            self._parse(pending[at:])
            at = len(pending)
        del self._pending[:at]
        self._searched = 0

    def close(self) -> None:
        """Take note that the body has ended."""
        self._parse(bytes(self._pending), last=True)

    def _read_known_head(self, pending: bytes) -> int:
        """Pass expat no more than the head of a listing that begins like the last one; return its length."""
        if self._given or not self._known or not (head := self._known.head_of(pending)):
            return 0
        self._parse(head)
        self._rests, self._templates = self._plain, self._known.find(head)
        return len(head)

    def _follow(self, content: str, at: int) -> int:
        """Read the responses that the templates match, from offset `at` on; return the offset of the end."""
        has_read = self._rests
        while has_read:
            has_read = False
            for template in self._templates:
                while read := template.read(content, at):  # the next response often has the same form
                    has_read = True
                    texts, at = read
                    self._reported += 1
                    self._report(_make_texts(texts), template.status)
        return at

    def _ask_expat(self, pending: bytes, content: str, at: int, end: re.Match[bytes]) -> None:
        """Parse up to what may be the end of a response with expat; if it is one, learn its form."""
        rested, reported, base = self._rests, self._reported, self._given
        self._parse(pending[at : end.end()])
        self._rests = self._plain and self._ended == base + end.start() - at
        if (
            rested
            and self._rests
            and self._reported == reported + 1
            and len(self._templates) < self._forms
            and end.end() - at <= _LEARNT
        ):
            texts, status = self._last
            texts = [text._replace(stop=text.stop - base) for text in texts]
            template = learn_template(content[at : end.end()], texts, status, _ELEMENTS)
            self._templates += [template] if template else []

    def _parse(self, block: bytes, *, last: bool = False) -> None:
        block = self._characters.replace(block, last=last)
        self._first = self._first or block
        self._given += len(block)
        self._since += len(block)
        try:
            self._parser.Parse(block, last)
        except expat.ExpatError as error:
            raise self._trouble(f"the server's listing is not well-formed XML: {error}") from error
        except (LookupError, ValueError) as error:  # pyexpat raises these for an encoding that it does not know
            raise self._trouble(f"the server's listing has an encoding that is not known: {error}") from error

    def _trouble(self, what: str) -> ServerTrouble:
        return ServerTrouble(what, path=self._path)

    # the handlers that expat calls; the place of an element is its depth and its name

    def _declare(self, _version: str, encoding: str | None, _standalone: int) -> None:
        self._plain = (encoding or "").lower() in PLAIN
        self._characters.declare(encoding)

    def _refuse_doctype(self, *_: object) -> None:
        raise self._trouble("the server's listing declares a document type, which WebDAV does not have; it is refused")

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        self._depth = depth = self._depth + 1
        place = (depth, name)
        if depth == _PROPERTY or place in _TEXTS or self._error is not None:
            self._text.clear()
            self._parser.CharacterDataHandler = self._text.append
        elif place == _RESPONSE:
            if self._known and not self._reported and self._parser.CurrentByteIndex < len(self._first):
                self._templates = self._known.find(self._first[: self._parser.CurrentByteIndex])
        elif place == _COLLECTION:
            self._held.append(Text(_COLLECTION[1], "", 0))
        elif name == _ERROR and depth <= 2:
            self._error = {}
        elif depth == 1 and name != _DAV + "multistatus":
            raise self._trouble(f"the server sent no listing but <{name.rpartition(' ')[2]}>")

    def _end(self, name: str) -> None:
        place = (self._depth, name)
        self._depth -= 1
        if self._error is not None:
            self._end_in_error(name)
        elif place[0] == _PROPERTY or place in _TEXTS:
            self._parser.CharacterDataHandler = None
            self._take(place, Text(name, self._read_text(), self._parser.CurrentByteIndex))
        elif place == _PROPSTAT:
            if self._held_status // 100 == 2:
                self._found = True
                self._texts += self._held
            elif self._refused in (0, *_GONE):
                self._refused = self._held_status or self._refused
            self._held, self._held_status = [], 0
        elif place == _RESPONSE:
            self._respond()

    def _read_text(self) -> str:
        return self._characters.restore("".join(self._text))

    def _end_in_error(self, name: str) -> None:
        assert self._error is not None
        if name == _ERROR and self._depth <= 1:
            raise self._described_error(self._error)
        if len(self._error) < _PROPERTIES:
            self._error.setdefault(name.rpartition(" ")[2], self._read_text().strip())
        self._text.clear()

    def _described_error(self, texts: dict[str, str]) -> CtadataError:
        """Return the error that a `DAV:error` describes; its exception counts only if no response came before."""
        words = sanitize(texts.get("message") or texts.get("exception") or next(iter(texts), ""))
        if self._reported:
            return self._trouble(f"the server broke off its listing: {words or 'it gives no reason'}")
        exception = texts.get("exception", "")
        status = next((status for end, status in _EXCEPTIONS.items() if exception.endswith(end)), 0)
        status = status or (403 if not exception and texts else 500)  # a precondition of RFC 4918 section 16
        meaning = find_meaning("PROPFIND", status, words)
        return meaning.error(
            ": ".join(filter(None, (meaning.words, words))), hint=meaning.hint, path=self._path, status=status
        )

    def _take(self, place: tuple[int, str], text: Text) -> None:
        if place[0] == _PROPERTY:
            if text.name in _REQUESTED or (len(self._held) < _PROPERTIES and text.name != _HREF[1]):
                self._held.append(text)
        elif place == _STATUS:
            self._held_status = parse_status_line(text.text)
        elif place == _HREF:
            self._texts.append(text)
        else:
            self._status = parse_status_line(text.text)

    def _respond(self) -> None:
        status = self._status
        if self._refused and not self._found and status // 100 in (0, 2):
            status = self._refused
        texts, status = self._last = self._texts, status
        self._texts, self._status, self._held, self._held_status = [], 0, [], 0
        self._found, self._refused = False, 0
        self._ended, self._since = self._parser.CurrentByteIndex, 0
        values = {text.name: text.text for text in texts}
        described = Texts(*map(values.get, _ELEMENTS))
        for href in [text.text for text in texts if text.name == _HREF[1]] or [""]:  # several share one status: 14.24
            self._reported += 1
            self._report(described._replace(href=href), status)


@lru_cache(maxsize=64)
def parse_status_line(status_line: str) -> int:
    """Return the status of a line like `HTTP/1.1 200 OK`; 0 if it holds none."""
    words = status_line.split(None, 2)
    return int(words[1]) if len(words) > 1 and re.fullmatch("[0-9]{3}", words[1]) else 0
