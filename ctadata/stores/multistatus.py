"""Multi-Status (RFC 4918 section 13), read while it arrives: blocks of XML in, entries out, in constant memory.

What the servers in the field taught (each has a test):

- Prefixes mean nothing, namespaces do. Only values under a 2xx `propstat` count; its status may come first.
- An href may be a path or a URL of any scheme and host, with or without a slash at the end. It is compared after
  decoding with the collection that was asked for, and what does not lie directly below it is passed over: no server
  can smuggle `..`, another collection or a name with a slash into a listing.
- XRootD writes paths as they are, without percent-encoding: `%41.txt` is a name there.
- A listing that does not speak of the collection itself is no answer to the question, and is an error: taken for an
  empty one it would make a copy of nothing look complete.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from urllib.parse import unquote
from xml.parsers import expat

from ctadata.checksums import read_digests
from ctadata.entries import NONE_KNOWN, Entry, Kind
from ctadata.errors import CtadataError, ServerTrouble, UsageError
from ctadata.paths import RemotePath
from ctadata.stores.dates import seconds

_DAV = "DAV: "  # namespace, and the separator that expat puts before the local name
_RESPONSE = (2, _DAV + "response")
_HREF = (3, _DAV + "href")
_RESPONSE_STATUS = (3, _DAV + "status")
_PROPSTAT = (3, _DAV + "propstat")
_STATUS = (4, _DAV + "status")
_COLLECTION = (6, _DAV + "collection")

SIZE = _DAV + "getcontentlength"
MTIME = _DAV + "getlastmodified"
ETAG = _DAV + "getetag"
ISCOLLECTION = _DAV + "iscollection"
CHECKSUMS = "http://www.dcache.org/2013/webdav Checksums"
LOCALITY = "http://srm.lbl.gov/StorageResourceManager FileLocality"
_PROPERTIES = {(5, name) for name in (SIZE, MTIME, ETAG, ISCOLLECTION, CHECKSUMS, LOCALITY)}
_TEXTS = {_HREF, _RESPONSE_STATUS, _STATUS, *_PROPERTIES}

_NO_ROOT = RemotePath()
_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/]*")
# `|` is left out: wsgidav writes it bare in hrefs that it does encode
_NOT_A_URI = re.compile(r'[^!-~]|["<>\\^`{}]|%(?![0-9A-Fa-f]{2})')
_LONGEST = 1 << 20  # bytes that one response may take; a real one has about a thousand


class Multistatus:
    """The parser of one answer; `feed` it every block, then `close` it.

    collection: what was asked for, and `root` what the store puts before every path.
    raw:        whether hrefs are known not to be percent-encoded; found out by itself from the first one that is not.
    itself:     the entry of what was asked for, once it has gone by; None where the server refused to tell of it.
    status:     the HTTP status the answer gives for what was asked for: 207 bodies can say 403 or 404 inside.
    """

    def __init__(self, collection: RemotePath, *, root: RemotePath = _NO_ROOT, raw: bool = False) -> None:
        """Be ready for the first block."""
        self.itself: Entry | None = None
        self.status = 0
        self._collection = collection
        self._asked = root.below(collection.parts)
        self._spelt = ""  # how this server writes the collection, slash included
        self._raw = raw
        self._entries: list[Entry] = []
        self._depth = 0
        self._since = 0
        self._text: list[str] = []
        self._href = ""
        self._response_status = self._propstat_status = 0
        self._values: dict[str, str] = {}  # of the propstat at hand
        self._known: dict[str, str] = {}  # of those that count
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype

    def feed(self, block: bytes) -> list[Entry]:
        """Take in the next bytes; the entries that they completed. ServerTrouble where this is no Multi-Status."""
        self._since += len(block)
        self._parse(block, False)
        if self._since > _LONGEST:
            raise self._trouble("one entry of the listing has no end")
        entries, self._entries = self._entries, []
        return entries

    def close(self) -> None:
        """The answer has ended; ServerTrouble where it is not whole, or not of what was asked for."""
        self._parse(b"", True)
        if not self.status:
            raise self._trouble("the server's answer does not speak of what was asked for")

    def _parse(self, block: bytes, last: bool) -> None:
        try:
            self._parser.Parse(block, last)
        except expat.ExpatError as error:
            raise self._trouble(f"the server's listing is not well-formed XML: {error}") from error

    def _trouble(self, what: str) -> CtadataError:
        return ServerTrouble(what, path=str(self._collection))

    def _refuse_doctype(self, *_: object) -> None:
        raise self._trouble("the server's listing declares a document type, which WebDAV has none of: refused")

    # what expat calls: the place of an element is its depth and its name

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        self._depth = depth = self._depth + 1
        place = (depth, name)
        if place in _TEXTS:
            self._text.clear()
            self._parser.CharacterDataHandler = self._text.append
        elif place == _COLLECTION:
            self._values["collection"] = "1"
        elif self._depth == 1 and name != _DAV + "multistatus":
            raise self._trouble(f"the server's answer is no listing but <{name.rpartition(' ')[2]}>")

    def _end(self, name: str) -> None:
        place = (self._depth, name)
        self._depth -= 1
        if place in _TEXTS:
            self._parser.CharacterDataHandler = None
            self._take(place, "".join(self._text))
        elif place == _PROPSTAT:
            if self._propstat_status // 100 == 2:
                self._known.update(self._values)
            self._values = {}
            self._propstat_status = 0
        elif place == _RESPONSE:
            self._respond()
            self._href = ""
            self._response_status = self._since = 0
            self._known = {}

    def _take(self, place: tuple[int, str], text: str) -> None:
        if place in _PROPERTIES:
            self._values[place[1]] = text.strip()
        elif place == _STATUS:
            self._propstat_status = _code(text)
        elif place == _HREF:
            self._href = text
        else:
            self._response_status = _code(text)

    # one response has ended

    def _respond(self) -> None:
        name = self._name(self._href)
        status = self._response_status or 200
        if name is None:
            return
        if not name:
            self.status = status
            self.itself = self._entry(self._collection) if status < 300 else None
        elif status not in (404, 410):  # gone since; any other refusal is still a name, and said when it is used
            try:
                self._entries.append(self._entry(self._collection / name))
            except UsageError:
                return  # `..`, a slash, NUL

    def _entry(self, path: RemotePath) -> Entry:
        known = self._known.get
        if "collection" in self._known or known(ISCOLLECTION, "").upper() in ("1", "T", "TRUE"):
            return Entry(path, Kind.DIRECTORY, None, seconds(known(MTIME)), _etag(known(ETAG)))
        size, sums = known(SIZE, ""), known(CHECKSUMS)
        return Entry(
            path,
            Kind.FILE,
            int(size) if len(size) < 20 and size.isdecimal() else None,
            seconds(known(MTIME)),
            _etag(known(ETAG)),
            read_digests(sums) if sums else NONE_KNOWN,
            known(LOCALITY) or None,
        )

    def _name(self, href: str) -> str | None:
        """The name below the collection, empty for the collection itself, None for what lies elsewhere."""
        href = href.lstrip() if self._raw else href.strip()
        if not self._raw and _NOT_A_URI.search(href):
            self._raw = True
        if self._spelt and href.startswith(self._spelt):
            name = href[len(self._spelt) :]
        else:
            path = _ORIGIN.sub("", href, count=1)
            if self._is_asked(path):
                self._spelt = href.rstrip("/") + "/"
                return ""
            above, _, name = path.removesuffix("/").rpartition("/")
            if not self._is_asked(above + "/"):
                return None
        name = name.removesuffix("/")
        return name if self._raw else unquote(name, errors="surrogateescape")

    def _is_asked(self, path: str) -> bool:
        readings: tuple[Callable[[str], RemotePath], ...] = (RemotePath.parse, RemotePath.decode)
        for read in readings if self._raw else readings[1:]:
            try:
                if path.startswith("/") and read(path) == self._asked:
                    return True
            except UsageError:
                continue
        return False


@lru_cache(maxsize=64)
def _code(status_line: str) -> int:
    """The status of a line as `HTTP/1.1 200 OK`; 0 where there is none."""
    words = status_line.split(None, 2)
    return int(words[1]) if len(words) > 1 and re.fullmatch("[0-9]{3}", words[1]) else 0


def _etag(value: str | None) -> str | None:
    """An entity tag as HTTP headers have it; wsgidav lists it without the quotes."""
    return value if not value or value.endswith('"') else f'"{value}"'
