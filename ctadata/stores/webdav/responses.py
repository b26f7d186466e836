"""The responses of a Multi-Status body (RFC 4918 section 13), told while it arrives, in constant memory.

Prefixes mean nothing, namespaces do. Only values under a 2xx `propstat` count; its status may come first. A response
without any such `propstat` has the status of those that it has. Expat reads the XML, but for responses whose form it
has met before: those are read by their `ResponseTemplate`, many times faster.

The time is linear in the bytes, however small the blocks are and however many properties a response has.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from xml.parsers import expat

from ctadata.errors import CtadataError, ServerTrouble
from ctadata.http.failures import find_meaning
from ctadata.http.redaction import sanitize
from ctadata.stores.webdav.response_template import END, PLAIN, ResponseTemplate, Text, learn
from ctadata.stores.webdav.xml_characters import Characters

_DAV = "DAV: "  # namespace, and the separator that expat puts before the local name
_RESPONSE = (2, _DAV + "response")
_HREF = (3, _DAV + "href")
_RESPONSE_STATUS = (3, _DAV + "status")
_PROPSTAT = (3, _DAV + "propstat")
_STATUS = (4, _DAV + "status")
_COLLECTION = (6, _DAV + "collection")
_ERROR = _DAV + "error"

HREF = _DAV + "href"
COLLECTION = _DAV + "collection"
SIZE = _DAV + "getcontentlength"
MTIME = _DAV + "getlastmodified"
ETAG = _DAV + "getetag"
ISCOLLECTION = _DAV + "iscollection"
CHECKSUMS = "http://www.dcache.org/2013/webdav Checksums"
LOCALITY = "http://srm.lbl.gov/StorageResourceManager FileLocality"

_TEXTS = {_HREF, _RESPONSE_STATUS, _STATUS}
_PROPERTY = 5  # the depth of every property, also of those that nobody has asked for and that servers send

_LONGEST = 1 << 20  # bytes that one response may take; a real one has about a thousand
_LEARNT = 1 << 14  # bytes that a response has at most whose form is learnt: a pattern costs time for each of them
_PROPERTIES = 64  # of a response that are kept, beside those that are asked for
_TAG = 1024  # bytes that a tag has at most which is looked for across two blocks
_GONE = (404, 410)

_ASKED = {SIZE, MTIME, ETAG, ISCOLLECTION, CHECKSUMS, LOCALITY, COLLECTION}

_EXCEPTIONS = {"NotFound": 404, "Forbidden": 403, "NotAuthenticated": 401, "Locked": 423, "ServiceUnavailable": 503}
"""The ends of the names that Sabre gives its exceptions, and the status that each stands for."""

Tell = Callable[[dict[str, str], int], None]
"""Takes one response: its texts by name (HREF and the properties; COLLECTION is there for a collection), its status."""


class Responses:
    """The reader of one body; `feed` it every block, then `close` it.

    Raises ServerTrouble where this is no Multi-Status, and what a `DAV:error` in the place of one says.
    """

    def __init__(self, tell: Tell, path: str, *, forms: int = 8) -> None:
        """Be ready for the first block.

        path:  what the listing is of, for words.
        forms: how many forms are learnt; of most servers there are two, of files and of collections.
        """
        self._tell = tell
        self._path = path
        self._forms = forms
        self._skeletons: list[ResponseTemplate] = []
        self._plain = True
        self._characters = Characters()
        self._pending = bytearray()
        self._searched = 0  # up to where `_pending` has no end of a response
        self._rests = False  # whether expat stands right after the end of a response
        self._given = self._since = 0  # bytes that it has been given: in all, and since a response has ended
        self._told = 0
        self._ended = -1  # where the end tag of the last response begins, in what expat has been given
        self._last: tuple[list[Text], int] = ([], 0)
        self._depth = 0
        self._text: list[str] = []
        self._texts: list[Text] = []  # of the response at hand, which count
        self._status = 0
        self._held: list[Text] = []  # of the propstat at hand
        self._held_status = 0
        self._found = False  # whether a propstat of the response at hand was 2xx
        self._refused = 0  # the status of those that were not, 404 only where all were
        self._error: dict[str, str] | None = None  # what a DAV:error says, by the names of its elements
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.XmlDeclHandler = self._declare
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype

    def feed(self, block: bytes) -> None:
        """Take in the next bytes; tells of the responses that they completed."""
        self._pending += block
        if END.search(self._pending, self._searched) or not self._rests:
            self._read()
        else:  # a tag may have begun at the last `<`
            self._searched = max(self._pending.rfind(b"<"), len(self._pending) - _TAG, 0)
        if self._since + len(self._pending) > _LONGEST:
            raise self._trouble("one entry of the listing has no end")

    def _read(self) -> None:
        """Read the responses that are whole, and give expat what it may have of the next one."""
        pending = bytes(self._pending)
        content = pending.decode("latin-1")
        at = self._follow(content, 0)
        while end := END.search(pending, at):
            self._ask_expat(pending, content, at, end)
            at = self._follow(content, end.end())
        if not self._rests:
            self._parse(pending[at:])
            at = len(pending)
        del self._pending[:at]
        self._searched = 0

    def close(self) -> None:
        """The body has ended."""
        self._parse(bytes(self._pending), last=True)

    def _follow(self, content: str, at: int) -> int:
        """Read what the skeletons fit, from `at` on; where it ends."""
        while self._rests:
            for skeleton in self._skeletons:
                if read := skeleton.read(content, at):
                    break
            else:
                break
            texts, at = read
            self._tell(texts, skeleton.status)
        return at

    def _ask_expat(self, pending: bytes, content: str, at: int, end: re.Match[bytes]) -> None:
        """Have expat read up to what may be the end of a response; where it is, and all of one, learn its form."""
        rested, told, base = self._rests, self._told, self._given
        self._parse(pending[at : end.end()])
        self._rests = self._plain and self._ended == base + end.start() - at
        if (
            rested
            and self._rests
            and self._told == told + 1
            and len(self._skeletons) < self._forms
            and end.end() - at <= _LEARNT
        ):
            texts, status = self._last
            skeleton = learn(content[at : end.end()], [t._replace(stop=t.stop - base) for t in texts], status)
            self._skeletons += [skeleton] if skeleton else []

    def _parse(self, block: bytes, *, last: bool = False) -> None:
        block = self._characters.replace(block, last=last)
        self._given += len(block)
        self._since += len(block)
        try:
            self._parser.Parse(block, last)
        except expat.ExpatError as error:
            raise self._trouble(f"the server's listing is not well-formed XML: {error}") from error
        except (LookupError, ValueError) as error:  # pyexpat of the encoding that the declaration names
            raise self._trouble(f"the server's listing has an encoding that is not known: {error}") from error

    def _trouble(self, what: str) -> ServerTrouble:
        return ServerTrouble(what, path=self._path)

    # what expat calls: the place of an element is its depth and its name

    def _declare(self, _version: str, encoding: str | None, _standalone: int) -> None:
        self._plain = (encoding or "").lower() in PLAIN
        self._characters.declare(encoding)

    def _refuse_doctype(self, *_: object) -> None:
        raise self._trouble("the server's listing declares a document type, which WebDAV has none of: refused")

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        self._depth = depth = self._depth + 1
        place = (depth, name)
        if depth == _PROPERTY or place in _TEXTS or self._error is not None:
            self._text.clear()
            self._parser.CharacterDataHandler = self._text.append
        elif place == _COLLECTION:
            self._held.append(Text(COLLECTION, "", 0))
        elif name == _ERROR and depth <= 2:
            self._error = {}
        elif depth == 1 and name != _DAV + "multistatus":
            raise self._trouble(f"the server's answer is no listing but <{name.rpartition(' ')[2]}>")

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
            raise self._told_error(self._error)
        if len(self._error) < _PROPERTIES:
            self._error.setdefault(name.rpartition(" ")[2], self._read_text().strip())
        self._text.clear()

    def _told_error(self, said: dict[str, str]) -> CtadataError:
        """The error that a `DAV:error` is: what its exception says, where nothing else has been told before."""
        words = sanitize(said.get("message") or said.get("exception") or next(iter(said), ""))
        if self._told:
            return self._trouble(f"the server broke off its listing: {words or 'it says not why'}")
        exception = said.get("exception", "")
        status = next((status for end, status in _EXCEPTIONS.items() if exception.endswith(end)), 0)
        status = status or (403 if not exception and said else 500)  # a condition of RFC 4918 section 16
        meaning = find_meaning("PROPFIND", status, words)
        return meaning.error(
            ": ".join(filter(None, (meaning.words, words))), hint=meaning.hint, path=self._path, status=status
        )

    def _take(self, place: tuple[int, str], text: Text) -> None:
        if place[0] == _PROPERTY:
            if text.name in _ASKED or len(self._held) < _PROPERTIES:
                self._held.append(text)
        elif place == _STATUS:
            self._held_status = _code(text.text)
        elif place == _HREF:
            self._texts.append(text)
        else:
            self._status = _code(text.text)

    def _respond(self) -> None:
        status = self._status
        if self._refused and not self._found and status // 100 in (0, 2):
            status = self._refused
        texts, status = self._last = self._texts, status
        self._texts, self._status, self._held, self._held_status = [], 0, [], 0
        self._found, self._refused = False, 0
        self._ended, self._since = self._parser.CurrentByteIndex, 0
        self._told += 1
        self._tell({text.name: text.text for text in texts}, status)


@lru_cache(maxsize=64)
def _code(status_line: str) -> int:
    """The status of a line as `HTTP/1.1 200 OK`; 0 where there is none."""
    words = status_line.split(None, 2)
    return int(words[1]) if len(words) > 1 and re.fullmatch("[0-9]{3}", words[1]) else 0
