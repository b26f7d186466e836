"""HEAD of an object, and in words why it cannot be had: an answer to HEAD has none.

Whoever may not list a bucket is told 403 of what does not exist (Amazon S3 API reference, HeadObject), and so is a key
that may list its own directory alone, since no prefix comes with a HEAD. A list of the one name then tells.
"""

from __future__ import annotations

from typing import NoReturn

from ctadata.errors import AlreadyExists, CtadataError, Forbidden, NotFound, Unsupported
from ctadata.http.messages import Response
from ctadata.stores.s3.address import Name
from ctadata.stores.s3.connection import Connection
from ctadata.stores.s3.listing import is_listed

CHECKSUMS = {"x-amz-checksum-mode": "ENABLED"}
"""Asks for the checksums that the server has stored."""

_NOTHING = "there is no such file or directory"


def head(connection: Connection, name: Name) -> Response:
    """What the server says of an object; NotFound, Forbidden, LoginNeeded."""
    try:
        return connection.send("HEAD", name, headers=CHECKSUMS)
    except NotFound:
        raise NotFound(_NOTHING, status=404) from None
    except CtadataError as error:
        if error.status in (400, 403):
            _say_why(connection, name, error)
        raise


def refuse_taken(connection: Connection, name: Name) -> None:
    """AlreadyExists where there is an object; for servers that do not look themselves (If-None-Match)."""
    try:
        head(connection, name)
    except NotFound:
        return
    raise AlreadyExists("the name is taken")


def _say_why(connection: Connection, name: Name, error: CtadataError) -> NoReturn:
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
