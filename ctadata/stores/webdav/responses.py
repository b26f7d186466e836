"""The responses of a Multi-Status body (RFC 4918 section 13), told while it arrives, in constant memory.

Prefixes mean nothing, namespaces do. Only values under a 2xx `propstat` count; its status may come first. Expat reads
the XML, but for responses whose form it has met before: those are read by their `Skeleton`, many times faster.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from xml.parsers import expat

from ctadata.errors import ServerTrouble
from ctadata.stores.webdav.skeleton import END, PLAIN, Skeleton, Text, learn

_DAV = "DAV: "  # namespace, and the separator that expat puts before the local name
_RESPONSE = (2, _DAV + "response")
_HREF = (3, _DAV + "href")
_RESPONSE_STATUS = (3, _DAV + "status")
_PROPSTAT = (3, _DAV + "propstat")
_STATUS = (4, _DAV + "status")
_COLLECTION = (6, _DAV + "collection")

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

Tell = Callable[[dict[str, str], int], None]
"""Takes one response: its texts by name (HREF and the properties; COLLECTION is there for a collection), its status."""


class Responses:
    """The reader of one body; `feed` it every block, then `close` it.

    Raises ServerTrouble where this is no Multi-Status.
    """

    def __init__(self, tell: Tell, path: str, *, forms: int = 8) -> None:
        """Be ready for the first block.

        path:  what the listing is of, for words.
        forms: how many forms are learnt; of most servers there are two, of files and of collections.
        """
        self._tell = tell
        self._path = path
        self._forms = forms
        self._skeletons: list[Skeleton] = []
        self._plain = True
        self._pending = b""
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
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.XmlDeclHandler = self._declare
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype

    def feed(self, block: bytes) -> None:
        """Take in the next bytes; tells of the responses that they completed."""
        self._pending += block
        content, at = self._pending.decode("latin-1"), 0
        while True:
            at = self._follow(content, at)
            end = END.search(self._pending, at)
            if end is None:
                break
            self._ask_expat(content, at, end)
            at = end.end()
        if not self._rests:
            self._parse(self._pending[at:])
            at = len(self._pending)
        self._pending = self._pending[at:]
        if self._since + len(self._pending) > _LONGEST:
            raise self._trouble("one entry of the listing has no end")

    def close(self) -> None:
        """The body has ended."""
        self._parse(self._pending, last=True)

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

    def _ask_expat(self, content: str, at: int, end: re.Match[bytes]) -> None:
        """Have expat read up to what may be the end of a response; where it is, and all of one, learn its form."""
        rested, told, base = self._rests, self._told, self._given
        self._parse(self._pending[at : end.end()])
        self._rests = self._plain and self._ended == base + end.start() - at
        if rested and self._rests and self._told == told + 1 and len(self._skeletons) < self._forms:
            texts, status = self._last
            skeleton = learn(content[at : end.end()], [t._replace(stop=t.stop - base) for t in texts], status)
            self._skeletons += [skeleton] if skeleton else []

    def _parse(self, block: bytes, *, last: bool = False) -> None:
        self._given += len(block)
        self._since += len(block)
        try:
            self._parser.Parse(block, last)
        except expat.ExpatError as error:
            raise self._trouble(f"the server's listing is not well-formed XML: {error}") from error

    def _trouble(self, what: str) -> ServerTrouble:
        return ServerTrouble(what, path=self._path)

    # what expat calls: the place of an element is its depth and its name

    def _declare(self, _version: str, encoding: str | None, _standalone: int) -> None:
        self._plain = (encoding or "").lower() in PLAIN

    def _refuse_doctype(self, *_: object) -> None:
        raise self._trouble("the server's listing declares a document type, which WebDAV has none of: refused")

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        self._depth = depth = self._depth + 1
        place = (depth, name)
        if depth == _PROPERTY or place in _TEXTS:
            self._text.clear()
            self._parser.CharacterDataHandler = self._text.append
        elif place == _COLLECTION:
            self._held.append(Text(COLLECTION, "", 0))
        elif depth == 1 and name != _DAV + "multistatus":
            raise self._trouble(f"the server's answer is no listing but <{name.rpartition(' ')[2]}>")

    def _end(self, name: str) -> None:
        place = (self._depth, name)
        self._depth -= 1
        if place[0] == _PROPERTY or place in _TEXTS:
            self._parser.CharacterDataHandler = None
            self._take(place, Text(name, "".join(self._text), self._parser.CurrentByteIndex))
        elif place == _PROPSTAT:
            if self._held_status // 100 == 2:
                self._texts += self._held
            self._held, self._held_status = [], 0
        elif place == _RESPONSE:
            self._respond()

    def _take(self, place: tuple[int, str], text: Text) -> None:
        if place[0] == _PROPERTY:
            self._held.append(text)
        elif place == _STATUS:
            self._held_status = _code(text.text)
        elif place == _HREF:
            self._texts.append(text)
        else:
            self._status = _code(text.text)

    def _respond(self) -> None:
        texts, status = self._last = self._texts, self._status
        self._texts, self._status, self._held, self._held_status = [], 0, [], 0
        self._ended, self._since = self._parser.CurrentByteIndex, 0
        self._told += 1
        self._tell({text.name: text.text for text in texts}, status)


@lru_cache(maxsize=64)
def _code(status_line: str) -> int:
    """The status of a line as `HTTP/1.1 200 OK`; 0 where there is none."""
    words = status_line.split(None, 2)
    return int(words[1]) if len(words) > 1 and re.fullmatch("[0-9]{3}", words[1]) else 0
