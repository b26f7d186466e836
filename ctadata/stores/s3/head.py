"""HEAD of an object, and the reason of a refusal, which a response to HEAD does not carry.

A key that may not list the bucket gets 403 for a missing object (Amazon S3 API Reference, HeadObject). So does a key
that may list its own directory only, because a HEAD names no prefix. In both cases a listing of the one name decides.
"""

from __future__ import annotations

from collections.abc import Mapping

from ctadata.errors import AlreadyExists, CtadataError, Forbidden, NotFound, Unsupported
from ctadata.http.messages import Headers, Response
from ctadata.stores.s3.address import Name
from ctadata.stores.s3.connection import Connection
from ctadata.stores.s3.digests import digests_from_headers, has_parts, object_size, part_count
from ctadata.stores.s3.listing import has_keys, is_listed
from ctadata.stores.s3.pages import parse_size

CHECKSUMS = {"x-amz-checksum-mode": "ENABLED"}
"""The header that asks for the checksums that the server has stored."""

_NOTHING = "there is no such file or directory"


def head(connection: Connection, name: Name) -> Response:
    """Return the response to a HEAD of an object, with its stored checksums.

    Raises:
        NotFound: There is no such object.
        Forbidden: The key may not read it.
        LoginNeeded: The server does not accept the key.
    """
    try:
        return connection.send("HEAD", name, optional=CHECKSUMS)
    except NotFound:
        raise NotFound(_NOTHING, status=404) from None
    except CtadataError as error:
        if error.status not in (400, 403):
            raise
        signed = connection.region_of(name.bucket)
        _raise_reason(connection, name)
        if connection.region_of(name.bucket) != signed:
            return connection.send("HEAD", name, optional=CHECKSUMS)
        if not connection.quirks.usable(CHECKSUMS):
            raise
    response = connection.send("HEAD", name)  # a proxy that removes a signed header makes the signature wrong
    connection.quirks.refuse(CHECKSUMS)
    return response


def head_bucket(connection: Connection, bucket: str) -> None:
    """Send a HEAD of a bucket; raise NotFound if it does not exist, Forbidden if the key may not see it.

    versitygw answers a HEAD that is signed for another region with a bare 400. The error of a GET names the region.
    """
    name, signed = Name(bucket, ""), connection.region_of(bucket)
    try:
        connection.send("HEAD", name)
    except CtadataError as error:
        if error.status != 400:
            raise
        has_keys(connection, name)
        if connection.region_of(bucket) == signed:
            raise


def digests_of_object(connection: Connection, name: Name, headers: Headers) -> Mapping[str, str]:
    """Return the digests of an object; if they need the size of its parts, ask the server for it.

    Args:
        connection: The server.
        name: The object.
        headers: The headers of a HEAD of the object.
    """
    known = digests_from_headers(headers, whole=True)
    if known or not has_parts(headers):
        return known
    size = _part_size(connection, name, headers)
    return digests_from_headers(headers, whole=True, part_size=size) if size else known


def _part_size(connection: Connection, name: Name, headers: Headers) -> int | None:
    """Return the bytes of a part; None if the server does not tell, or the parts have different sizes."""
    total = object_size(headers)
    try:
        first = connection.send("HEAD", name, query="partNumber=1").headers
        count, size = parse_size(first.get("x-amz-mp-parts-count") or ""), parse_size(first.get("Content-Length") or "")
        if not count or not size or not total or part_count(headers.get("ETag")) not in (None, count):
            return None
        last_size = total - (count - 1) * size
        if count > 2:
            last = connection.send("HEAD", name, query=f"partNumber={count}").headers
            if last.get("Content-Length") != str(last_size):
                return None
    except CtadataError:
        return None
    return size if 0 < last_size <= size else None


def refuse_existing(connection: Connection, name: Name) -> None:
    """Raise AlreadyExists if the object exists; for servers that do not support If-None-Match."""
    try:
        head(connection, name)
    except NotFound:
        return
    raise AlreadyExists("the name is taken")


def _raise_reason(connection: Connection, name: Name) -> None:
    """Ask again with GET, whose error has a code, and raise the error that fits; return if the server answers GET."""
    try:
        connection.send("GET", name, headers={"Range": "bytes=0-0"})
    except Forbidden:
        if _is_missing(connection, name):
            raise NotFound(_NOTHING, status=404) from None
        raise


def _is_missing(connection: Connection, name: Name) -> bool:
    try:
        return not is_listed(connection, name)
    except (Forbidden, Unsupported):
        return False
