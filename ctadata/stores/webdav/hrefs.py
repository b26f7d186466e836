"""Find out which member of a collection an href of a Multi-Status body means, and which href is the collection's own.

An href is a path, or a URL with any scheme and host. Several slashes count as one, and a slash at the end has no
meaning. A path may also be relative to the collection. A proxy may add a prefix to every path, or remove one: such a
listing is accepted if the collection's own path ends in the requested one, or the other way round, and then only for
members directly below that path. The collection's own href may come last.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import unquote

from ctadata.paths import RemotePath

_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/]*")
_NOT_A_URI = re.compile(r'[^!-~]|["<>\\^`{}]|%(?![0-9A-Fa-f]{2})')  # wsgidav leaves `|` bare
_PLAIN_NAME = re.compile(r"([A-Za-z0-9_~-][A-Za-z0-9_.~-]*)/?")  # most names; no encoding changes them


def strip_origin(href: str) -> str:
    """Return the path of an href that may be a whole URL."""
    return _ORIGIN.sub("", href, count=1)


class Href(NamedTuple):
    """A parsed href.

    Attributes:
        parts: The names from the root, or from the collection if `relative` is True.
    """

    parts: tuple[str, ...]
    relative: bool = False


class HrefResolver:
    """The resolver of the hrefs of one listing.

    Attributes:
        raw: The hrefs are known not to be percent-encoded. The first href that is no URI shows it.
        own: The collection's own href; None while it is not known.
    """

    def __init__(self, root: RemotePath, collection: RemotePath, *, raw: bool, alone: bool) -> None:
        """Start without any href.

        Args:
            root: What the store puts before every path.
            collection: The collection that was requested, below `root`.
            raw: The hrefs are known not to be percent-encoded.
            alone: The client requested the collection only (`Depth: 0`), without its members.
        """
        self.raw = raw
        self.own: Href | None = None
        self._requested = collection.parts
        self._is_root = collection == root  # a proxy that removes the root leaves an empty path
        self._alone = alone
        self._prefix = ""  # the collection as this server writes it, with its slash

    def clean(self, href: str) -> str:
        """Return the href without the white space around it; a raw name may end in a space."""
        href = href.lstrip() if self.raw else href.strip()
        known = len(self._prefix) if self._prefix and href.startswith(self._prefix) else 0
        if not self.raw and _NOT_A_URI.search(href, known):
            self.raw = True
        return href

    def plain_name(self, href: str) -> str:
        """Return what `clean` and `name` find out, for the usual href; empty for any other one."""
        if not self._prefix or not href.startswith(self._prefix):
            return ""
        match = _PLAIN_NAME.fullmatch(href, len(self._prefix))
        return match[1] if match else ""

    def name(self, href: str) -> str | None:
        """Return the name of the member that an href means. `own` has to be known.

        Returns:
            An empty text for the collection itself; None if the href lies elsewhere.
        """
        if self._prefix and (href.startswith(self._prefix) or href + "/" == self._prefix):
            name = href[len(self._prefix) :].removesuffix("/")
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
        """Return the parsed href; None if a name in it is not valid. With `raw` None, `self.raw` decides."""
        raw = self.raw if raw is None else raw
        path = strip_origin(href)
        pieces = path.split("/") if raw else [unquote(piece, errors="surrogateescape") for piece in path.split("/")]
        parts = tuple(piece for piece in pieces if piece not in ("", "."))
        if not href or any(part == ".." or "/" in part or "\0" in part for part in parts):
            return None
        return Href(parts, relative=path == href and not path.startswith("/"))

    def is_requested(self, href: str) -> bool:
        """Return whether an href is exactly the requested path, and keep it as the collection's own."""
        for raw in (True, False) if self.raw else (False,):
            read = self.read(href, raw=raw)
            if read and (read == Href(self._requested) or (read.relative and not read.parts)):
                self.own = read if read.parts == self._requested else Href(self._requested)
                self._prefix = href.rstrip("/") + "/" if not read.relative else ""
                return True
        return False

    def guess(self, hrefs: Sequence[tuple[str, bool]], *, ended: bool) -> str | None:
        """Choose the collection's own href if none of the hrefs is exactly the requested path, and keep it as `own`.

        Args:
            hrefs: Each href, with whether it is the href of a collection.
            ended: No further hrefs will come. If False, and members lie directly below the requested path, `own`
                becomes that path: the collection's href is still to come.

        Returns:
            The chosen href; None if none fits, or if it is still to come.
        """
        read = [(href, self.read(href), directory) for href, directory in hrefs]
        below = Counter(each.parts[:-1] for _, each, _ in read if each and each.parts)
        if not ended and below[self._requested]:
            self.own = Href(self._requested)
            return None
        candidates = [
            (below[each.parts], directory, -len(each.parts), href, each)
            for href, each, directory in read
            if each and self._is_related(each.parts) and (self._requested or self._alone or below[each.parts])
        ]
        if not candidates:
            return None
        *_, href, self.own = max(candidates, key=lambda candidate: candidate[:3])
        self._prefix = href.rstrip("/") + "/"
        return href

    def _is_related(self, own: tuple[str, ...]) -> bool:
        """Return whether a path ends in the requested one, or the other way round."""
        if not own:
            return self._is_root
        length = len(own)
        return (
            own[length - len(self._requested) :] == self._requested
            if length >= len(self._requested)
            else (self._requested[-length:] == own)
        )
