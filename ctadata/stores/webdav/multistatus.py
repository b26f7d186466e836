"""Read a Multi-Status body (RFC 4918 section 13) while it arrives: blocks of XML in, entries out, in constant memory.

Each of these rules comes from a server in the field, and each has a test:

- `HrefResolver` decides which member an href means. An href that has no place directly below the collection (`..`, a
  name with a slash or a NUL, another tree) is counted and makes the listing incomplete. So no server can add a foreign
  path to a listing, and no caller takes a directory for empty whose members have no valid names.
- XRootD writes paths without percent-encoding: `%41.txt` is a name there.
- A member with the status 404 does not exist, if a request of its own gets a 404 too. Until then it is `ambiguous`.
- A member with another failure exists, cannot be described, and makes the listing incomplete too.
- A name that comes twice is reported once. If the two responses differ, the name is `ambiguous` as well.
- A collection with two responses, one of them a failure, is not listed completely: servers send 507 when they cut a
  listing.
- A body that holds no response for the collection itself answers another question, so it is an error. If it counted as
  an empty listing, a copy of nothing would look complete.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import TYPE_CHECKING

from ctadata.digest_headers import parse_digests
from ctadata.entries import NO_CHECKSUMS, Entry, Kind, listed_entry
from ctadata.errors import CtadataError, LoginNeeded, NotFound, ServerTrouble, Stopped, UsageError
from ctadata.http.failures import find_meaning
from ctadata.http.messages import Response
from ctadata.paths import RemotePath
from ctadata.printable import escape_unprintable
from ctadata.stores.dates import parse_date
from ctadata.stores.duplicates import SeenEntries, contradiction_error, fingerprint
from ctadata.stores.unlisted import Unlisted
from ctadata.stores.webdav.hrefs import HrefResolver, strip_origin
from ctadata.stores.webdav.response_template import Templates
from ctadata.stores.webdav.responses import Responses, Texts, parse_status_line

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

WAITING = 10_000
"""The largest number of responses that wait for the collection's own href."""
_WAITING_BYTES = 16 << 20

MAX_AMBIGUOUS = 100
"""The largest number of resources of one listing that are looked up one by one because they are ambiguous."""

_NO_ROOT = RemotePath()
_GONE = (404, 410)


class Multistatus:
    """The parser of one body: pass it every block with `feed`, then call `close`.

    Attributes:
        requested: The entry of the requested resource, once its response has come; None if the server refused to
            describe it.
        status: The HTTP status inside the body for the requested resource; a 207 may hold a 403 or 404. 0 before it
            came.
        unlisted: The members that exist and cannot be described.
        ambiguous: The resources that the body describes in two ways or as missing, each with its first fingerprint
            (None: the body holds no entry of it).
    """

    def __init__(
        self,
        collection: RemotePath,
        *,
        root: RemotePath = _NO_ROOT,
        raw: bool = False,
        alone: bool = False,
        templates: Templates | None = None,
    ) -> None:
        """Start before the first block.

        Args:
            collection: The path that was requested.
            root: What the store puts before every path.
            raw: The hrefs are known not to be percent-encoded. The first href that is no URI shows it too.
            alone: The client requested this one resource (`Depth: 0`), without its members.
            templates: What earlier listings of the same server taught about the form of its responses.
        """
        self.requested: Entry | None = None
        self.status = 0
        self.unlisted = Unlisted()
        self.ambiguous: dict[RemotePath, int | None] = {}
        self._statements = SeenEntries()
        self._collection = collection
        self._alone = alone
        self._hrefs = HrefResolver(root, root.join(collection.parts), raw=raw, alone=alone)
        self._waiting: list[tuple[str, Texts, int]] = []
        self._waiting_bytes = 0
        self._entries: list[Entry] = []
        self._responses = Responses(self._respond, str(collection), known=templates)

    def feed(self, block: bytes | memoryview) -> list[Entry]:
        """Take the next bytes, and return the entries that they complete.

        Raises:
            ServerTrouble: The body is no Multi-Status.
        """
        self._responses.feed(block)
        return self._taken()

    def close(self) -> list[Entry]:
        """Take note that the body has ended, and return the entries that waited for its end.

        Raises:
            ServerTrouble: The body is not complete, or holds no response for the requested resource.
        """
        self._responses.close()
        if self._hrefs.own is None:
            self._decide(ended=True)
        if not self.status:
            raise ServerTrouble("the server's listing does not describe the requested path", path=str(self._collection))
        return self._taken()

    def _taken(self) -> list[Entry]:
        entries, self._entries = self._entries, []
        return entries

    def _respond(self, texts: Texts, status: int) -> None:
        """Take one response."""
        href = texts.href or ""
        if name := self._hrefs.plain_name(href):
            self._take_member(self._collection / name, texts, status or 200)
            return
        href = self._hrefs.clean(href)
        if self._hrefs.own is not None:
            self._place(href, texts, status)
        elif self._hrefs.is_requested(href):
            self._place(href, texts, status)
            self._place_waiting()
        else:
            self._waiting.append((href, texts, status))
            self._waiting_bytes += sum(map(len, filter(None, texts)))
            if len(self._waiting) >= WAITING or self._waiting_bytes > _WAITING_BYTES:
                self._decide(ended=False)

    def _decide(self, *, ended: bool) -> None:
        """Choose the collection's own href among the waiting responses."""
        hrefs = [(href, _is_directory(texts)) for href, texts, _ in self._waiting]
        self._hrefs.guess(hrefs, ended=ended)
        if self._hrefs.own is None:
            raise ServerTrouble("the server's listing does not describe the requested path", path=str(self._collection))
        self._place_waiting()

    def _place_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            self._place(*each)

    def _place(self, href: str, texts: Texts, status: int) -> None:
        name, status = self._hrefs.name(href), status or 200
        if name is None:
            self.unlisted.add_name(href)
        elif not name:
            self._take_requested(texts, status)
        else:
            try:
                path = self._collection / name
            except UsageError:  # `..`, a slash, NUL
                self.unlisted.add_name(href)
                return
            self._take_member(path, texts, status)

    def _take_requested(self, texts: Texts, status: int) -> None:
        if not self.status:
            self.status = status
            self.requested = _entry(self._collection, texts) if status < 300 else None
        elif status >= 300:  # for example 507 for a listing that was cut (RFC 6578 section 3.6)
            self.unlisted.add(refusal_error(status, escape_unprintable(str(self._collection))))
        elif self.requested not in (None, again := _entry(self._collection, texts)):
            self._mark_ambiguous(self._collection, None)
            if not self._alone and any(each.size and not each.is_directory for each in (self.requested, again)):
                self.unlisted.add(contradiction_error(self._collection))  # perhaps a member with a false href

    def _take_member(self, path: RemotePath, texts: Texts, status: int) -> None:
        if self._alone:
            return
        if status < 300:
            entry = _entry(path, texts)
            first = self._statements.take(entry)
            if first is None:
                self._entries.append(entry)
                if self.ambiguous and path in self.ambiguous:
                    self.ambiguous[path] = fingerprint(entry)
            elif first != fingerprint(entry):
                self._mark_ambiguous(path, first)
        elif status in _GONE:
            self._mark_ambiguous(path, self._statements.find(path.name))
        else:
            self.unlisted.add(refusal_error(status, escape_unprintable(str(path))))

    def _mark_ambiguous(self, path: RemotePath, first: int | None) -> None:
        if len(self.ambiguous) < MAX_AMBIGUOUS or path in self.ambiguous:
            self.ambiguous.setdefault(path, first)
        else:
            what = "the server's listing contradicts itself about this name and many others"
            self.unlisted.add(ServerTrouble(what, path=escape_unprintable(str(path))))

    def recheck_ambiguous(self, look: Callable[[RemotePath], Entry]) -> list[Entry]:
        """Look up each ambiguous resource by itself, and return the entries that `feed` and `close` have not returned.

        An error of `look` for a member goes to `unlisted`, unless it is NotFound.

        Args:
            look: Returns the entry of one resource. Its errors for the collection itself are raised.
        """
        entries = []
        for path, first in self.ambiguous.items():
            if path == self._collection:
                self.requested = look(path)
                continue
            try:
                entry = look(path)
                if first not in (None, fingerprint(entry)):
                    self.unlisted.add(contradiction_error(path))
                elif first is None:
                    entries.append(entry)
            except NotFound:
                if first is not None:
                    self.unlisted.add(contradiction_error(path))
            except (Stopped, LoginNeeded):
                raise
            except CtadataError as error:
                error.path = error.path or escape_unprintable(str(path))
                self.unlisted.add(error)
        return entries


def refusal_error(status: int, path: str = "") -> CtadataError:
    """Return the error of a resource for which a 207 holds a failure."""
    meaning = find_meaning("PROPFIND", status, "")
    return meaning.error(f"{meaning.words}: {status}", hint=meaning.hint, path=path, status=status)


def _is_directory(texts: Texts) -> bool:
    if texts.iscollection is None:
        return texts.collection is not None
    return texts.collection is not None or texts.iscollection.strip().upper() in ("1", "T", "TRUE")


def _entry(path: RemotePath, texts: Texts) -> Entry:
    mtime, tag = parse_date(texts.mtime), (texts.etag or "").strip()
    etag = tag if tag.endswith('"') else _quote_etag(tag)
    if _is_directory(texts):
        return listed_entry(path, Kind.DIRECTORY, None, mtime, etag, NO_CHECKSUMS, None)
    size, checksums = (texts.size or "").strip(), texts.checksums
    return listed_entry(
        path,
        Kind.FILE,
        int(size) if len(size) < 20 and size.isascii() and size.isdecimal() else None,
        mtime,
        etag,
        parse_digests(checksums) if checksums else NO_CHECKSUMS,
        (texts.locality or "").strip() or None,
    )


def _quote_etag(tag: str) -> str | None:
    """Return an ETag without quotes, as wsgidav lists it, as HTTP headers write it; None if there is none."""
    if not tag:
        return None
    weak, bare = (tag[:2], tag[2:]) if tag.startswith(("W/", "w/")) else ("", tag)
    return f'{weak}"{bare}"'


_DAV = "{DAV:}"
_FAILED_DEPENDENCY = 424  # kept because a member below it was


def read_refused_members(response: Response, path: RemotePath, *, root: RemotePath) -> list[CtadataError]:
    """Return one error for each member that a 207 to DELETE or MOVE refuses.

    The causes come first, then the members that were kept only because of one below them (424, RFC 4918 section 11.4).

    Args:
        response: The 207 with its body.
        path: The requested path; an error names it if the member has no valid path.
        root: What the store puts before every path.
    """
    members = [(_status(member), href) for member in read_members(response.body) for href in _hrefs(member)]
    refused = sorted(
        (member for member in members if member[0] >= 400), key=lambda member: member[0] == _FAILED_DEPENDENCY
    )
    return [_error(response.method, status, _path(href, root) or str(path)) for status, href in refused]


def read_members(body: bytes) -> list[Element]:
    """Return the `response` elements of a short Multi-Status, up to the first byte that is no XML."""
    from xml.etree.ElementTree import ParseError, iterparse  # few answers need it

    members: list[Element] = []
    with contextlib.suppress(ParseError, LookupError, ValueError):  # the last two: an unknown encoding
        for _, element in iterparse(io.BytesIO(body)):  # noqa: S314  (64 KiB; expat limits entities)
            if element.tag == _DAV + "response":
                members.append(element)
    return members


def _hrefs(member: Element) -> list[str]:
    return [href.text or "" for href in member.findall(_DAV + "href")] or [""]


def _status(member: Element) -> int:
    line = member.findtext(_DAV + "status") or member.findtext(f"{_DAV}propstat/{_DAV}status") or ""
    return parse_status_line(line)


def _path(href: str, root: RemotePath) -> str:
    try:
        below = RemotePath.decode(strip_origin(href.strip())).relative_to(root)
    except (UsageError, ValueError):
        return ""
    return str(RemotePath(below))


def _error(method: str, status: int, path: str) -> CtadataError:
    meaning = find_meaning(method, status, "")
    return meaning.error(f"{meaning.words}: {status}", hint=meaning.hint, path=path, status=status)
