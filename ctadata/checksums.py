"""adler32, md5 and sha: computed while bytes stream by; Digest, Repr-Digest and Checksums values read and written.

Everywhere in the house a digest is a lower-case hexadecimal string under the name of its algorithm
(`adler32`, `md5`, `sha`, `sha-256`, `sha-512`: the names of RFC 3230 and its registry).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from typing import Protocol

try:  # many times zlib's speed
    from zlib_ng.zlib_ng import adler32 as adler32
    from zlib_ng.zlib_ng import crc32 as crc32
except ImportError:  # a checkout that is imported without being installed
    from zlib import adler32, crc32

_HASHLIB = {"sha-512": "sha512", "sha-256": "sha256", "sha": "sha1", "md5": "md5"}
STRONGEST_FIRST = (*_HASHLIB, "crc32", "adler32")
"""The algorithms we can compute, the strongest first."""

PARTS_PREFIX = "md5-of-parts/"
"""How the name of a digest begins that S3 gives to what came in parts; their size in bytes follows."""

_MODULUS = 65521  # the largest prime below 2**16, RFC 1950 section 8.2


class Hasher(Protocol):
    """A digest in the making."""

    algorithm: str

    def update(self, block: bytes | memoryview) -> None:
        """Take in the next bytes."""

    def hexdigest(self) -> str:
        """The digest of all bytes so far, lower-case hexadecimal."""


class Adler32:
    """RFC 1950's checksum, what dCache stores of every file; 8 hexadecimal digits."""

    algorithm = "adler32"

    def __init__(self) -> None:
        """Start with the checksum of nothing, 1."""
        self.value = 1

    def update(self, block: bytes | memoryview) -> None:
        """Take in the next bytes."""
        self.value = adler32(block, self.value)

    def hexdigest(self) -> str:
        """The checksum so far."""
        return f"{self.value:08x}"


class Crc32:
    """The checksum of zip and PNG, which S3 servers keep of many objects; 8 hexadecimal digits."""

    algorithm = "crc32"

    def __init__(self) -> None:
        """Start with the checksum of nothing, 0."""
        self.value = 0

    def update(self, block: bytes | memoryview) -> None:
        """Take in the next bytes."""
        self.value = crc32(block, self.value)

    def hexdigest(self) -> str:
        """The checksum so far."""
        return f"{self.value:08x}"


class PartsMd5:
    """The MD5 of the MD5s of parts of one size, and their number: `<32 hexadecimal digits>-<number>`."""

    def __init__(self, size: int) -> None:
        """Of parts of `size` bytes, the last of which may be shorter."""
        self.algorithm = f"{PARTS_PREFIX}{size}"
        self._size = size
        self._room = size
        self._part = hashlib.md5(usedforsecurity=False)
        self._parts: list[bytes] = []

    def update(self, block: bytes | memoryview) -> None:
        """Take in the next bytes."""
        view = memoryview(block)
        while view:
            if not self._room:
                self._end()
            self._part.update(view[: self._room])
            taken = min(self._room, len(view))
            self._room -= taken
            view = view[taken:]

    def hexdigest(self) -> str:
        """The digest of all bytes; no more may follow."""
        if self._room != self._size or not self._parts:
            self._end()
        return f"{hashlib.md5(b''.join(self._parts), usedforsecurity=False).hexdigest()}-{len(self._parts)}"

    def _end(self) -> None:
        self._parts.append(self._part.digest())
        self._part, self._room = hashlib.md5(usedforsecurity=False), self._size


class _Hashlib:
    def __init__(self, algorithm: str) -> None:
        self.algorithm = algorithm
        self._hash = hashlib.new(_HASHLIB[algorithm], usedforsecurity=False)

    def update(self, block: bytes | memoryview) -> None:
        self._hash.update(block)

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


def new_hasher(algorithm: str) -> Hasher:
    """A new digest; KeyError for an algorithm that is neither in `STRONGEST_FIRST` nor of `PARTS_PREFIX`."""
    if algorithm.startswith(PARTS_PREFIX):
        return PartsMd5(int(algorithm.removeprefix(PARTS_PREFIX)))
    if algorithm in ("adler32", "crc32"):
        return Adler32() if algorithm == "adler32" else Crc32()
    return _Hashlib(algorithm)


def adler32_combine(first: int, second: int, second_size: int) -> int:
    """The adler32 of two pieces put together, from theirs and the second's size in bytes (zlib's formula)."""
    low1, high1 = first & 0xFFFF, first >> 16
    low2, high2 = second & 0xFFFF, second >> 16
    low = (low1 + low2 - 1) % _MODULUS
    high = (high1 + high2 + second_size * (low1 - 1)) % _MODULUS
    return high << 16 | low


def parse_digests(value: str) -> dict[str, str]:
    """Read `Digest` (RFC 3230), `Repr-Digest` (RFC 9530) or dCache's `Checksums` property.

    Unknown algorithms and values that do not decode are left out: a digest that cannot be read proves nothing.
    """
    found: dict[str, str] = {}
    for item in value.split(","):
        name, _, text = item.strip().partition("=")
        digest = _decode(name.strip().lower(), text.strip())
        if digest:
            found[name.strip().lower()] = digest
    return found


def _decode(name: str, text: str) -> str | None:
    if name == "adler32":
        # dCache pads to 8 digits today; older entries may lack the zeros in front
        return text.lower().zfill(8) if re.fullmatch("[0-9a-fA-F]{1,8}", text) else None
    if name not in _HASHLIB:
        return None
    try:
        raw = base64.b64decode(text.strip(":"), validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw.hex() if len(raw) == hashlib.new(_HASHLIB[name], usedforsecurity=False).digest_size else None


def want_digest_header() -> str:
    """The `Want-Digest` of a download: any we can compute, adler32 first, as every dCache file has it."""
    rest = [f"{name};q=0.{9 - i}" for i, name in enumerate(_HASHLIB)]
    return ", ".join(["adler32", *rest])


_TAG = re.compile(r'"?([0-9a-f]{32})(?:-([0-9]{1,5}))?"?')
_PARTS_IN_USE = (5, 8, 10, 15, 16, 25, 32, 50, 64, 100, 128, 200, 256, 500, 512, 1024)  # MiB


def etag_digest(etag: str | None, part_size: int | None = None) -> dict[str, str]:
    """The digest that a tag of S3 is: `md5`, or with the size of the parts that of the parts; empty where it is none.

    The tag of what came in one piece is its MD5; of what came in parts, the MD5 of their MD5s and their number.
    """
    match = _TAG.fullmatch(etag or "")
    if match is None or (match[2] and not part_size):
        return {}
    return {f"{PARTS_PREFIX}{part_size}": f"{match[1]}-{match[2]}"} if match[2] else {"md5": match[1]}


def etag_digests(etag: str | None, size: int) -> list[tuple[str, str]]:
    """Digests that the tag of a file of `size` bytes may be; that one is right proves it equal, none proves nothing."""
    match = _TAG.fullmatch(etag or "")
    if match is None or match[2] is None:
        return list(etag_digest(etag).items())
    count = max(1, int(match[2]))
    even = -(-size // count)
    sizes = {-(-even // (1 << 20)) << 20, *(number << 20 for number in _PARTS_IN_USE)}
    fitting = sorted(each for each in sizes if each and -(-size // each) == count)
    return [found for each in fitting for found in etag_digest(etag, each).items()]


def strongest_digest(digests: Mapping[str, str]) -> tuple[str, str] | None:
    """The best (algorithm, digest) of those given that we can compute; None where there is none."""
    if not digests:
        return None
    known = [name for name in STRONGEST_FIRST if name in digests]
    # that of parts counts before the two that are not meant to withstand intent
    known = sorted([*known, *(name for name in digests if name.startswith(PARTS_PREFIX))], key=_rank)
    return (known[0], digests[known[0]]) if known else None


def _rank(algorithm: str) -> float:
    return (
        STRONGEST_FIRST.index("md5") + 0.5 if algorithm.startswith(PARTS_PREFIX) else STRONGEST_FIRST.index(algorithm)
    )
