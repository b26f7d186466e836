"""What an S3 server knows of an object's digests: stored checksums, and tags that are the MD5 of the bytes.

The tag of an object that came in one piece is its MD5, of one that came in parts the MD5 of their MD5s with the
number of parts; of one encrypted with a key of the server's (SSE-KMS, SSE-C) it is neither.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping

from ctadata.checksums import etag_digest
from ctadata.http.messages import Headers

PART_SIZE = "x-amz-meta-ctadata-part-size"
"""Where an upload of ours in parts keeps their size, which the check of its tag needs."""

_STORED = {"x-amz-checksum-sha256": "sha-256", "x-amz-checksum-sha1": "sha", "x-amz-checksum-crc32": "crc32"}
_SIZES = {"sha-256": 32, "sha": 20, "crc32": 4}


def digests_in(headers: Headers, *, whole: bool) -> dict[str, str]:
    """The digests that an answer about an object tells; of stored checksums only where it is about the whole."""
    found = {} if is_encrypted(headers) else etag_digest(headers.get("ETag"), _part_size(headers))
    return {**found, **(_stored(headers) if whole else {})}


def is_encrypted(headers: Headers) -> bool:
    """Whether the server keeps it encrypted with a key by which tags are no MD5 (SSE-KMS, SSE-C)."""
    by_key = (headers.get("x-amz-server-side-encryption") or "").startswith("aws:kms")
    return by_key or headers.get("x-amz-server-side-encryption-customer-algorithm") is not None


def _part_size(headers: Headers) -> int | None:
    said = headers.get(PART_SIZE) or ""
    return int(said) if re.fullmatch("[0-9]{1,13}", said) and int(said) > 0 else None


def _stored(headers: Headers) -> Mapping[str, str]:
    """Checksums of the whole object; one put together from those of parts ends in their number, or says so."""
    if headers.get("x-amz-checksum-type") == "COMPOSITE":
        return {}
    found = {name: _decoded(headers.get(header) or "") for header, name in _STORED.items()}
    return {name: raw.hex() for name, raw in found.items() if raw is not None and len(raw) == _SIZES[name]}


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
