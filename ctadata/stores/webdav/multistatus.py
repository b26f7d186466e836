"""Multi-Status (RFC 4918 section 13), read while it arrives: blocks of XML in, entries out, in constant memory.

What the servers in the field taught (each has a test):

- Where an href lies, `Places` says. What has no place directly below the collection (`..`, a name with a slash or NUL,
  another tree) is counted, and makes the listing incomplete: no server can smuggle anything into a listing, and nobody
  takes a directory for empty whose members cannot be placed.
- XRootD writes paths as they are, without percent-encoding: `%41.txt` is a name there.
- A member that answers 404 is not there; one that answers with another failure is there, cannot be read, and makes
  the listing incomplete too.
- A collection that answers twice, once with a failure, is not listed whole: 507 is how servers say that they cut it.
- A listing that does not speak of the collection itself is no answer to the question, and is an error: taken for an
  empty one it would make a copy of nothing look complete.
"""

from __future__ import annotations

from ctadata.checksums import read_digests
from ctadata.entries import NONE_KNOWN, Entry, Kind
from ctadata.errors import CtadataError, ServerTrouble, UsageError
from ctadata.http.failures import meaning_of
from ctadata.paths import RemotePath, printable
from ctadata.stores.dates import seconds
from ctadata.stores.unlisted import Unlisted
from ctadata.stores.webdav.places import Places
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
    """

    def __init__(
        self, collection: RemotePath, *, root: RemotePath = _NO_ROOT, raw: bool = False, alone: bool = False
    ) -> None:
        """Be ready for the first block."""
        self.itself: Entry | None = None
        self.status = 0
        self.unlisted = Unlisted()
        self._collection = collection
        self._places = Places(root, root.below(collection.parts), raw=raw, alone=alone)
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
            if not self.status:
                self.status = status
                self.itself = _entry(self._collection, texts) if status < 300 else None
            elif status >= 300:  # as 507 for a listing that was cut (RFC 6578 section 3.6)
                self.unlisted.add(refusal(status, printable(str(self._collection))))
        elif status not in _GONE:
            try:
                path = self._collection / name
            except UsageError:  # `..`, a slash, NUL
                self.unlisted.add_name(href)
                return
            if status < 300:
                self._entries.append(_entry(path, texts))
            else:
                self.unlisted.add(refusal(status, printable(str(path))))


def refusal(status: int, path: str = "") -> CtadataError:
    """The error of a resource that a 207 answers with a failure for."""
    meaning = meaning_of("PROPFIND", status, "")
    return meaning.error(f"{meaning.words}: {status}", hint=meaning.hint, path=path, status=status)


def _is_directory(texts: dict[str, str]) -> bool:
    return COLLECTION in texts or texts.get(ISCOLLECTION, "").strip().upper() in ("1", "T", "TRUE")


def _entry(path: RemotePath, texts: dict[str, str]) -> Entry:
    known = texts.get
    mtime, etag = seconds(known(MTIME, "").strip()), _etag(known(ETAG, "").strip())
    if _is_directory(texts):
        return Entry(path, Kind.DIRECTORY, None, mtime, etag)
    size, sums = known(SIZE, "").strip(), known(CHECKSUMS)
    return Entry(
        path,
        Kind.FILE,
        int(size) if len(size) < 20 and size.isascii() and size.isdecimal() else None,
        mtime,
        etag,
        read_digests(sums) if sums else NONE_KNOWN,
        known(LOCALITY, "").strip() or None,
    )


def _etag(tag: str) -> str | None:
    """An entity tag as HTTP headers have it, None for none; wsgidav lists it without the quotes."""
    return (tag if tag.endswith('"') else f'"{tag}"') if tag else None
