"""Multi-Status (RFC 4918 section 13), read while it arrives: blocks of XML in, entries out, in constant memory.

What the servers in the field taught (each has a test):

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
from urllib.parse import unquote

from ctadata.checksums import read_digests
from ctadata.entries import NONE_KNOWN, Entry, Kind
from ctadata.errors import ServerTrouble, UsageError
from ctadata.paths import RemotePath
from ctadata.stores.dates import seconds
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

_NO_ROOT = RemotePath()
_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/]*")
# `|` is left out: wsgidav writes it bare in hrefs that it does encode
_NOT_A_URI = re.compile(r'[^!-~]|["<>\\^`{}]|%(?![0-9A-Fa-f]{2})')


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
        self._responses = Responses(self._respond, str(collection))

    def feed(self, block: bytes) -> list[Entry]:
        """Take in the next bytes; the entries that they completed. ServerTrouble where this is no Multi-Status."""
        self._responses.feed(block)
        entries, self._entries = self._entries, []
        return entries

    def close(self) -> None:
        """The answer has ended; ServerTrouble where it is not whole, or not of what was asked for."""
        self._responses.close()
        if not self.status:
            raise ServerTrouble("the server's answer does not speak of what was asked for", path=str(self._collection))

    def _respond(self, texts: dict[str, str], status: int) -> None:
        """One response has ended."""
        name, status = self._name(texts.get(HREF, "")), status or 200
        if name is None:
            return
        if not name:
            self.status = status
            self.itself = _entry(self._collection, texts) if status < 300 else None
        elif status not in (404, 410):  # gone since; any other refusal is still a name, and said when it is used
            try:
                self._entries.append(_entry(self._collection / name, texts))
            except UsageError:
                return  # `..`, a slash, NUL

    def _name(self, href: str) -> str | None:
        """The name below the collection, empty for the collection itself, None for what lies elsewhere."""
        href = href.lstrip() if self._raw else href.strip()
        known = len(self._spelt) if self._spelt and href.startswith(self._spelt) else 0
        if not self._raw and _NOT_A_URI.search(href, known):
            self._raw = True
        if known:
            name = href[known:]
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


def _entry(path: RemotePath, texts: dict[str, str]) -> Entry:
    known = texts.get
    mtime, etag = seconds(known(MTIME, "").strip()), _etag(known(ETAG, "").strip())
    if COLLECTION in texts or (ISCOLLECTION in texts and texts[ISCOLLECTION].strip().upper() in ("1", "T", "TRUE")):
        return Entry(path, Kind.DIRECTORY, None, mtime, etag)
    size, sums = known(SIZE, "").strip(), known(CHECKSUMS)
    return Entry(
        path,
        Kind.FILE,
        int(size) if len(size) < 20 and size.isdecimal() else None,
        mtime,
        etag,
        read_digests(sums) if sums else NONE_KNOWN,
        known(LOCALITY, "").strip() or None,
    )


def _etag(tag: str) -> str | None:
    """An entity tag as HTTP headers have it, None for none; wsgidav lists it without the quotes."""
    return (tag if tag.endswith('"') else f'"{tag}"') if tag else None
