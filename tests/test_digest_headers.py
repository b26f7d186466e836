"""Headers and properties that carry digests."""

import base64
import hashlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctadata.digest_headers import parse_digests, want_digest_header

HASHLIB = {"sha-512": "sha512", "sha-256": "sha256", "sha": "sha1", "md5": "md5"}
IN_HEADERS = ["adler32", *HASHLIB]
EMPTY_MD5 = "d41d8cd98f00b204e9800998ecf8427e"
EMPTY_MD5_BASE64 = "1B2M2Y8AsgTpgAmY7PhCfg=="


@given(st.binary(max_size=100))
def test_every_form_of_a_digest_header(content: bytes) -> None:
    digests = {name: hashlib.new(algorithm, content).hexdigest() for name, algorithm in HASHLIB.items()}
    digests["adler32"] = f"{zlib.adler32(content):08x}"
    as_sent = {
        name: value if name == "adler32" else base64.b64encode(bytes.fromhex(value)).decode()
        for name, value in digests.items()
    }
    assert parse_digests(", ".join(f"{name}={value}" for name, value in as_sent.items())) == digests  # Digest
    assert parse_digests(",".join(f"{name.upper()}={value}" for name, value in as_sent.items())) == digests  # Checksums
    structured = {name: value for name, value in as_sent.items() if name.startswith("sha-")}
    assert parse_digests(", ".join(f"{name}=:{value}:" for name, value in structured.items())) == {
        name: digests[name] for name in structured
    }  # Repr-Digest


@pytest.mark.parametrize(
    ("value", "digests"),
    [
        ("adler32=5ae07809", {"adler32": "5ae07809"}),
        ("ADLER32=5AE07809", {"adler32": "5ae07809"}),
        ("adler32=620062", {"adler32": "00620062"}),  # entries of old dCaches lack the zeros
        (f"md5={EMPTY_MD5_BASE64}", {"md5": EMPTY_MD5}),
        (f" md5 = {EMPTY_MD5_BASE64} , adler32=1", {"md5": EMPTY_MD5, "adler32": "00000001"}),
        ("", {}),
        (",,=,", {}),
        ("adler32", {}),
        ("adler32=", {}),
        ("adler32=xyz", {}),
        ("adler32=123456789", {}),  # nine digits
        ("adler32=-1", {}),
        ("adler32=٣", {}),
        ("crc32c=AAAAAA==, unixsum=12", {}),
        ("md5=not base64!", {}),
        ("md5=AAAA", {}),  # too short
        (f"md5={EMPTY_MD5}", {}),  # hexadecimal where base64 belongs
        ("sha-256=::", {}),
        ("id-sha-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", {}),
    ],
)
def test_malformed_digests_are_left_out(value: str, digests: dict[str, str]) -> None:
    assert parse_digests(value) == digests


@given(st.text(max_size=60))
def test_any_header_can_be_parsed(value: str) -> None:
    for name, digest in parse_digests(value).items():
        assert name in IN_HEADERS
        assert len(digest) >= 8
        int(digest, 16)


def test_adler32_is_wanted_most() -> None:
    first, *rest = want_digest_header().split(", ")
    assert first == "adler32"
    weights = {item.partition(";q=")[0]: float(item.partition(";q=")[2]) for item in rest}
    assert set(weights) == set(IN_HEADERS) - {"adler32"}
    assert all(0 < weight < 1 for weight in weights.values())
    assert len(set(weights.values())) == len(weights)
