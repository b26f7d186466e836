"""PutObject: upload a file in one request, with its MD5 for the server to compare, and for later downloads."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from ctadata.errors import AlreadyExists, CtadataError, ServerTrouble
from ctadata.http.messages import Response
from ctadata.stores.base import Source, Written
from ctadata.stores.s3.address import Name
from ctadata.stores.s3.body_digests import CheckedSource, fingerprint
from ctadata.stores.s3.condition import IF_FREE
from ctadata.stores.s3.connection import Connection
from ctadata.stores.s3.digests import MD5, digests_from_headers, may_be_md5
from ctadata.stores.s3.head import head, refuse_existing
from ctadata.versions import opaque_tag, tags_match

SMALL = 1 << 20
"""Bytes up to which an object may be sent before it is known whether its name is free."""


def put_object(connection: Connection, name: Name, source: Source, headers: Mapping[str, str], *, new: bool) -> Written:
    """Upload a source in one request.

    Args:
        connection: The server.
        name: The object to write.
        source: The bytes, at most 5 GiB.
        headers: Headers that describe the object.
        new: Whether an object of this name is an error. If the server does not support If-None-Match, a HEAD decides.

    Raises:
        ServerTrouble: The server has another object, whatever its answer was.
        CtadataError: As `Store.write`.
    """
    md5, payload = fingerprint(connection, source)
    in_base64 = base64.b64encode(md5).decode()
    headers = {**headers, "Content-MD5": in_base64, MD5: in_base64}
    response = _send(connection, name, CheckedSource(source, md5), headers, payload, new=new)
    etag, opaque = response.headers.get("ETag"), connection.quirks.opaque_tags
    is_expected = etag and (name.bucket in opaque or not may_be_md5(response.headers))
    if opaque_tag(etag) != md5.hex() and not is_expected:
        etag = _find_tag(connection, name, md5, etag)
    checked = "md5" if opaque_tag(etag) == md5.hex() else ""
    if not checked:
        opaque.add(name.bucket)
    return Written(etag=etag, checked=checked, sent=f"md5:{md5.hex()}")


def _find_tag(connection: Connection, name: Name, md5: bytes, confirmed: str | None) -> str | None:
    """Return the tag of an object that was uploaded, if the answer has none, or one that is unexpectedly no MD5.

    Args:
        connection: The server.
        name: The object.
        md5: The MD5 of the bytes that were sent.
        confirmed: The tag of the answer, if it has one.

    Raises:
        ServerTrouble: The server has another object. Another attempt would replace what may be another client's.
    """
    try:
        headers = head(connection, name).headers
    except CtadataError:  # the caller looks at the object, if the key may do so
        return confirmed
    tag, stored = headers.get("ETag"), digests_from_headers(headers, whole=True).get("md5")
    if stored == md5.hex():
        return tag
    if stored and not tags_match(tag, confirmed):
        error = ServerTrouble(f"the server has not confirmed the upload, and has an object with the md5 {stored}")
        error.retryable = False
        raise error
    return confirmed


def _send(
    connection: Connection, name: Name, source: CheckedSource, headers: Mapping[str, str], payload: str, *, new: bool
) -> Response:
    """Send the object; the condition of a new one goes along, and that of a small one that is replaced, to learn of it.

    A server that ignores the condition replaces the object, as it should. Only one that honours it gets the object
    twice, once in `VALID`.
    """
    condition = connection.condition
    learns = not new and source.size <= SMALL and not condition.is_honoured(name.bucket)
    if not condition.is_refused and (new or learns):
        try:
            return connection.upload(name, source, headers={**headers, **IF_FREE}, payload=payload)
        except AlreadyExists as error:
            if error.status == 412:
                condition.note_honoured(name.bucket)
            if new or error.status != 412:
                raise
            source.rewind()
        except CtadataError as error:
            if not connection.quirks.may_be_refusal(error):
                raise
            source.rewind()
            response = _send_without(connection, name, source, headers, payload, new=new)
            condition.note_refused()
            return response
    return _send_without(connection, name, source, headers, payload, new=new)


def _send_without(
    connection: Connection, name: Name, source: CheckedSource, headers: Mapping[str, str], payload: str, *, new: bool
) -> Response:
    """Send the object without a condition; if it is new, HEAD decides whether the name is taken."""
    if new:
        refuse_existing(connection, name)
    return connection.upload(name, source, headers=headers, payload=payload)
