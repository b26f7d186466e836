"""Compute the digests that the record of a transfer keeps, while the bytes are transferred.

Many edits that keep a file's size also keep its adler32: `121` and `202` have the same one. So adler32 is never the
only digest of a record if the bytes come in order: an MD5 of a small file costs next to nothing, and a crc32 of a large
one notices every edit within four bytes.
"""

from __future__ import annotations

from collections.abc import Mapping

from ctadata.checksums import Hasher, new_hasher, strongest_digest
from ctadata.entries import NO_CHECKSUMS

SMALL = 16 << 20
"""Bytes up to which a record keeps an MD5; for a larger file it keeps a crc32."""

_WEAK = {"adler32", "crc32"}


class StreamDigest:
    """The digest of bytes that come in order."""

    __slots__ = ("_at", "_hasher")

    def __init__(self, algorithm: str | None) -> None:
        """Start before the first byte; without an algorithm, compute nothing."""
        self._at = 0
        self._hasher: Hasher | None = new_hasher(algorithm) if algorithm else None

    def add(self, at: int, block: bytes | memoryview) -> None:
        """Add the bytes at the offset `at`. If bytes before it are missing, there will be no digest."""
        if self._hasher is None:
            return
        if at != self._at:
            self._hasher = None
            return
        self._hasher.update(block)
        self._at += len(block)

    def digests(self, size: int | None) -> dict[str, str]:
        """Return the digest of a whole file of `size` bytes; nothing if not all its bytes came in order."""
        if self._hasher is None or self._at != size:
            return {}
        return {self._hasher.algorithm: self._hasher.hexdigest()}


def stream_digest(size: int | None, listed: Mapping[str, str] = NO_CHECKSUMS) -> StreamDigest:
    """Return the digest to compute for the record of a file, and for its check if the listing has no adler32.

    Args:
        size: Bytes of the file; None if unknown.
        listed: The checksums of the listing. A record keeps one of them if it is stronger than a crc32.
    """
    if listed and listed.keys() - _WEAK and (best := strongest_digest(listed)):
        return StreamDigest(None if "adler32" in listed else best[0])
    return StreamDigest("crc32" if size is None or size > SMALL else "md5")


def record_digests(
    compared: str, streamed: Mapping[str, str], listed: Mapping[str, str] = NO_CHECKSUMS
) -> dict[str, str]:
    """Return the digests that a record keeps of a file that has just been transferred.

    Args:
        compared: The digest that the transfer has compared, as `adler32:5ae07809`; may be empty.
        streamed: The result of `StreamDigest.digests`.
        listed: The checksums of the listing, for a downloaded file.
    """
    algorithm, _, digest = compared.partition(":")
    return {**listed, **streamed, **({algorithm: digest} if digest else {})}
