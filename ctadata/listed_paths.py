"""What `list_dir` gives back: paths that know what they stand for, in a list that a notebook shows as a table."""

from __future__ import annotations

import html
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import formatdate
from types import MappingProxyType
from typing import Self, SupportsIndex, overload

from ctadata.entries import Entry, Kind
from ctadata.paths import escape_unprintable

NO_TEXTS: Mapping[str, str] = MappingProxyType({})

MAX_ROWS = 1000
"""Rows of a table at most; the rest is counted."""


class Listed(str):
    """A path of a listing: from the root, without a slash in front, decoded; a directory's ends in `/`.

    kind:  `file` or `directory`.
    size:  bytes; None for directories and files that are still being uploaded.
    mtime: in UTC; None where the storage does not say.
    etag:  the version tag, quotes included; None where there is none.
    checksums: algorithm to lower-case hexadecimal digits; empty where the storage lists none.
    locality: where dCache has the bytes: ONLINE, NEARLINE (on tape alone) and so on; None elsewhere.
    raw_href: the path as the server writes it, percent-encoded.

    The texts that the platform's service tells are there as in a dictionary, with `[...]`, `get` and `keys`: `href`
    (this same path), `type`, `size` (decimal digits), `mtime`, `url`. The attributes are the better way.
    """

    kind: str
    size: int | None
    mtime: datetime | None
    etag: str | None
    checksums: Mapping[str, str]
    locality: str | None
    raw_href: str
    _told: dict[str, str]

    __slots__ = ("_told", "checksums", "etag", "kind", "locality", "mtime", "raw_href", "size")

    @classmethod
    def of(cls, entry: Entry, told: Mapping[str, str] = NO_TEXTS) -> Self:
        """The listed path of an entry; `told`: the texts of a service, which beat what is known of the entry."""
        text = str(entry.path).removeprefix("/")
        listed = cls(text + "/" if entry.is_directory else text)
        listed.kind = str(entry.kind)
        listed.size = entry.size if entry.kind is Kind.FILE else None
        listed.mtime = None if entry.mtime is None else datetime.fromtimestamp(entry.mtime, UTC)
        listed.etag, listed.locality = entry.etag, entry.locality
        listed.checksums = dict(entry.checksums)  # which can be sent to another process
        listed.raw_href = told.get("href", entry.path.encoded.removeprefix("/") + "/" * entry.is_directory)
        listed._told = {**_texts(entry), **told, "href": str(listed), "type": listed.kind}
        return listed

    @overload
    def __getitem__(self, key: str) -> str: ...

    @overload
    def __getitem__(self, key: SupportsIndex | slice) -> str: ...

    def __getitem__(self, key: str | SupportsIndex | slice) -> str:
        """One of its texts by name (KeyError), or a part of the path."""
        return self._told[key] if isinstance(key, str) else super().__getitem__(key)

    def get(self, key: str, default: str | None = None) -> str | None:
        """One of its texts by name."""
        return self._told.get(key, default)

    def keys(self) -> list[str]:
        """The names of its texts."""
        return list(self._told)


def _texts(entry: Entry) -> dict[str, str]:
    texts = {} if entry.size is None else {"size": str(entry.size)}
    return texts if entry.mtime is None else {**texts, "mtime": formatdate(entry.mtime, usegmt=True)}


class Listing(list[Listed]):
    """A list of paths, with a picture of its own in a notebook."""

    def _repr_html_(self) -> str:
        """A table; names are the server's, so all of it is escaped."""
        rows = "".join(f"<tr>{_cells(listed)}</tr>" for listed in self[:MAX_ROWS])
        more = f"<p>and {len(self) - MAX_ROWS} more</p>" if len(self) > MAX_ROWS else ""
        head = "<tr><th>path</th><th>size</th><th>time (UTC)</th></tr>"
        return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>{more}"


def _cells(listed: Listed) -> str:
    size = "" if listed.size is None else f"{listed.size:,}"
    time = "" if listed.mtime is None else f"{listed.mtime:%Y-%m-%d %H:%M:%S}"
    return "".join(
        f'<td style="text-align: left">{html.escape(escape_unprintable(text))}</td>' for text in (listed, size, time)
    )
