"""PutObject: upload a file in one request, with its MD5 for the server to compare, and for later downloads."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from ctadata.errors import Unsupported
from ctadata.stores.base import Source, Written
from ctadata.stores.s3.address import Name
from ctadata.stores.s3.body_digests import fingerprint
from ctadata.stores.s3.connection import Connection
from ctadata.stores.s3.digests import MD5
from ctadata.stores.s3.head import refuse_existing


def put_object(connection: Connection, name: Name, source: Source, headers: Mapping[str, str], *, new: bool) -> Written:
    """Upload a source in one request.

    Args:
        connection: The server.
        name: The object to write.
        source: The bytes, at most 5 GiB.
        headers: Headers that describe the object.
        new: Whether an object of this name is an error. If the server does not support If-None-Match, a HEAD decides.

    Raises:
        CtadataError: As `Store.write`.
    """
    md5, payload = fingerprint(connection, source)
    in_base64 = base64.b64encode(md5).decode()
    headers = {**headers, "Content-MD5": in_base64, MD5: in_base64}
    if new:
        headers["If-None-Match"] = "*"
    try:
        response = connection.upload(name, source, headers=headers, payload=payload)
    except Unsupported:
        if not new:
            raise
        refuse_existing(connection, name)
        headers.pop("If-None-Match")
        source.rewind()
        response = connection.upload(name, source, headers=headers, payload=payload)
    etag = response.headers.get("ETag")
    checked = "md5" if (etag or "").strip('"') == md5.hex() else ""
    if not checked:
        connection.quirks.opaque_tags.add(name.bucket)
    return Written(etag=etag, checked=checked, sent=f"md5:{md5.hex()}")
