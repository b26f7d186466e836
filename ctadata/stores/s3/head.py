"""HEAD of an object, and the reason of a refusal, which a response to HEAD does not carry.

A key that may not list the bucket gets 403 for a missing object (Amazon S3 API Reference, HeadObject). So does a key
that may list its own directory only, because a HEAD names no prefix. In both cases a listing of the one name decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from ctadata.checksums import etag_digest
from ctadata.entries import NO_CHECKSUMS
from ctadata.errors import AlreadyExists, CtadataError, Forbidden, NotFound, Unsupported
from ctadata.http.messages import Response
from ctadata.stores.s3.address import Name
from ctadata.stores.s3.connection import Connection
from ctadata.stores.s3.listing import is_listed

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
        return connection.send("HEAD", name, headers=CHECKSUMS)
    except NotFound:
        raise NotFound(_NOTHING, status=404) from None
    except CtadataError as error:
        if error.status in (400, 403):
            _raise_reason(connection, name, error)
        raise


def digest_of_parts(connection: Connection, name: Name, response: Response) -> Mapping[str, str]:
    """Return the digest that the tag of an object uploaded in parts is; empty if the server tells no part size.

    Args:
        connection: The server.
        name: The object.
        response: The response to a HEAD of the object, which has its tag.
    """
    try:
        first_part = connection.send("HEAD", name, query="partNumber=1").headers
    except CtadataError:
        return NO_CHECKSUMS
    etag, count, length = (
        response.headers.get("ETag"),
        first_part.get("x-amz-mp-parts-count"),
        first_part.get("Content-Length"),
    )
    has_part_size = (
        count is not None and length is not None and length.isdecimal() and (etag or "").endswith(f'-{count}"')
    )
    return etag_digest(etag, int(length or 0)) if has_part_size else NO_CHECKSUMS


def refuse_existing(connection: Connection, name: Name) -> None:
    """Raise AlreadyExists if the object exists; for servers that do not support If-None-Match."""
    try:
        head(connection, name)
    except NotFound:
        return
    raise AlreadyExists("the name is taken")


def _raise_reason(connection: Connection, name: Name, error: CtadataError) -> NoReturn:
    """Ask again with GET, whose error has a code, and raise the error that fits."""
    try:
        connection.send("GET", name, headers={"Range": "bytes=0-0"})
    except Forbidden:
        if _is_missing(connection, name):
            raise NotFound(_NOTHING, status=404) from None
        raise
    raise error


def _is_missing(connection: Connection, name: Name) -> bool:
    try:
        return not is_listed(connection, name)
    except (Forbidden, Unsupported):
        return False
