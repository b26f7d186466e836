"""The digests that the record of a transfer keeps, computed while the bytes pass.

An adler32 is the same for many edits that leave the size as it is: `121` becomes `202`. So it is never the only digest
of a record if the bytes pass in order: an MD5 of a small file costs next to nothing, and a crc32 of a large one notices
every edit within four bytes.
"""

from __future__ import annotations

from collections.abc import Mapping

from ctadata.checksums import Hasher, new_hasher, strongest_digest
from ctadata.entries import NO_CHECKSUMS

SMALL = 16 << 20
"""Bytes up to which a record keeps an MD5; of larger files it keeps a crc32."""

_WEAK = {"adler32", "crc32"}


class Passing:
    """The digest of bytes that pass in their order."""

    __slots__ = ("_at", "_hasher")

    def __init__(self, algorithm: str | None) -> None:
        """No byte has passed yet; None: no digest is wanted."""
        self._at = 0
        self._hasher: Hasher | None = new_hasher(algorithm) if algorithm else None

    def add(self, at: int, block: bytes | memoryview) -> None:
        """Take in the bytes at the offset `at`; if bytes are missing before it, no digest comes of it."""
        if self._hasher is None:
            return
        if at != self._at:
            self._hasher = None
            return
        self._hasher.update(block)
        self._at += len(block)

    def digests(self, size: int | None) -> dict[str, str]:
        """The digest of the whole file, if all its bytes have passed in their order; else nothing."""
        if self._hasher is None or self._at != size:
            return {}
        return {self._hasher.algorithm: self._hasher.hexdigest()}


def passing(size: int | None, listed: Mapping[str, str] = NO_CHECKSUMS) -> Passing:
    """What computes the digest for the record of a file, and for its check where the listing tells no adler32.

    Args:
        size: of the file in bytes; None if nobody knows it.
        listed: the checksums that the listing tells. If there is a stronger one than a crc32, the record keeps that.
    """
    if listed.keys() - _WEAK and (best := strongest_digest(listed)):
        return Passing(None if "adler32" in listed else best[0])
    return Passing("crc32" if size is None or size > SMALL else "md5")


def record_digests(told: str, passed: Mapping[str, str], listed: Mapping[str, str] = NO_CHECKSUMS) -> dict[str, str]:
    """The digests that a record keeps of a file that has just been moved.

    Args:
        told: the digest that the transfer has compared, as `adler32:5ae07809`; may be empty.
        passed: what `Passing.digests` gives.
        listed: the checksums that the listing of a downloaded file tells.
    """
    algorithm, _, digest = told.partition(":")
    return {**listed, **passed, **({algorithm: digest} if digest else {})}
