"""Pages of a listing: send ListObjectsV2 or ListObjects, parse the response, and find out how to ask for the next page.

This module parses the XML itself, because every command lists, and importing boto3 takes longer than a listing.

A page that says that there are more, and has no token, is one of ListObjects (version 1): the next page begins after
the marker that it names, or else after its last key. A page with a token or a marker leads to the next one, whatever
its `IsTruncated` says. A page without a valid `IsTruncated` is the last one, unless it is full. A listing that repeats
a page, or does not advance, is an error.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote, unquote_plus
from xml.etree.ElementTree import Element, ParseError, fromstring

from ctadata.errors import Forbidden, ServerTrouble
from ctadata.stores.dates import parse_date
from ctadata.stores.s3.address import Name, check_name
from ctadata.stores.s3.connection import Connection
from ctadata.stores.s3.errors import error_of_code, refusal, xml_fields

PAGE = 1000
"""The largest number of keys in one response."""

_MAX_EMPTY_PAGES = 1000  # pages without a key in a row
_CONTROL = re.compile(rb"&#x0*([01]?[0-9a-fA-F]);")
_PRIVATE_USE = 0xF0000
_CONTROL_OF_PRIVATE = {_PRIVATE_USE + number: number for number in range(0x20)}
"""Stand-ins for control characters: Ceph's tokens hold them raw, and XML 1.0 allows not even references to them."""


class Item(NamedTuple):
    """An object in a listing.

    Attributes:
        mtime: Seconds since 1970 UTC.
    """

    key: str
    size: int | None
    mtime: float | None
    etag: str | None
    storage_class: str | None = None

    @property
    def is_mark(self) -> bool:
        """Whether the object is the mark of a directory. S3Proxy lists a mark with neither size nor tag."""
        return self.key.endswith("/") and (self.size == 0 or (self.size is None and self.etag is None))


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing.

    Attributes:
        token: The continuation token that asks for the next page.
        marker: The marker that asks for the next page if there is no token. At the end, both are None.
    """

    items: list[Item]
    prefixes: list[str]
    token: str | None
    marker: str | None = None

    @property
    def key_range(self) -> tuple[str, str] | None:
        """The first and the last key or prefix in S3's order; None on an empty page."""
        keys = [item.key for item in self.items] + self.prefixes
        return (min(keys, key=sort_key), max(keys, key=sort_key)) if keys else None


def sort_key(key: str) -> bytes:
    """Return the bytes by which S3 sorts a key: its UTF-8."""
    return key.encode("utf-8", "surrogatepass")


def list_pages(
    connection: Connection, bucket: str, prefix: str, *, delimiter: str = "", most: int = PAGE
) -> Iterator[Page]:
    """Yield the pages of a listing, one after the other.

    Args:
        connection: The server.
        bucket: The bucket.
        prefix: Only keys that begin with it are listed.
        delimiter: Keys are grouped by their part up to this character after the prefix; empty for every key.
        most: The largest number of keys in one page.

    Raises:
        NotFound: There is no such bucket.
        Forbidden: The key may not list this prefix.
        ServerTrouble: The answer is no listing, or the listing does not advance. Each page that came is yielded before.
    """
    parameters = {
        "delimiter": delimiter,
        "encoding-type": "url",
        "list-type": "2",
        "max-keys": str(most),
        "prefix": prefix,
    }
    check_name(Name(bucket, prefix))
    seen, empty = set[int](), 0
    while True:
        query = "&".join(
            f"{name}={quote(value, safe='', errors='surrogateescape')}" for name, value in parameters.items() if value
        )
        page = _parse_page(_read_page(connection, bucket, query), most)
        marker = parameters.get("marker")
        if marker is not None and page.key_range and sort_key(page.key_range[0]) < sort_key(marker):
            raise ServerTrouble("the listing does not advance: its next page begins before the end of the last one")
        if marker in page.prefixes:
            page.prefixes.remove(marker)
        fingerprints = [hash(mark) for mark in (page.token, page.marker, page.key_range) if mark]
        is_repeated = not seen.isdisjoint(fingerprints)
        if not (page.key_range and hash(page.key_range) in seen):
            yield page
        if is_repeated:
            raise ServerTrouble("the listing does not advance: the server repeats a page")
        seen.update(fingerprints)
        empty = 0 if page.key_range else empty + 1
        if empty > _MAX_EMPTY_PAGES:
            raise ServerTrouble("the listing does not advance: page after page is empty")
        if page.token is not None:
            parameters["continuation-token"] = page.token
        elif page.marker is not None:
            parameters["marker"] = page.marker
            parameters.pop("list-type", None)
            parameters.pop("continuation-token", None)
        else:
            return


def _read_page(connection: Connection, bucket: str, query: str) -> bytes:
    """Return the body of a response; raise Forbidden with words about the listing if the server refuses it."""
    try:
        return connection.read_body("GET", Name(bucket, ""), query=query)
    except Forbidden as error:
        raise refusal("listed", error, signed=connection.signing_key(bucket) is not None) from error


def _parse_page(body: bytes, most: int) -> Page:
    """Parse a response. Its keys are percent-encoded on request, because XML cannot hold every character.

    Args:
        body: The body of the response.
        most: The largest number of keys that the request allowed.
    """
    root = _parse_xml(body)
    space = root.tag[: root.tag.index("}") + 1] if root.tag.startswith("{") else ""
    if root.tag != space + "ListBucketResult":
        fields = xml_fields(body)
        if "Code" in fields:
            raise error_of_code(fields["Code"], fields.get("Message", ""), 500)
        raise ServerTrouble(f"the server's answer is no listing but <{root.tag.removeprefix(space)[:100]}>")

    def text_of(element: Element, name: str) -> str:
        return element.findtext(space + name) or ""

    encoded = text_of(root, "EncodingType").strip() == "url"
    decode: Callable[[str], str] = functools.partial(unquote_plus, errors="surrogateescape") if encoded else str
    items = [_item(contents, text_of, decode) for contents in root.iterfind(space + "Contents")]
    prefixes = [decode(text_of(each, "Prefix")) for each in root.iterfind(space + "CommonPrefixes")]
    token = text_of(root, "NextContinuationToken").translate(_CONTROL_OF_PRIVATE)
    page = Page(items, prefixes, token or None, None if token else decode(text_of(root, "NextMarker")) or None)
    if token or page.marker:
        return page
    truncated = text_of(root, "IsTruncated").strip().lower()
    if truncated in ("false", "0") or (truncated not in ("true", "1") and not _is_full(page, root, text_of, most)):
        return page
    if page.key_range is None:
        raise ServerTrouble("the listing does not advance: the server says that there is more, and names no next page")
    return Page(items, prefixes, None, page.key_range[1])


def _is_full(page: Page, root: Element, text_of: Callable[[Element, str], str], most: int) -> bool:
    """Return whether a page holds as many keys as it may, by its own entries and by the server's count."""
    limit = parse_size(text_of(root, "MaxKeys").strip()) or most
    count = max(len(page.items) + len(page.prefixes), parse_size(text_of(root, "KeyCount").strip()) or 0)
    return count >= min(limit, most)


def _parse_xml(body: bytes) -> Element:
    try:
        try:
            return fromstring(body)  # noqa: S314  (`read_body` limits the size, expat the expansion of entities)
        except ParseError:
            return fromstring(_CONTROL.sub(_private_reference, body))  # noqa: S314
    except (ParseError, LookupError, ValueError) as error:  # unknown encodings raise the last two
        raise ServerTrouble(f"the listing is no XML: {error}") from None


def _private_reference(reference: re.Match[bytes]) -> bytes:
    number = int(reference[1], 16)
    return reference[0] if chr(number) in "\t\n\r" else b"&#x%x;" % (_PRIVATE_USE + number)


def _item(contents: Element, text_of: Callable[[Element, str], str], decode: Callable[[str], str]) -> Item:
    size, modified = text_of(contents, "Size"), parse_date(text_of(contents, "LastModified"))
    # whole seconds, as in the response to HEAD
    mtime = None if modified is None else float(int(modified))
    etag, storage_class = text_of(contents, "ETag") or None, text_of(contents, "StorageClass") or None
    return Item(decode(text_of(contents, "Key")), parse_size(size), mtime, etag, storage_class)


def parse_size(text: str) -> int | None:
    """Return the number of bytes that a text holds; None if it is no size."""
    return int(text) if len(text) < 20 and text.isascii() and text.isdigit() else None
