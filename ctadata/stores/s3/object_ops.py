"""A copy of an object at the server, with all that it carries: its type, its metadata, what it is an alias of."""

from __future__ import annotations

from ctadata.errors import Unsupported
from ctadata.http.messages import Headers
from ctadata.stores.s3.address import Name
from ctadata.stores.s3.alias import REDIRECT
from ctadata.stores.s3.connection import Connection
from ctadata.stores.s3.multipart import LARGEST_PIECE


def copy_object(connection: Connection, source: Name, target: Name, head: Headers) -> None:
    """Copy `source`, of which a HEAD has said `head`, to `target`; Unsupported for more than 5 GiB.

    What makes it an alias is no part of its metadata, and said anew (Amazon S3 API reference, CopyObject).
    """
    if int(head.get("Content-Length") or 0) > LARGEST_PIECE:
        raise Unsupported("S3 copies at most 5 GiB at once", hint="get it, and put it under the new name")
    location = head.get(REDIRECT)
    extra = {"WebsiteRedirectLocation": location} if location else {}
    whence = {"Bucket": source.bucket, "Key": source.key}
    connection.call("copy_object", Bucket=target.bucket, Key=target.key, CopySource=whence, **extra)
