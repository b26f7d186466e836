"""Want-Digest and Digest: at the door and at the pool, one algorithm, adler32 by default (dcache.md 2)."""

import base64
import hashlib
import zlib

import pytest

PATH = "/lst/users/ada/sums.dat"
CONTENT = b"abcdef" * 999
ADLER = f"adler32={zlib.adler32(CONTENT):08x}"
MD5 = "md5=" + base64.b64encode(hashlib.md5(CONTENT).digest()).decode()
SHA = "sha=" + base64.b64encode(hashlib.sha1(CONTENT).digest()).decode()
SHA256 = "sha-256=" + base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()
SHA512 = "sha-512=" + base64.b64encode(hashlib.sha512(CONTENT).digest()).decode()


def want(names):
    return {"Want-Digest": names}


def upload(call, at_door=None, at_pool=None):
    ticket = call.upload_ticket(PATH, {"Content-Length": str(len(CONTENT)), **(at_door or {})})
    return call.bare("PUT", ticket, CONTENT, at_pool or {})


def test_only_adler32_is_kept_by_default(call):
    upload(call)
    known = [call.door("HEAD", PATH, headers=want(name))["Digest"] for name in ("adler32", "md5", "sha-256")]
    assert known == [ADLER, None, None]


def test_a_short_adler32_is_padded(box, call):
    box.files.put(PATH, b"a")
    assert call.door("HEAD", PATH, headers=want("adler32"))["Digest"] == "adler32=00620062"


@pytest.mark.parametrize(("name", "digest"), [("adler32", ADLER), ("md5", MD5), ("sha", SHA), ("SHA-256", SHA256)])
def test_the_pool_computes_what_the_upload_wants(call, name, digest):
    assert upload(call, at_pool=want(name))["Digest"] == digest
    assert call.door("HEAD", PATH, headers=want(name))["Digest"] == digest


def test_a_digest_wanted_at_the_door_only_is_stored_and_not_returned(call):
    assert upload(call, at_door=want("md5"))["Digest"] is None
    assert call.door("HEAD", PATH, headers=want("md5"))["Digest"] == MD5


def test_a_proxied_upload_returns_the_digest(call):
    assert call.door("PUT", PATH, CONTENT, want("adler32"))["Digest"] == ADLER
    assert call.door("PUT", PATH, CONTENT)["Digest"] is None


@pytest.mark.parametrize(
    ("wanted", "digest"),
    [
        ("adler32", ADLER),
        ("ADLER32", ADLER),
        ("adler32,md5", MD5),
        ("md5;q=0.1, adler32;q=0.5", ADLER),
        ("md5;q=0, adler32", ADLER),
        ("sha-512, adler32;q=0.1", ADLER),
        ("sha-512", None),
        ("nonsense", None),
    ],
)
def test_exactly_one_digest_is_returned(call, wanted, digest):
    upload(call, at_pool=want("md5"))
    assert call.door("HEAD", PATH, headers=want(wanted))["Digest"] == digest


def test_ties_go_to_the_strongest(call):
    assert upload(call, at_pool=want("md5,sha-256,sha-512,adler32"))["Digest"] == SHA512


@pytest.mark.parametrize(("at_door", "at_pool"), [(True, True), (True, False), (False, True), (False, False)])
def test_a_download_returns_the_digest_that_is_wanted_at_the_pool(call, at_door, at_pool):
    upload(call)
    ticket = call.ticket(PATH, want("adler32") if at_door else {})
    reply = call.bare("GET", ticket, headers=want("adler32") if at_pool else {})
    assert reply["Digest"] == (ADLER if at_pool else None)


def test_the_digest_of_a_range_is_that_of_the_whole_file(call):
    upload(call)
    reply = call.bare("GET", call.ticket(PATH, want("adler32")), headers={"Range": "bytes=0-9", **want("adler32")})
    assert (reply.status, reply["Digest"]) == (206, ADLER)
