"""Parse the headers and properties that carry digests, and write the header that asks for them.

The names of the algorithms are those of `ctadata.checksums`, which computes the digests.
"""

from __future__ import annotations

import base64
import binascii
import functools
import re

_BYTES = {"sha-512": 64, "sha-256": 32, "sha": 20, "md5": 16}
"""The length of each digest in bytes, the strongest first."""

ALGORITHMS = ("adler32", *_BYTES)
"""The algorithms that the headers may name, and this module knows."""

_ONE_ADLER32 = re.compile("adler32=([0-9a-f]{8})")


def parse_digests(value: str) -> dict[str, str]:
    """Parse a `Digest` (RFC 3230) or `Repr-Digest` (RFC 9530) header, or dCache's `Checksums` property.

    Returns:
        The digests by algorithm. Unknown algorithms and malformed values are left out, because they prove nothing.
    """
    if match := _ONE_ADLER32.fullmatch(value):  # as nearly always
        return {"adler32": match[1]}
    digests: dict[str, str] = {}
    for item in value.split(","):
        name, _, text = item.strip().partition("=")
        digest = _decode(name.strip().lower(), text.strip())
        if digest:
            digests[name.strip().lower()] = digest
    return digests


def _decode(name: str, text: str) -> str | None:
    if name == "adler32":
        # dCache pads to 8 digits; its older entries may lack the leading zeros
        return text.lower().zfill(8) if re.fullmatch("[0-9a-fA-F]{1,8}", text) else None
    try:
        raw = base64.b64decode(text.strip(":"), validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw.hex() if len(raw) == _BYTES.get(name) else None


@functools.cache
def want_digest_header() -> str:
    """Return the `Want-Digest` header of a download: all known algorithms, adler32 first, as dCache stores it."""
    rest = [f"{name};q=0.{9 - i}" for i, name in enumerate(_BYTES)]
    return ", ".join(["adler32", *rest])
