"""Digests of streamed bytes."""

import hashlib
import sys
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctadata.checksums import (
    STRONGEST_FIRST,
    adler32_combine,
    etag_digests,
    new_hasher,
    strongest_digest,
)
from ctadata.errors import ConfigError

BLOCKS = st.lists(st.binary(max_size=50), max_size=10)
HASHLIB = {"sha-512": "sha512", "sha-256": "sha256", "sha": "sha1", "md5": "md5"}
EMPTY_MD5 = "d41d8cd98f00b204e9800998ecf8427e"


def reference(content: bytes, algorithm: str) -> str:
    if algorithm == "adler32":
        return f"{zlib.adler32(content):08x}"
    if algorithm == "crc32":
        return f"{zlib.crc32(content):08x}"
    if algorithm in REFLECTED:
        return reflected_crc(content, *REFLECTED[algorithm])
    return hashlib.new(HASHLIB[algorithm], content).hexdigest()


REFLECTED = {"crc32c": (32, 0x82F63B78), "crc64nvme": (64, 0x9A6C9329AC4BC9B5)}
"""Bits, and the polynomial with its bits in reverse, of RFC 9260 and of the NVM Express specification."""


def reflected_crc(content: bytes, bits: int, polynomial: int) -> str:
    value = ones = (1 << bits) - 1
    for byte in content:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (polynomial if value & 1 else 0)
    return f"{value ^ ones:0{bits // 4}x}"


@pytest.mark.parametrize("algorithm", STRONGEST_FIRST)
@given(blocks=BLOCKS)
def test_a_digest_of_blocks_is_the_digest_of_the_whole(algorithm: str, blocks: list[bytes]) -> None:
    work = new_hasher(algorithm)
    for block in blocks:
        work.update(block)
    assert work.algorithm == algorithm
    assert work.hexdigest() == reference(b"".join(blocks), algorithm)


def test_adler32_keeps_its_leading_zeros() -> None:
    work = new_hasher("adler32")
    assert work.hexdigest() == "00000001"
    work.update(b"a")
    assert work.hexdigest() == "00620062"


def test_an_unknown_algorithm() -> None:
    with pytest.raises(KeyError):
        new_hasher("unixsum")


@pytest.mark.parametrize("size", ["0", "00", "-1", "x", "", "8x", "9" * 400])
def test_parts_without_a_size_prove_nothing(size: str) -> None:
    assert strongest_digest({f"md5-of-parts/{size}": "3", "adler32": "4"}) == ("adler32", "4")
    with pytest.raises(KeyError):
        new_hasher(f"md5-of-parts/{size}")


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_the_adler32_of_two_pieces_put_together(first: bytes, second: bytes) -> None:
    assert adler32_combine(zlib.adler32(first), zlib.adler32(second), len(second)) == zlib.adler32(first + second)


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_the_adler32_of_many_pieces_put_together(pieces: list[bytes]) -> None:
    total = 1
    for piece in pieces:
        total = adler32_combine(total, zlib.adler32(piece), len(piece))
    assert total == zlib.adler32(b"".join(pieces))


@pytest.mark.parametrize("size", [65519, 65520, 65521, 65522, 200_000])
def test_the_adler32_of_pieces_longer_than_its_modulus(size: int) -> None:
    first, second = b"\xff" * size, b"\xfe" * (size + 1)
    assert adler32_combine(zlib.adler32(first), zlib.adler32(second), len(second)) == zlib.adler32(first + second)


def test_the_strongest_of_those_that_can_be_computed() -> None:
    assert strongest_digest({"adler32": "1", "md5": "2"}) == ("md5", "2")
    assert strongest_digest({"md5": "2", "sha-256": "3", "sha": "4"}) == ("sha-256", "3")
    assert strongest_digest({"crc32": "2", "md5-of-parts/8": "3"}) == ("md5-of-parts/8", "3")
    assert strongest_digest({"md5": "2", "md5-of-parts/8": "3"}) == ("md5", "2")
    assert strongest_digest({"md5": "2", "sha-256-of-parts/8": "3"}) == ("sha-256-of-parts/8", "3")
    assert strongest_digest({"crc32c": "2", "crc64nvme": "3"}) == ("crc64nvme", "3")
    assert strongest_digest({"unixsum": "1"}) is None
    assert strongest_digest({}) is None


def test_without_awscrt_its_checksums_prove_nothing(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "awscrt", None)
    assert strongest_digest({"crc64nvme": "3", "crc32": "2"}) == ("crc32", "2")
    assert strongest_digest({"crc32c-of-parts/8": "3"}) is None
    with pytest.raises(ConfigError, match="needs the library awscrt"):
        new_hasher("crc64nvme")


@pytest.mark.parametrize("algorithm", ["md5", "sha-256", "crc32", "crc32c"])
@given(blocks=BLOCKS, size=st.integers(1, 60))
def test_the_digest_of_an_s3_upload_in_parts(algorithm: str, blocks: list[bytes], size: int) -> None:
    content = b"".join(blocks)
    parts = [content[start : start + size] for start in range(0, len(content), size)] or [b""]
    work = new_hasher(f"{algorithm}-of-parts/{size}")
    for block in blocks:
        work.update(block)
    joined = b"".join(bytes.fromhex(reference(part, algorithm)) for part in parts)
    assert work.hexdigest() == f"{reference(joined, algorithm)}-{len(parts)}"


def test_the_digests_that_an_s3_tag_may_be() -> None:
    mib = 1 << 20
    assert etag_digests(f'"{EMPTY_MD5}"', 10) == [("md5", EMPTY_MD5)]
    assert etag_digests(None, 10) == etag_digests('W/"x"', 10) == etag_digests('"5ae07809"', 10) == []
    parts = etag_digests(f'"{EMPTY_MD5}-3"', 40 * mib)
    assert parts == [(f"md5-of-parts/{size * mib}", f"{EMPTY_MD5}-3") for size in (14, 15, 16)]
    assert etag_digests(f'"{EMPTY_MD5}-0"', 0) == []
