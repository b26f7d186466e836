"""What lies below a prefix of a bucket, page by page; directories are what the keys have in common up to a slash.

Always asked with the whole prefix and its slash: some servers allow a key to list its own directory, and not the
bucket or what is above (a policy with `s3:prefix`). Read here, and not by boto3: every command lists, and boto3 takes
longer to import than a listing takes.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import quote, unquote_plus
from xml.etree.ElementTree import Element, ParseError, fromstring

from ctadata.entries import Entry, Kind
from ctadata.errors import ServerTrouble, UsageError
from ctadata.paths import RemotePath, printable
from ctadata.stores.dates import seconds
from ctadata.stores.s3.connection import Connection
from ctadata.stores.s3.place import Name

log = logging.getLogger(__name__)

PAGE = 1000
"""Keys in one answer, at most."""

_CONTROL = re.compile(rb"&#x0*([01]?[0-9a-fA-F]);")
_PRIVATE = 0xF0000
_BACK = {_PRIVATE + number: number for number in range(0x20)}
"""Ceph's continuation tokens are keys as they are; of control characters XML 1.0 has not even the references."""


@dataclass(frozen=True, slots=True)
class Item:
    """An object in a listing; mtime in seconds since 1970."""

    key: str
    size: int | None
    mtime: float | None
    etag: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of ListObjectsV2; token: asks for the next one, None at the end."""

    items: list[Item]
    prefixes: list[str]
    token: str | None


def pages(connection: Connection, bucket: str, prefix: str, *, delimiter: str = "", most: int = PAGE) -> Iterator[Page]:
    """The answers of ListObjectsV2, one after the other; NotFound (no such bucket), Forbidden."""
    asked = {"delimiter": delimiter, "encoding-type": "url", "list-type": "2", "max-keys": str(most), "prefix": prefix}
    while True:
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in asked.items() if value)
        page = _read(connection.gather("GET", Name(bucket, ""), query=query))
        yield page
        if page.token is None:
            return
        if asked.get("continuation-token") == page.token:
            raise ServerTrouble("the listing does not go on: its next page is the same")
        asked["continuation-token"] = page.token


def _read(body: bytes) -> Page:
    """An answer; keys come percent-encoded, where they are asked to, because XML cannot hold every character."""
    root = _parsed(body)
    space = root.tag[: root.tag.index("}") + 1] if root.tag.startswith("{") else ""

    def said(element: Element, name: str) -> str:
        return element.findtext(space + name) or ""

    decode: Callable[[str], str] = unquote_plus if said(root, "EncodingType") == "url" else str
    items = [_item(contents, said, decode) for contents in root.iterfind(space + "Contents")]
    prefixes = [decode(said(each, "Prefix")) for each in root.iterfind(space + "CommonPrefixes")]
    more = said(root, "IsTruncated") == "true" and said(root, "NextContinuationToken").translate(_BACK)
    return Page(items, prefixes, more or None)


def _parsed(body: bytes) -> Element:
    try:
        try:
            return fromstring(body)  # noqa: S314  (bounded by `gather`; expat bounds what entities add)
        except ParseError:
            return fromstring(_CONTROL.sub(_stand_in, body))  # noqa: S314
    except ParseError as error:
        raise ServerTrouble(f"the listing is no XML: {error}") from None


def _stand_in(reference: re.Match[bytes]) -> bytes:
    number = int(reference[1], 16)
    return reference[0] if chr(number) in "\t\n\r" else b"&#x%x;" % (_PRIVATE + number)


def _item(contents: Element, said: Callable[[Element, str], str], decode: Callable[[str], str]) -> Item:
    size, modified = said(contents, "Size"), seconds(said(contents, "LastModified"))
    # whole seconds, as the date in the answer to HEAD
    mtime = None if modified is None else float(int(modified))
    known = int(size) if size.isascii() and size.isdigit() else None
    return Item(decode(said(contents, "Key")), known, mtime, said(contents, "ETag") or None)


def keys_below(connection: Connection, name: Name) -> Iterator[str]:
    """Every key below a directory, however deep, its own mark included."""
    for page in pages(connection, name.bucket, name.prefix):
        yield from (item.key for item in page.items)


def exists_below(connection: Connection, name: Name) -> bool:
    """Whether there is anything at or below the prefix; a bucket always is, NotFound where there is none."""
    page = next(pages(connection, name.bucket, name.prefix, most=1))
    return not name.key or bool(page.items)


def is_listed(connection: Connection, name: Name) -> bool:
    """Whether an object of this very name is there, for a key that may list and not look; Forbidden."""
    page = next(pages(connection, name.bucket, name.key, most=1))  # it sorts before all that it begins
    return any(item.key == name.key for item in page.items)


def others_below(connection: Connection, name: Name) -> bool:
    """Whether anything lies below a directory beside its own mark."""
    page = next(pages(connection, name.bucket, name.prefix, most=2))
    return any(item.key != name.prefix for item in page.items)


def entries_below(connection: Connection, name: Name, path: RemotePath) -> Iterator[Entry | None]:
    """The entries directly below a directory, `path` in the store, as they come; a None first where it is there."""
    known = not name.key
    for page in pages(connection, name.bucket, name.prefix, delimiter="/"):
        known = known or bool(page.items or page.prefixes)
        if known:
            yield None
        for item in page.items:
            if item.key != name.prefix and (place := _place(item.key, name.prefix, path)):
                yield Entry(place, Kind.FILE, item.size, item.mtime, item.etag)
        for below in page.prefixes:
            if place := _place(below.removesuffix("/"), name.prefix, path):
                yield Entry(place, Kind.DIRECTORY)


def _place(key: str, prefix: str, path: RemotePath) -> RemotePath | None:
    if key.startswith(prefix):  # a server that tells of what was not asked is not believed
        try:
            return path / key[len(prefix) :]
        except UsageError:
            pass
    log.warning("passed over: the key %s, which no path can name", printable(key))
    return None
