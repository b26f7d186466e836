"""Multi-Status (RFC 4918 section 13), read while it arrives: blocks of XML in, entries out, in constant memory.

What the servers in the field taught (each has a test):

- Where an href lies, `Places` says. What has no place directly below the collection (`..`, a name with a slash or NUL,
  another tree) is counted, and makes the listing incomplete: no server can smuggle anything into a listing, and nobody
  takes a directory for empty whose members cannot be placed.
- XRootD writes paths as they are, without percent-encoding: `%41.txt` is a name there.
- A member that answers 404 is not there, if it answers so to a request of its own, too: until then it is `doubtful`.
- A member that answers with another failure is there, cannot be read, and makes the listing incomplete too.
- A name that comes twice is given once. If the two statements differ, it is `doubtful` as well.
- A collection that answers twice, once with a failure, is not listed whole: 507 is how servers say that they cut it.
- A listing that does not speak of the collection itself is no answer to the question, and is an error: taken for an
  empty one it would make a copy of nothing look complete.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable
from xml.etree.ElementTree import Element, ParseError, iterparse

from ctadata.checksums import parse_digests
from ctadata.entries import NO_CHECKSUMS, Entry, Kind
from ctadata.errors import CtadataError, LoginNeeded, NotFound, ServerTrouble, Stopped, UsageError
from ctadata.http.failures import find_meaning
from ctadata.http.messages import Response
from ctadata.paths import RemotePath, escape_unprintable
from ctadata.stores.dates import parse_date
from ctadata.stores.duplicates import SeenEntries, contradiction_error, fingerprint
from ctadata.stores.unlisted import Unlisted
from ctadata.stores.webdav.hrefs import HrefResolver
from ctadata.stores.webdav.responses import (
    CHECKSUMS,
    COLLECTION,
    ETAG,
    HREF,
    ISCOLLECTION,
    LOCALITY,
    MTIME,
    SIZE,
    Responses,
)

WAITING = 10_000
"""Responses that wait, at most, for the collection's own href."""
_WAITING_BYTES = 16 << 20

DOUBTED = 100
"""Resources that are asked for one by one, at most, because an answer is not clear about them."""

_NO_ROOT = RemotePath()
_GONE = (404, 410)


class Multistatus:
    """The parser of one answer; `feed` it every block, then `close` it.

    collection: what was asked for, and `root` what the store puts before every path.
    raw:        whether hrefs are known not to be percent-encoded; found out by itself from the first one that is not.
    alone:      the server was asked for this one resource (`Depth: 0`), and not for its members.
    itself:     the entry of what was asked for, once it has gone by; None where the server refused to tell of it.
    status:     the HTTP status the answer gives for what was asked for: 207 bodies can say 403 or 404 inside.
    unlisted:   the members that are there and cannot be given.
    doubtful:   the resources that the answer is not clear about, each with its first statement (None: no entry).
    """

    def __init__(
        self, collection: RemotePath, *, root: RemotePath = _NO_ROOT, raw: bool = False, alone: bool = False
    ) -> None:
        """Be ready for the first block."""
        self.requested: Entry | None = None
        self.status = 0
        self.unlisted = Unlisted()
        self.ambiguous: dict[RemotePath, int | None] = {}
        self._statements = SeenEntries()
        self._collection = collection
        self._alone = alone
        self._places = HrefResolver(root, root.join(collection.parts), raw=raw, alone=alone)
        self._waiting: list[tuple[str, dict[str, str], int]] = []
        self._waiting_bytes = 0
        self._entries: list[Entry] = []
        self._responses = Responses(self._respond, str(collection))

    def feed(self, block: bytes) -> list[Entry]:
        """Take in the next bytes; the entries that they completed. ServerTrouble where this is no Multi-Status."""
        self._responses.feed(block)
        return self._taken()

    def close(self) -> list[Entry]:
        """The answer has ended; the entries that waited for its end.

        ServerTrouble where it is not whole, or not of what was asked for.
        """
        self._responses.close()
        if self._places.own is None:
            self._decide(ended=True)
        if not self.status:
            raise ServerTrouble("the server's answer does not speak of what was asked for", path=str(self._collection))
        return self._taken()

    def _taken(self) -> list[Entry]:
        entries, self._entries = self._entries, []
        return entries

    def _respond(self, texts: dict[str, str], status: int) -> None:
        """One response has ended."""
        href = self._places.clean(texts.get(HREF, ""))
        if self._places.own is not None:
            self._place(href, texts, status)
        elif self._places.is_asked(href):
            self._place(href, texts, status)
            self._place_waiting()
        else:
            self._waiting.append((href, texts, status))
            self._waiting_bytes += sum(map(len, texts.values()))
            if len(self._waiting) >= WAITING or self._waiting_bytes > _WAITING_BYTES:
                self._decide(ended=False)

    def _decide(self, *, ended: bool) -> None:
        """The collection's own href has not come: find it among those that wait."""
        hrefs = [(href, _is_directory(texts)) for href, texts, _ in self._waiting]
        self._places.guess(hrefs, ended=ended)
        if self._places.own is None:
            raise ServerTrouble("the server's answer does not speak of what was asked for", path=str(self._collection))
        self._place_waiting()

    def _place_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            self._place(*each)

    def _place(self, href: str, texts: dict[str, str], status: int) -> None:
        name, status = self._places.name(href), status or 200
        if name is None:
            self.unlisted.add_name(href)
        elif not name:
            self._take_itself(texts, status)
        else:
            try:
                path = self._collection / name
            except UsageError:  # `..`, a slash, NUL
                self.unlisted.add_name(href)
                return
            self._take_member(path, texts, status)

    def _take_itself(self, texts: dict[str, str], status: int) -> None:
        if not self.status:
            self.status = status
            self.requested = _entry(self._collection, texts) if status < 300 else None
        elif status >= 300:  # as 507 for a listing that was cut (RFC 6578 section 3.6)
            self.unlisted.add(refusal_error(status, escape_unprintable(str(self._collection))))
        elif self.requested not in (None, _entry(self._collection, texts)):
            self._doubt(self._collection, None)

    def _take_member(self, path: RemotePath, texts: dict[str, str], status: int) -> None:
        if self._alone:
            return
        if status in _GONE:
            self._doubt(path, self._statements.find(path.name))
        elif status >= 300:
            self.unlisted.add(refusal_error(status, escape_unprintable(str(path))))
        else:
            entry = _entry(path, texts)
            said = self._statements.take(entry)
            if said is None:
                self._entries.append(entry)
                if path in self.ambiguous:
                    self.ambiguous[path] = fingerprint(entry)
            elif said != fingerprint(entry):
                self._doubt(path, said)

    def _doubt(self, path: RemotePath, said: int | None) -> None:
        if len(self.ambiguous) < DOUBTED or path in self.ambiguous:
            self.ambiguous.setdefault(path, said)
        else:
            what = "the server's listing is not clear about this name, and about too many others"
            self.unlisted.add(ServerTrouble(what, path=escape_unprintable(str(path))))

    def recheck_ambiguous(self, look: Callable[[RemotePath], Entry]) -> list[Entry]:
        """Look at each doubtful resource by itself; the entries that have not been given yet.

        What `look` raises for the collection is raised; for a member it is in `unlisted`, but for NotFound.
        """
        found = []
        for path, said in self.ambiguous.items():
            if path == self._collection:
                self.requested = look(path)
                continue
            try:
                entry = look(path)
                if said not in (None, fingerprint(entry)):
                    self.unlisted.add(contradiction_error(path))
                elif said is None:
                    found.append(entry)
            except NotFound:
                if said is not None:
                    self.unlisted.add(contradiction_error(path))
            except (Stopped, LoginNeeded):
                raise
            except CtadataError as error:
                error.path = error.path or escape_unprintable(str(path))
                self.unlisted.add(error)
        return found


def refusal_error(status: int, path: str = "") -> CtadataError:
    """The error of a resource that a 207 answers with a failure for."""
    meaning = find_meaning("PROPFIND", status, "")
    return meaning.error(f"{meaning.words}: {status}", hint=meaning.hint, path=path, status=status)


def _is_directory(texts: dict[str, str]) -> bool:
    return COLLECTION in texts or texts.get(ISCOLLECTION, "").strip().upper() in ("1", "T", "TRUE")


def _entry(path: RemotePath, texts: dict[str, str]) -> Entry:
    known = texts.get
    mtime, etag = parse_date(known(MTIME, "").strip()), _etag(known(ETAG, "").strip())
    if _is_directory(texts):
        return Entry(path, Kind.DIRECTORY, None, mtime, etag)
    size, sums = known(SIZE, "").strip(), known(CHECKSUMS)
    return Entry(
        path,
        Kind.FILE,
        int(size) if len(size) < 20 and size.isascii() and size.isdecimal() else None,
        mtime,
        etag,
        parse_digests(sums) if sums else NO_CHECKSUMS,
        known(LOCALITY, "").strip() or None,
    )


def _etag(tag: str) -> str | None:
    """An entity tag as HTTP headers have it, None for none; wsgidav lists it without the quotes."""
    if not tag or tag.endswith('"'):
        return tag or None
    weak, bare = (tag[:2], tag[2:]) if tag.startswith(("W/", "w/")) else ("", tag)
    return f'{weak}"{bare}"'


_DAV = "{DAV:}"
_CONSEQUENCE = 424  # Failed Dependency: kept because something below it was
_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/]*")


def read_refused_members(response: Response, path: RemotePath, *, root: RemotePath) -> list[CtadataError]:
    """An error for each member that was refused, the causes before what merely followed from them.

    path: what was asked for, named where a member cannot be.   root: what the store puts before every path.
    """
    members = [(_status(member), member.findtext(_DAV + "href", "")) for member in _members(response.body)]
    bad = sorted((member for member in members if member[0] >= 400), key=lambda member: member[0] == _CONSEQUENCE)
    return [_error(response.method, status, _path(href, root) or str(path)) for status, href in bad]


def _members(body: bytes) -> list[Element]:
    found: list[Element] = []
    with contextlib.suppress(ParseError, LookupError, ValueError):  # the latter of an encoding that is not known
        for _, element in iterparse(io.BytesIO(body)):  # noqa: S314  (64 KiB; expat itself bounds what entities add)
            if element.tag == _DAV + "response":
                found.append(element)
    return found


def _status(member: Element) -> int:
    line = member.findtext(_DAV + "status") or member.findtext(f"{_DAV}propstat/{_DAV}status") or ""
    words = line.split(None, 2)
    return int(words[1]) if len(words) > 1 and re.fullmatch("[0-9]{3}", words[1]) else 0


def _path(href: str, root: RemotePath) -> str:
    try:
        below = RemotePath.decode(_ORIGIN.sub("", href.strip(), count=1)).relative_to(root)
    except (UsageError, ValueError):
        return ""
    return str(RemotePath(below))


def _error(method: str, status: int, path: str) -> CtadataError:
    meaning = find_meaning(method, status, "")
    return meaning.error(f"{meaning.words}: {status}", hint=meaning.hint, path=path, status=status)
