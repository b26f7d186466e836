"""Which member of a collection an href of a Multi-Status body means, and which href is the collection's own.

An href may be a path or a URL of any scheme and host; doubled slashes are one, and a slash at the end means nothing.
A path may also be relative to the collection. A proxy may put a prefix before every path, or take one away: such a
listing is believed where the collection's own path ends in the one that was asked for, or the other way round, and
then for what lies directly below that path alone. The collection's own href may come last.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from ctadata.paths import RemotePath

_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/]*")
_NOT_A_URI = re.compile(r'[^!-~]|["<>\\^`{}]|%(?![0-9A-Fa-f]{2})')  # wsgidav writes `|` bare in hrefs it does encode


@dataclass(frozen=True, slots=True)
class Href:
    """An href, read: the names from the root, or from the collection if it is `relative`."""

    parts: tuple[str, ...]
    relative: bool = False


class HrefResolver:
    """The places of the hrefs of one listing.

    raw:  whether hrefs are known not to be percent-encoded; found out from the first href that is no URI.
    own:  the collection's own href, None as long as it is not known.
    """

    def __init__(self, root: RemotePath, asked: RemotePath, *, raw: bool, alone: bool) -> None:
        """`asked`: the collection, below `root`.   `alone`: the server was asked for the collection only."""
        self.raw = raw
        self.own: Href | None = None
        self._asked = asked.parts
        self._stripped = asked == root  # a proxy that takes the root away leaves nothing of this path
        self._alone = alone
        self._spelt = ""  # how this server writes the collection, slash included

    def clean(self, href: str) -> str:
        """The href without the white space around it; a raw name may end in a space."""
        href = href.lstrip() if self.raw else href.strip()
        known = len(self._spelt) if self._spelt and href.startswith(self._spelt) else 0
        if not self.raw and _NOT_A_URI.search(href, known):
            self.raw = True
        return href

    def name(self, href: str) -> str | None:
        """The member's name, empty for the collection itself; None for what lies elsewhere. `own` is known."""
        if self._spelt and (href.startswith(self._spelt) or href + "/" == self._spelt):
            name = href[len(self._spelt) :].removesuffix("/")
            if "/" not in name:
                return name if self.raw else unquote(name, errors="surrogateescape")
        read, own = self.read(href), self.own
        if read is None or own is None:
            return None
        if read.parts == own.parts and (own.relative or not read.relative):
            return ""
        if read.parts[:-1] == own.parts and len(read.parts) == len(own.parts) + 1:
            return read.parts[-1]
        return "".join(read.parts) if read.relative and len(read.parts) < 2 else None

    def read(self, href: str, *, raw: bool | None = None) -> Href | None:
        """The names that an href is made of; None if one of them can be no name. `raw`: None as is known."""
        raw = self.raw if raw is None else raw
        path = _ORIGIN.sub("", href, count=1)
        pieces = path.split("/") if raw else [unquote(piece, errors="surrogateescape") for piece in path.split("/")]
        parts = tuple(piece for piece in pieces if piece not in ("", "."))
        if not href or any(part == ".." or "/" in part or "\0" in part for part in parts):
            return None
        return Href(parts, relative=path == href and not path.startswith("/"))

    def is_asked(self, href: str) -> bool:
        """Whether an href is the very path that was asked for; then it is the collection's own."""
        for raw in (True, False) if self.raw else (False,):
            read = self.read(href, raw=raw)
            if read and (read == Href(self._asked) or (read.relative and not read.parts)):
                self.own = read if read.parts == self._asked else Href(self._asked)
                self._spelt = href.rstrip("/") + "/" if not read.relative else ""
                return True
        return False

    def guess(self, hrefs: Sequence[tuple[str, bool]], *, ended: bool) -> str | None:
        """The collection's own href among these, of which none is the very path; it is `own` from now on.

        hrefs: each with whether it is of a collection.   ended: there are no more. If there are, and members lie
        directly below the path that was asked for, their collection is taken for `own`: its href is to come.
        """
        read = [(href, self.read(href), directory) for href, directory in hrefs]
        below = Counter(each.parts[:-1] for _, each, _ in read if each and each.parts)
        if not ended and below[self._asked]:
            self.own = Href(self._asked)
            return None
        able = [
            (below[each.parts], directory, -len(each.parts), href, each)
            for href, each, directory in read
            if each and self._is_related(each.parts) and (self._asked or self._alone or below[each.parts])
        ]
        if not able:
            return None
        *_, href, self.own = max(able, key=lambda found: found[:3])
        self._spelt = href.rstrip("/") + "/"
        return href

    def _is_related(self, own: tuple[str, ...]) -> bool:
        """Whether a path ends in the one that was asked for, or the other way round."""
        if not own:
            return self._stripped
        length = len(own)
        return (
            own[length - len(self._asked) :] == self._asked
            if length >= len(self._asked)
            else (self._asked[-length:] == own)
        )
