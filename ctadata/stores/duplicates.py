"""The statements that a listing makes about names, so that a name which comes twice is noticed, in bounded memory."""

from __future__ import annotations

from ctadata.entries import Entry
from ctadata.errors import ServerTrouble
from ctadata.paths import RemotePath, escape_unprintable

KEPT = 4096
"""Names, at least, after which a name that comes again is still known."""


def fingerprint(entry: Entry) -> int:
    """What is said of an entry, beside its name, as a number; equal for equal statements.

    All collections are equal: an XRootD cluster lists one at each of its servers, each with a time of its own.
    """
    if entry.is_directory:
        return 0
    sums = frozenset(entry.checksums.items())
    return hash((entry.kind, entry.size, entry.mtime, entry.etag, sums, entry.locality))


class SeenEntries:
    """The last statements of a listing: the last `kept` names and up to as many before them."""

    def __init__(self, kept: int = KEPT) -> None:
        """No name has come."""
        self._kept = kept
        self._last, self._before = dict[int, int](), dict[int, int]()

    def find(self, name: str) -> int | None:
        """What was said first of a name; None where it has not come, or too long ago."""
        number = hash(name)
        said = self._last.get(number)
        return self._before.get(number) if said is None else said

    def take(self, entry: Entry) -> int | None:
        """Remember what is said of an entry if its name is new; else return what was said of it first."""
        said = self.find(entry.path.name)
        if said is None:
            if len(self._last) >= self._kept:
                self._last, self._before = {}, self._last
            self._last[hash(entry.path.name)] = fingerprint(entry)
        return said


def contradiction_error(path: RemotePath) -> ServerTrouble:
    """The error of a resource that the server describes in two ways."""
    what = "the server lists this name twice, and differently"
    return ServerTrouble(what, hint="tell whoever runs the storage", path=escape_unprintable(str(path)))
