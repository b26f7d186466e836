"""The answers of ListObjectsV2 and of its first version, page by page, and how each one leads to the next.

Read here, and not by boto3: every command lists, and boto3 takes longer to import than a listing takes.

A page that says that there are more, and gives no token, is one of version 1: the next page is asked for by the marker
that it names, else by its last key. A page with a token or marker leads to the next one, whatever its `IsTruncated`
says. A page without a valid `IsTruncated` is the last one unless it is full. A listing that comes back to where it was
before, or does not go on, is an error.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import quote, unquote_plus
from xml.etree.ElementTree import Element, ParseError, fromstring

from ctadata.errors import ServerTrouble
from ctadata.stores.dates import parse_date
from ctadata.stores.s3.address import Name
from ctadata.stores.s3.connection import Connection
from ctadata.stores.s3.errors import of_code, told_in

PAGE = 1000
"""Keys in one answer, at most."""

_EMPTY = 1000  # pages without a key that may follow each other
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
    """One answer; what asks for the next one: the token, else the marker. Both are None at the end."""

    items: list[Item]
    prefixes: list[str]
    token: str | None
    marker: str | None = None

    @property
    def ends(self) -> tuple[str, str] | None:
        """The first and the last key, and prefix, in the order of S3; None where there is none."""
        keys = [item.key for item in self.items] + self.prefixes
        return (min(keys, key=in_order), max(keys, key=in_order)) if keys else None


def in_order(key: str) -> bytes:
    """What keys are sorted by: their bytes in UTF-8."""
    return key.encode("utf-8", "surrogatepass")


def pages(connection: Connection, bucket: str, prefix: str, *, delimiter: str = "", most: int = PAGE) -> Iterator[Page]:
    """The pages of a listing, one after the other; NotFound (no such bucket), Forbidden, ServerTrouble."""
    asked = {"delimiter": delimiter, "encoding-type": "url", "list-type": "2", "max-keys": str(most), "prefix": prefix}
    seen, empty = set[int](), 0
    while True:
        query = "&".join(
            f"{name}={quote(value, safe='', errors='surrogateescape')}" for name, value in asked.items() if value
        )
        page = _read(connection.gather("GET", Name(bucket, ""), query=query), most)
        marker = asked.get("marker")
        if marker is not None and page.ends and in_order(page.ends[0]) < in_order(marker):
            raise ServerTrouble("the listing does not go on: its next page begins before the end of the last one")
        if marker in page.prefixes:
            page.prefixes.remove(marker)
        signs = [hash(sign) for sign in (page.token, page.marker, page.ends) if sign]
        if not seen.isdisjoint(signs):
            raise ServerTrouble("the listing does not go on: a page comes again")
        seen.update(signs)
        empty = 0 if page.ends else empty + 1
        if empty > _EMPTY:
            raise ServerTrouble("the listing does not go on: page after page is empty")
        yield page
        if page.token is not None:
            asked["continuation-token"] = page.token
        elif page.marker is not None:
            asked["marker"] = page.marker
            asked.pop("list-type", None)
            asked.pop("continuation-token", None)
        else:
            return


def _read(body: bytes, most: int) -> Page:
    """An answer; keys come percent-encoded, where they are asked to, because XML cannot hold every character.

    `most`: the keys that were asked for, at most.
    """
    root = _parsed(body)
    space = root.tag[: root.tag.index("}") + 1] if root.tag.startswith("{") else ""
    if root.tag != space + "ListBucketResult":
        told = told_in(body)
        if "Code" in told:
            raise of_code(told["Code"], told.get("Message", ""), 500)
        raise ServerTrouble(f"the server's answer is no listing but <{root.tag.removeprefix(space)[:100]}>")

    def said(element: Element, name: str) -> str:
        return element.findtext(space + name) or ""

    encoded = said(root, "EncodingType").strip() == "url"
    decode: Callable[[str], str] = functools.partial(unquote_plus, errors="surrogateescape") if encoded else str
    items = [_item(contents, said, decode) for contents in root.iterfind(space + "Contents")]
    prefixes = [decode(said(each, "Prefix")) for each in root.iterfind(space + "CommonPrefixes")]
    token = said(root, "NextContinuationToken").translate(_BACK)
    page = Page(items, prefixes, token or None, None if token else decode(said(root, "NextMarker")) or None)
    if token or page.marker:
        return page
    truncated = said(root, "IsTruncated").strip().lower()
    if truncated in ("false", "0") or (truncated not in ("true", "1") and not _is_full(page, root, said, most)):
        return page
    if page.ends is None:
        raise ServerTrouble("the listing does not go on: it says that there are more, and not how to ask for them")
    return Page(items, prefixes, None, page.ends[1])


def _is_full(page: Page, root: Element, said: Callable[[Element, str], str], most: int) -> bool:
    """Whether a page holds as many keys as one may, by what came and by what the server counts."""
    limit = size_in(said(root, "MaxKeys").strip()) or most
    count = max(len(page.items) + len(page.prefixes), size_in(said(root, "KeyCount").strip()) or 0)
    return count >= min(limit, most)


def _parsed(body: bytes) -> Element:
    try:
        try:
            return fromstring(body)  # noqa: S314  (bounded by `gather`; expat bounds what entities add)
        except ParseError:
            return fromstring(_CONTROL.sub(_stand_in, body))  # noqa: S314
    except (ParseError, LookupError, ValueError) as error:  # the latter of an encoding that is not known
        raise ServerTrouble(f"the listing is no XML: {error}") from None


def _stand_in(reference: re.Match[bytes]) -> bytes:
    number = int(reference[1], 16)
    return reference[0] if chr(number) in "\t\n\r" else b"&#x%x;" % (_PRIVATE + number)


def _item(contents: Element, said: Callable[[Element, str], str], decode: Callable[[str], str]) -> Item:
    size, modified = said(contents, "Size"), parse_date(said(contents, "LastModified"))
    # whole seconds, as the date in the answer to HEAD
    mtime = None if modified is None else float(int(modified))
    return Item(decode(said(contents, "Key")), size_in(size), mtime, said(contents, "ETag") or None)


def size_in(text: str) -> int | None:
    """Bytes; None for what is no size."""
    return int(text) if len(text) < 20 and text.isascii() and text.isdigit() else None
