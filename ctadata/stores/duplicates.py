"""Notice a name that a listing holds twice, in bounded memory."""

from __future__ import annotations

from ctadata.entries import Entry, Kind
from ctadata.errors import ServerTrouble
from ctadata.paths import RemotePath
from ctadata.printable import escape_unprintable

KEPT = 4096
"""The smallest key of names after which a name that comes again is still recognised."""


def fingerprint(entry: Entry) -> int:
    """Return a key for all that a listing says about an entry, apart from its name; equal for equal statements.

    All directories have the same fingerprint: each server of an XRootD cluster lists a directory with its own time.
    """
    if entry.kind is Kind.DIRECTORY:
        return 0
    sums = frozenset(entry.checksums.items()) if entry.checksums else None
    return hash((entry.size, entry.mtime, entry.etag, sums, entry.locality))


class SeenEntries:
    """The names of a listing with their fingerprints: the last `kept` names, and up to as many before them."""

    def __init__(self, kept: int = KEPT) -> None:
        """Start with no name."""
        self._kept = kept
        self._recent, self._older = dict[int, int](), dict[int, int]()

    def find(self, name: str) -> int | None:
        """Return the first fingerprint of a name; None if the name is new or came too long ago."""
        key = hash(name)
        return self._recent.get(key, self._older.get(key))

    def take(self, entry: Entry) -> int | None:
        """Remember the entry if its name is new; else return the first fingerprint of this name."""
        key, recent = hash(entry.path.parts[-1]), self._recent
        if key in recent:
            return recent[key]
        if key in self._older:
            return self._older[key]
        if len(recent) >= self._kept:
            self._older = recent
            recent = self._recent = {}
        recent[key] = fingerprint(entry)
        return None


def contradiction_error(path: RemotePath) -> ServerTrouble:
    """Return the error for a name that the server describes in two different ways."""
    what = "the server lists this name twice, and differently"
    return ServerTrouble(what, hint="tell the administrators of the storage", path=escape_unprintable(str(path)))
