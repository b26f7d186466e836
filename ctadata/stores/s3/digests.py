"""Digests of S3 objects: checksums that the server stores, and entity tags that are the MD5 of the bytes.

The tag of an object that was uploaded in one piece is its MD5. The tag of an object that was uploaded in parts is the
MD5 of the parts' MD5s, with the number of parts. The tag of an object that is encrypted with SSE-KMS or SSE-C is
neither (Amazon S3 User Guide, "Checking object integrity").
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping

from ctadata.checksums import etag_digest
from ctadata.http.messages import Headers

PART_SIZE = "x-amz-meta-ctadata-part-size"
"""The metadata in which our multipart upload keeps its part size; a check of the tag needs it."""

_STORED = {"x-amz-checksum-sha256": "sha-256", "x-amz-checksum-sha1": "sha", "x-amz-checksum-crc32": "crc32"}
_SIZES = {"sha-256": 32, "sha": 20, "crc32": 4}


def digests_from_headers(headers: Headers, *, whole: bool) -> dict[str, str]:
    """Return the digests that a response about an object carries, algorithm to hexadecimal.

    Args:
        headers: The headers of the response.
        whole: Whether the response is about the whole object. Stored checksums count only then.
    """
    from_tag = {} if is_encrypted(headers) else etag_digest(headers.get("ETag"), _part_size(headers))
    return {**from_tag, **(_stored(headers) if whole else {})}


def is_encrypted(headers: Headers) -> bool:
    """Return whether the object is encrypted in a way that makes its tag no MD5 (SSE-KMS, SSE-C)."""
    by_key = (headers.get("x-amz-server-side-encryption") or "").startswith("aws:kms")
    return by_key or headers.get("x-amz-server-side-encryption-customer-algorithm") is not None


def _part_size(headers: Headers) -> int | None:
    text = headers.get(PART_SIZE) or ""
    return int(text) if re.fullmatch("[0-9]{1,13}", text) and int(text) > 0 else None


def _stored(headers: Headers) -> Mapping[str, str]:
    """Return the stored checksums of the whole object.

    A checksum of checksums (one per part) is none: its header ends in the number of parts, or its type is COMPOSITE.
    """
    if headers.get("x-amz-checksum-type") == "COMPOSITE":
        return {}
    decoded = {name: _decode(headers.get(header) or "") for header, name in _STORED.items()}
    return {name: raw.hex() for name, raw in decoded.items() if raw is not None and len(raw) == _SIZES[name]}


def _decode(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
