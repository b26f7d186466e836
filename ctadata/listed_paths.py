"""The result of `list_dir`: paths with the attributes of their entries, in a list that a notebook shows as a table."""

from __future__ import annotations

import html
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import formatdate
from types import MappingProxyType
from typing import Any, Self, SupportsIndex, overload

from ctadata.entries import Entry, Kind
from ctadata.printable import escape_unprintable

NO_TEXTS: Mapping[str, str] = MappingProxyType({})
"""No texts of a service."""

MAX_ROWS = 1000
"""The largest number of rows in a notebook's table; the rest is only counted."""


class Listed(str):
    """A path of a listing: decoded, from the root, without a leading slash; the path of a directory ends in `/`.

    A listing of the platform's service also gives its texts, as in a dictionary: `[...]`, `get` and `keys` read `href`
    (this path), `type`, `size` (decimal digits), `mtime` and `url`. The attributes are preferred.

    Attributes:
        kind: `file` or `directory`.
        size: The bytes; None for a directory, and for a file that is still being uploaded.
        mtime: The time of the last change, in UTC; None if the storage does not say.
        etag: The entity tag with its quotes; None if there is none.
        checksums: The digests in lower-case hexadecimal, by algorithm; empty if the storage lists none.
        locality: dCache's locality of the bytes: ONLINE, NEARLINE (only on tape), and others; None for other storage.
        raw_href: The path as the server writes it, percent-encoded.
    """

    kind: str
    size: int | None
    mtime: datetime | None
    etag: str | None
    checksums: Mapping[str, str]
    locality: str | None
    raw_href: str
    _texts: dict[str, str]

    __slots__ = ("_texts", "checksums", "etag", "kind", "locality", "mtime", "raw_href", "size")

    @classmethod
    def of(cls, entry: Entry, texts: Mapping[str, str] = NO_TEXTS) -> Self:
        """Return the listed path of an entry.

        Args:
            entry: The entry.
            texts: The texts of a service, which replace those made from the entry.
        """
        text = str(entry.path).removeprefix("/")
        listed = cls(text + "/" if entry.is_directory else text)
        listed.kind = str(entry.kind)
        listed.size = entry.size if entry.kind is Kind.FILE else None
        listed.mtime = None if entry.mtime is None else datetime.fromtimestamp(entry.mtime, UTC)
        listed.etag, listed.locality = entry.etag, entry.locality
        listed.checksums = dict(entry.checksums)  # a mapping proxy cannot be pickled
        listed.raw_href = texts.get("href", entry.path.encoded.removeprefix("/") + "/" * entry.is_directory)
        listed._texts = {**_entry_texts(entry), **texts, "href": str(listed), "type": listed.kind}
        return listed

    @overload
    def __getitem__(self, key: str) -> str: ...

    @overload
    def __getitem__(self, key: SupportsIndex | slice) -> str: ...

    def __getitem__(self, key: str | SupportsIndex | slice) -> str:
        """Return one of the texts by its name (KeyError if it is missing), or a part of the path."""
        return self._texts[key] if isinstance(key, str) else super().__getitem__(key)

    def get(self, key: str, default: str | None = None) -> str | None:
        """Return one of the texts by its name, or else `default`."""
        return self._texts.get(key, default)

    def keys(self) -> list[str]:
        """Return the names of the texts."""
        return list(self._texts)

    def _repr_html_(self) -> str:
        """Return a table of all that is known, in HTML."""
        return html_properties(
            {
                "path": str(self),
                "type": self.kind,
                "size": self.size,
                "time": self.mtime,
                "locality": self.locality,
                **self.checksums,
            }
        )


def html_properties(properties: Mapping[str, object]) -> str:
    """Return a table in HTML with a row for each property that is known; all texts are escaped.

    Args:
        properties: The values by name. None and empty values have no row. A size is in bytes, a time in UTC.
    """
    rows = "".join(
        f'<tr><th style="text-align: left">{_escape(name)}</th><td style="text-align: left">{_escape(text)}</td></tr>'
        for name, text in ((name, _text(value)) for name, value in properties.items())
        if text
    )
    return f"<table><tbody>{rows}</tbody></table>"


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S} UTC"
    return f"{value:,} bytes" if isinstance(value, int) else str(value)


def _escape(text: str) -> str:
    return html.escape(escape_unprintable(text))


def _entry_texts(entry: Entry) -> dict[str, str]:
    texts = {} if entry.size is None else {"size": str(entry.size)}
    return texts if entry.mtime is None else {**texts, "mtime": formatdate(entry.mtime, usegmt=True)}


class Listing(list[Listed]):
    """A list of paths that a notebook shows as a table."""

    def _repr_html_(self) -> str:
        """Return the table in HTML; the names come from the server, so all texts are escaped."""
        rows = "".join(f"<tr>{_cells(listed)}</tr>" for listed in self[:MAX_ROWS])
        more = f"<p>and {len(self) - MAX_ROWS} more</p>" if len(self) > MAX_ROWS else ""
        head = "<tr><th>path</th><th>size</th><th>time (UTC)</th></tr>"
        return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>{more}"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ARG002
        """Show the table as text in IPython; the columns are size, time (UTC) and path."""
        cells = [_texts(listed) for listed in self[:MAX_ROWS]]
        width = max((len(size) for _, size, _ in cells), default=0)
        lines = [f"{size:>{width}}  {time:19}  {escape_unprintable(path)}" for path, size, time in cells]
        more = [f"and {len(self) - MAX_ROWS} more"] if len(self) > MAX_ROWS else []
        printer.text("\n".join([*lines, *more]) or "[]")


def _cells(listed: Listed) -> str:
    return "".join(f'<td style="text-align: left">{_escape(text)}</td>' for text in _texts(listed))


def _texts(listed: Listed) -> tuple[str, str, str]:
    """Return the path, the size with commas and the time in UTC; unknown ones are empty."""
    size = "" if listed.size is None else f"{listed.size:,}"
    return listed, size, "" if listed.mtime is None else f"{listed.mtime:%Y-%m-%d %H:%M:%S}"
