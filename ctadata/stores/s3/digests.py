"""Digests of S3 objects: checksums that the server stores, an MD5 in the metadata, and tags that are an MD5.

The tag of an object that was uploaded in one piece is its MD5. The tag of an object that was uploaded in parts is the
MD5 of the parts' MD5s, with the number of parts. The tag of an object that is encrypted with SSE-KMS or SSE-C is
neither (Amazon S3 User Guide, "Checking object integrity"). A stored checksum is that of the whole object, or the
checksum of the parts' checksums.

The evidence is sought in this order: a stored checksum; the MD5 that the uploading client has put into the metadata,
in the form that rclone writes and reads; the tag, if nothing says that it is no MD5. Without any of these, only the
size is known.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping

from ctadata.checksums import etag_digest, parts_algorithm
from ctadata.http.messages import Headers

PART_SIZE = "x-amz-meta-ctadata-part-size"
"""The metadata in which our multipart upload keeps its part size; a check of the tag needs it."""

MD5 = "x-amz-meta-md5chksum"
"""The metadata of an object's MD5 in base64 (rclone.org/s3, "Modification times and hashes")."""

_STORED = {
    "x-amz-checksum-sha256": ("sha-256", 32),
    "x-amz-checksum-sha1": ("sha", 20),
    "x-amz-checksum-crc64nvme": ("crc64nvme", 8),
    "x-amz-checksum-crc32c": ("crc32c", 4),
    "x-amz-checksum-crc32": ("crc32", 4),
}
_ENCRYPTION = "x-amz-server-side-encryption"
_NO_MD5_SIGNS = (
    f"{_ENCRYPTION}-aws-kms-key-id",
    f"{_ENCRYPTION}-customer-algorithm",
    f"{_ENCRYPTION}-customer-key-md5",
    "x-goog-encryption-kms-key-name",
)
_TOTAL = re.compile(r"bytes [0-9]+-[0-9]+/([0-9]{1,19})")


def digests_from_headers(headers: Headers, *, whole: bool, part_size: int | None = None) -> dict[str, str]:
    """Return the digests that a response about an object carries, algorithm to hexadecimal.

    Args:
        headers: The headers of the response.
        whole: Whether the response is about the whole object. Stored checksums count only then.
        part_size: Bytes of a part of the object, if the server names it; None: the metadata may tell.
    """
    part_size = part_size or _part_size(headers)
    tag = etag_digest(headers.get("ETag"), part_size) if may_be_md5(headers) else {}
    return {**tag, **_from_metadata(headers), **(_stored(headers, part_size) if whole else {})}


def may_be_md5(headers: Headers) -> bool:
    """Return whether the tag of an object may be an MD5. Encryption with a key of its own makes it another value."""
    is_plain = (headers.get(_ENCRYPTION) or "AES256") == "AES256"
    return is_plain and all(headers.get(sign) is None for sign in _NO_MD5_SIGNS)


def has_parts(headers: Headers) -> bool:
    """Return whether a digest in the headers can be compared only if the size of the object's parts is known."""
    values = [headers.get("ETag") if may_be_md5(headers) else None, *(headers.get(name) for name in _STORED)]
    return any(part_count(value) for value in values) or _is_composite(headers)


def object_size(headers: Headers) -> int | None:
    """Return the bytes of the whole object that a response is about; None if the headers do not say."""
    if content_range := headers.get("Content-Range"):
        match = _TOTAL.fullmatch(content_range)
        return int(match[1]) if match else None
    length = headers.get("Content-Length") or ""
    return int(length) if length.isascii() and length.isdigit() and len(length) < 20 else None


def part_count(value: str | None) -> int | None:
    """Return the number of parts at the end of a tag or a checksum; None if there is none."""
    match = re.search('-([0-9]{1,5})"?$', value or "")
    return int(match[1]) if match else None


def _part_size(headers: Headers) -> int | None:
    """Return the part size in our metadata; None if the object has another number of parts, as after a copy."""
    text = headers.get(PART_SIZE) or ""
    if not re.fullmatch("[0-9]{1,13}", text) or not int(text):
        return None
    count, size = part_count(headers.get("ETag")), object_size(headers)
    fits = count is None or size is None or count == max(1, -(-size // int(text)))
    return int(text) if fits else None


def _from_metadata(headers: Headers) -> Mapping[str, str]:
    raw = _decode(headers.get(MD5) or "")
    return {"md5": raw.hex()} if raw is not None and len(raw) == 16 else {}


def _is_composite(headers: Headers) -> bool:
    return (headers.get("x-amz-checksum-type") or "").upper() == "COMPOSITE"


def _stored(headers: Headers, part_size: int | None) -> Mapping[str, str]:
    """Return the stored checksums of the whole object.

    A checksum of the parts' checksums ends in the number of parts, or its type is COMPOSITE. It counts only if the part
    size is known.
    """
    digests: dict[str, str] = {}
    for header, (algorithm, length) in _STORED.items():
        value = headers.get(header) or ""
        raw, count = _decode(value.partition("-")[0]), part_count(value)
        if raw is None or len(raw) != length:
            continue
        if count is None and not _is_composite(headers):
            digests[algorithm] = raw.hex()
        elif part_size and (count := count or part_count(headers.get("ETag"))):
            digests[parts_algorithm(algorithm, part_size)] = f"{raw.hex()}-{count}"
    return digests


def _decode(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
