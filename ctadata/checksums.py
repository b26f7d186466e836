"""Compute checksums while bytes stream by, and read those that S3 has in an entity tag.

In this package a digest is a lower-case hexadecimal string under the name of its algorithm: `adler32`, `md5`, `sha`,
`sha-256`, `sha-512`, the names of RFC 3230 and its registry; and `crc32`, `crc32c`, `crc64nvme`, which S3 stores.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Protocol

from ctadata.errors import ConfigError

try:  # several times as fast as zlib
    from zlib_ng.zlib_ng import adler32 as adler32
    from zlib_ng.zlib_ng import crc32 as crc32
except ImportError:  # the package is imported from a checkout and not installed
    from zlib import adler32, crc32

_HASHLIB = {"sha-512": "sha512", "sha-256": "sha256", "sha": "sha1", "md5": "md5"}
_CRC_DIGITS = {"crc64nvme": 16, "crc32c": 8, "crc32": 8}
_IN_AWSCRT = ("crc64nvme", "crc32c")
STRONGEST_FIRST = (*_HASHLIB, *_CRC_DIGITS, "adler32")
"""The algorithms that this module computes, the strongest first; `crc64nvme` and `crc32c` need the library awscrt."""

OF_PARTS = "-of-parts/"
"""The middle of the name of S3's digest of an object uploaded in parts, `md5-of-parts/8388608`. The algorithm comes
before it, and the bytes of a part after it.
"""

_PARTS = re.compile(f"(.+){OF_PARTS}([1-9][0-9]{{0,14}})")
_MODULUS = 65521  # the largest prime below 2**16, RFC 1950 section 8.2


class Hasher(Protocol):
    """A running digest.

    Attributes:
        algorithm: The name of the algorithm.
    """

    algorithm: str

    def update(self, block: bytes | memoryview) -> None:
        """Add the next bytes."""

    def hexdigest(self) -> str:
        """Return the digest of all bytes so far, in lower-case hexadecimal."""


class Adler32:
    """The checksum of RFC 1950, which dCache stores for every file; 8 hexadecimal digits."""

    algorithm = "adler32"

    def __init__(self) -> None:
        """Start with 1, the checksum of no bytes."""
        self.value = 1

    def update(self, block: bytes | memoryview) -> None:
        """Add the next bytes."""
        self.value = adler32(block, self.value)

    def hexdigest(self) -> str:
        """Return the checksum so far."""
        return f"{self.value:08x}"


class _Crc:
    """A cyclic redundancy check that S3 servers store for many objects."""

    def __init__(self, algorithm: str) -> None:
        self.algorithm = algorithm
        self._value = 0
        self._add = _crc_function(algorithm)

    def update(self, block: bytes | memoryview) -> None:
        self._value = self._add(block, self._value)

    def hexdigest(self) -> str:
        return f"{self._value:0{_CRC_DIGITS[self.algorithm]}x}"


def _crc_function(algorithm: str) -> Callable[[bytes | memoryview, int], int]:
    """Return the function that adds bytes to a checksum; raise ConfigError if the library awscrt is missing."""
    if algorithm == "crc32":
        return crc32
    try:
        from awscrt import checksums  # a slow import, and few objects need it
    except ImportError:
        raise ConfigError(f"{algorithm} needs the library awscrt", hint="pip install awscrt") from None
    function: Callable[[bytes | memoryview, int], int] = getattr(checksums, algorithm)
    return function


class PartsDigest:
    """S3's digest of an object uploaded in parts: the digest of the parts' digests, a hyphen, and the number of parts.

    The tag of such an object is this digest with MD5, its composite checksum is this digest with another algorithm
    (Amazon S3 User Guide, "Checking object integrity").
    """

    def __init__(self, algorithm: str, size: int) -> None:
        """Start the digest of an object with parts of `size` bytes; the last part may be shorter."""
        self.algorithm = parts_algorithm(algorithm, size)
        self._new = functools.partial(new_hasher, algorithm)
        self._size = size
        self._room = size
        self._part, self._whole = self._new(), self._new()
        self._count = 0

    def update(self, block: bytes | memoryview) -> None:
        """Add the next bytes."""
        view = memoryview(block)
        while view:
            if not self._room:
                self._end()
            self._part.update(view[: self._room])
            count = min(self._room, len(view))
            self._room -= count
            view = view[count:]

    def hexdigest(self) -> str:
        """Return the digest of all bytes; `update` may not be called afterwards."""
        if self._room != self._size or not self._count:
            self._end()
        return f"{self._whole.hexdigest()}-{self._count}"

    def _end(self) -> None:
        self._whole.update(bytes.fromhex(self._part.hexdigest()))
        self._count += 1
        self._part, self._room = self._new(), self._size


def parts_algorithm(algorithm: str, size: int) -> str:
    """Return the name of `PartsDigest`'s algorithm."""
    return f"{algorithm}{OF_PARTS}{size}"


def is_of_parts(algorithm: str) -> bool:
    """Return whether this is a name of `PartsDigest`'s algorithm, with a size of the parts above 0."""
    return _PARTS.fullmatch(algorithm) is not None


class _Hashlib:
    def __init__(self, algorithm: str) -> None:
        digest = getattr(hashlib, _HASHLIB[algorithm])(usedforsecurity=False)
        self.algorithm, self.update, self.hexdigest = algorithm, digest.update, digest.hexdigest


def new_hasher(algorithm: str) -> Hasher:
    """Return a new running digest.

    Args:
        algorithm: A name in `STRONGEST_FIRST`, or one with `OF_PARTS` in it.

    Raises:
        KeyError: The algorithm is neither.
        ConfigError: The algorithm needs a library that is not installed.
    """
    if parts := _PARTS.fullmatch(algorithm):
        return PartsDigest(parts[1], int(parts[2]))
    if algorithm == "adler32":
        return Adler32()
    return _Crc(algorithm) if algorithm in _CRC_DIGITS else _Hashlib(algorithm)


def _is_computable(algorithm: str) -> bool:
    try:
        _crc_function(algorithm)
    except ConfigError:
        return False
    return True


def adler32_combine(first: int, second: int, second_size: int) -> int:
    """Return the adler32 of two byte strings in sequence (zlib's `adler32_combine`).

    Args:
        first: The adler32 of the first string.
        second: The adler32 of the second string.
        second_size: The bytes of the second string.
    """
    low1, high1 = first & 0xFFFF, first >> 16
    low2, high2 = second & 0xFFFF, second >> 16
    low = (low1 + low2 - 1) % _MODULUS
    high = (high1 + high2 + second_size * (low1 - 1)) % _MODULUS
    return high << 16 | low


_TAG = re.compile(r'"?([0-9a-f]{32})(?:-([0-9]{1,5}))?"?')
_COMMON_PART_SIZES = (5, 8, 10, 15, 16, 25, 32, 50, 64, 100, 128, 200, 256, 500, 512, 1024)  # MiB


def etag_digest(etag: str | None, part_size: int | None = None) -> dict[str, str]:
    """Return the digest that an entity tag of S3 is.

    The tag of an object uploaded in one piece is its MD5. The tag of an object uploaded in parts is `PartsDigest`'s
    digest.

    Args:
        etag: The tag, with or without quotes.
        part_size: The size of a part in bytes; None if it is not known.

    Returns:
        The algorithm and the digest; empty if the tag is no digest, or is one of parts of unknown size.
    """
    match = _TAG.fullmatch(etag or "")
    if match is None or (match[2] and not part_size):
        return {}
    if match[2] and part_size:
        return {parts_algorithm("md5", part_size): f"{match[1]}-{match[2]}"}
    return {"md5": match[1]}


def etag_digests(etag: str | None, size: int) -> list[tuple[str, str]]:
    """Return the digests that the entity tag of an S3 object may be, as algorithm and digest.

    A match with one of them proves that the object is equal. No match proves nothing, because the size of the parts is
    guessed from the sizes that clients use.

    Args:
        etag: The tag, with or without quotes.
        size: The bytes of the object.
    """
    match = _TAG.fullmatch(etag or "")
    if match is None or match[2] is None:
        return list(etag_digest(etag).items())
    count = max(1, int(match[2]))
    smallest = -(-size // count)
    sizes = {-(-smallest // (1 << 20)) << 20, *(number << 20 for number in _COMMON_PART_SIZES)}
    fitting = sorted(each for each in sizes if each and -(-size // each) == count)
    return [digest for each in fitting for digest in etag_digest(etag, each).items()]


def strongest_digest(digests: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the algorithm and the value of the strongest digest that this module can compute, else None."""
    best: tuple[int, str, str] | None = None
    for name, digest in digests.items():
        parts = _PARTS.fullmatch(name)
        base = parts[1] if parts else name
        if base not in STRONGEST_FIRST or (base in _IN_AWSCRT and not _is_computable(base)):
            continue
        rank = 2 * STRONGEST_FIRST.index(base) + bool(parts)
        if best is None or rank < best[0]:
            best = rank, name, digest
    return best and best[1:]
