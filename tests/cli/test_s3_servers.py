"""The commands at S3 servers that behave in their own ways; a stub before moto repeats each of them."""

from __future__ import annotations

import hashlib
import json
import random
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from servers import s3_quirks
from servers.moto import PART, MotoS3
from servers.s3_stub import S3Stub, error, s3_stub

from ctadata.retry import Retries

CONTENT = random.Random(3).randbytes(PART * 5 // 2)


@dataclass
class Site:
    """A bucket at a stub, and the command at it."""

    stub: S3Stub
    moto: MotoS3
    bucket: str
    run: Callable[..., Any]

    def __call__(self, *arguments: str, check: int | None = None) -> Any:
        return self.run(*arguments, check=check)

    @property
    def client(self) -> Any:
        return self.moto.client()


@pytest.fixture
def site(moto_s3: MotoS3, run, monkeypatch, tmp_path: Path) -> Iterator[Site]:
    with s3_stub(moto_s3.url) as stub:
        settings = tmp_path / "s3.toml"
        settings.write_text(
            f'default = "store"\n[profiles.store]\nkind = "s3"\nendpoint = "{stub.url}"\nregion = "{moto_s3.region}"\n'
        )
        monkeypatch.setenv("CTADATA_CONFIG", str(settings))
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", moto_s3.key.id)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", moto_s3.key.secret)
        monkeypatch.setattr("ctadata.stores.s3.multipart.DEFAULT_PART_SIZE", PART)
        monkeypatch.chdir(tmp_path)
        yield Site(stub, moto_s3, moto_s3.bucket(), run)


@pytest.mark.parametrize("says_so", [True, False], ids=["said", "silent"])
@pytest.mark.parametrize("content", [b"small", CONTENT], ids=["whole", "parts"])
def test_a_tag_that_is_no_md5_is_no_evidence(site, tmp_path, says_so, content):
    s3_quirks.encrypt_with_kms(site.stub, says_so=says_so)
    Path("a").write_bytes(content)
    assert site("put", "--receipt", "r.jsonl", "a", f"s3://{site.bucket}/", check=0)
    assert json.loads(Path("r.jsonl").read_text().splitlines()[-1])["verified"] == "size"
    site("get", "--receipt", "g.jsonl", f"s3://{site.bucket}/a", "b", check=0)
    assert Path("b").read_bytes() == content
    assert json.loads(Path("g.jsonl").read_text().splitlines()[-1])["verified"] == "size, md5"
    assert site("verify", "--remote", "r.jsonl", check=0)
    md5 = hashlib.md5(content).hexdigest()
    assert site("checksum", f"s3://{site.bucket}/a", check=0).out == f"{md5}  {site.bucket}/a\n"
    assert "1 file skipped" in site("put", "--checksum", "a", f"s3://{site.bucket}/", check=0).err


def get_and_name_proof(site: Site) -> str:
    """Get the object `a`, and return what the receipt says of its verification."""
    site("get", "--receipt", "g.jsonl", f"s3://{site.bucket}/a", "b", check=0)
    return json.loads(Path("g.jsonl").read_text().splitlines()[-1])["verified"]


def test_an_object_of_others_with_an_opaque_tag_has_its_size_only(site):
    s3_quirks.encrypt_with_kms(site.stub)
    s3_quirks.drop_headers(site.stub, "x-amz-checksum-crc32")
    site.client.put_object(Bucket=site.bucket, Key="a", Body=b"content")
    assert get_and_name_proof(site) == "size"
    assert "knows no checksum" in site("checksum", f"s3://{site.bucket}/a", check=2).err


def put_in_parts(site: Site, sizes: list[int], algorithm: str = "", kind: str = "") -> None:
    """Upload CONTENT as boto3 does, in parts of these sizes."""
    client, where = site.client, {"Bucket": site.bucket, "Key": "a"}
    more = {"ChecksumAlgorithm": algorithm, "ChecksumType": kind} if algorithm else {}
    upload = client.create_multipart_upload(**where, **more)["UploadId"]
    parts, start = [], 0
    for number, size in enumerate(sizes, 1):
        body = CONTENT[start : start + size]
        sums = {"ChecksumAlgorithm": algorithm} if algorithm else {}
        part = client.upload_part(**where, UploadId=upload, PartNumber=number, Body=body, **sums)
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
        start += size
    client.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": parts})


def test_the_tag_of_another_client_is_compared_only_if_its_parts_have_one_size(site):
    put_in_parts(site, [PART + 8192, PART + 8192, PART // 2 - 16384])
    assert get_and_name_proof(site) == f"size, md5-of-parts/{PART + 8192}"
    put_in_parts(site, [PART + 8192, PART + 1, PART // 2 - 8193])
    assert get_and_name_proof(site) == "size"
    assert Path("b").read_bytes() == CONTENT


@pytest.mark.parametrize("algorithm", ["SHA256", "CRC32"])
def test_the_checksum_of_the_parts_checksums_is_compared(site, algorithm):
    s3_quirks.encrypt_with_kms(site.stub)
    put_in_parts(site, [PART + 8192, PART + 8192, PART // 2 - 16384], algorithm, "COMPOSITE")
    name = {"SHA256": "sha-256"}.get(algorithm, algorithm.lower())
    assert get_and_name_proof(site) == f"size, {name}-of-parts/{PART + 8192}"
    digest = site("checksum", "--local", "b", f"s3://{site.bucket}/a", check=0).out.split()[0]
    assert digest.endswith("-3")
    Path("b").write_bytes(CONTENT[::-1])
    assert site("checksum", "--local", "b", f"s3://{site.bucket}/a", check=7)


@pytest.mark.parametrize("algorithm", ["crc64nvme", "crc32c", "sha-256"])
def test_the_stored_checksum_of_the_whole_object_is_compared(site, algorithm):
    s3_quirks.encrypt_with_kms(site.stub)
    name = {"sha-256": "SHA256"}.get(algorithm, algorithm.upper())
    site.client.put_object(Bucket=site.bucket, Key="a", Body=CONTENT, ChecksumAlgorithm=name)
    assert get_and_name_proof(site) == f"size, {algorithm}"
    s3_quirks.alter(site.stub, lambda asked, answer: (*answer[:2], answer[2].replace(CONTENT[-9:], bytes(9))))
    assert "instead of" in site("get", f"s3://{site.bucket}/a", "c", check=7).err
    assert not Path("c").exists()


def test_a_copy_in_other_parts_keeps_no_evidence_of_the_old_ones(site):
    """`aws s3 cp` copies the metadata of a large object, and chooses its own part size."""
    Path("a").write_bytes(CONTENT)
    site("put", "a", f"s3://{site.bucket}/from", check=0)
    client, where = site.client, {"Bucket": site.bucket, "Key": "a"}
    metadata = client.head_object(Bucket=site.bucket, Key="from")["Metadata"]
    upload = client.create_multipart_upload(**where, Metadata=metadata)["UploadId"]
    source, parts = {"Bucket": site.bucket, "Key": "from"}, []
    for number, span in enumerate([f"0-{2 * PART - 1}", f"{2 * PART}-{len(CONTENT) - 1}"], 1):
        more = {"PartNumber": number, "UploadId": upload, "CopySourceRange": f"bytes={span}"}
        tag = client.upload_part_copy(**where, CopySource=source, **more)["CopyPartResult"]["ETag"]
        parts.append({"PartNumber": number, "ETag": tag})
    client.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": parts})
    assert get_and_name_proof(site) == f"size, md5-of-parts/{2 * PART}"


@pytest.mark.parametrize(
    ("status", "code"), [(501, "NotImplemented"), (400, "InvalidArgument"), (403, "SignatureDoesNotMatch")]
)
def test_an_optional_header_that_is_refused_is_left_out_from_then_on(site, status, code):
    for key in ("d/a", "d/b", "d/c"):
        site.client.put_object(Bucket=site.bucket, Key=key, Body=b"content")
    s3_quirks.refuse_headers(site.stub, "x-amz-checksum-mode", status=status, code=code)
    site("get", "-r", "-j1", f"s3://{site.bucket}/d", "there", check=0)
    assert Path("there/d/c").read_bytes() == b"content"
    asked = [request for request in site.stub.asked if "x-amz-checksum-mode" in request.headers]
    assert len(asked) <= 2
    assert "size" in site("stat", f"s3://{site.bucket}/d/a", check=0).out
    assert "no such file" in site("stat", f"s3://{site.bucket}/none", check=3).err


def test_a_refusal_for_another_reason_costs_one_request_more_and_no_header(site):
    s3_quirks.refuse_headers(site.stub, "authorization", status=400, code="InvalidRequest")
    site("get", f"s3://{site.bucket}/d/a", "x", check=1)
    assert site.stub.asked[-1].headers.get("x-amz-checksum-mode") is None


LARGE = random.Random(4).randbytes(3 << 20)


def put_large_files(site: Site, monkeypatch) -> None:
    """Upload files that are divided among streams."""
    monkeypatch.setattr("ctadata.transfer.segmented_download.DIVIDED_FROM", len(LARGE))
    monkeypatch.setattr("ctadata.transfer.segments.SMALLEST", 1 << 20)
    monkeypatch.setattr("ctadata.transfer.segments.GRID", 1 << 20)
    for key in ("d/a", "d/b"):
        site.client.put_object(Bucket=site.bucket, Key=key, Body=LARGE)


def test_a_range_that_is_answered_with_200_is_a_range(site, monkeypatch):
    put_large_files(site, monkeypatch)
    s3_quirks.answer_ranges_with_200(site.stub)
    site("get", "-r", "-j4", f"s3://{site.bucket}/d", "there", check=0)
    assert Path("there/d/a").read_bytes() == LARGE
    assert all("range" in asked.headers for asked in site.stub.requests("GET", "/d/"))
    assert site("cat", "--range", "5-9", f"s3://{site.bucket}/d/a", check=0).out.encode("latin-1", "replace")


def test_a_server_that_ignores_ranges_gets_one_stream_for_each_file(site, monkeypatch):
    put_large_files(site, monkeypatch)
    s3_quirks.ignore_ranges(site.stub)
    site("get", "-r", "-j1", f"s3://{site.bucket}/d", "one", check=0)
    assert len(site.stub.requests("GET", "/d/")) == 2
    site.stub.asked.clear()
    site("get", "-r", "-j4", f"s3://{site.bucket}/d", "there", check=0)
    assert (Path("there/d/a").read_bytes(), Path("there/d/b").read_bytes()) == (LARGE, LARGE)
    ranged = [asked for asked in site.stub.requests("GET", "/d/") if "range" in asked.headers]
    assert len(site.stub.requests("GET", "/d/")) - len(ranged) == 2


@pytest.mark.parametrize("key", ["signed", "anonymous"])
def test_what_may_not_be_listed_is_never_said_to_be_missing(site, key, monkeypatch):
    for name in ("d/a", "e/b"):
        site.client.put_object(Bucket=site.bucket, Key=name, Body=b"x")
    s3_quirks.allow_prefix_only(site.stub, site.bucket, "d/")
    if key == "anonymous":
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.setenv("CTADATA_ANONYMOUS", "true")
    here = f"s3://{site.bucket}"
    assert site("list", f"{here}/d", check=0).out == f"{site.bucket}/d/a\n"
    assert site("stat", f"{here}/d/none", check=3)
    for verb in (["list"], ["find"], ["du"], ["tree"], ["get", "-r"], ["stat"], ["exists"]):
        for place in (here, f"{here}/e", f"{here}/none"):
            end = site(*verb, place, check=4)
            assert "listed" in end.err
            assert ("needs an access key" in end.err) == (key == "anonymous")


def test_a_key_that_may_create_buckets_and_not_see_them_creates_one(site):
    s3_quirks.refuse_requests(site.stub, "HEAD", 403)
    site("make-bucket", f"{site.bucket}-new", check=0)
    assert site.client.head_bucket(Bucket=f"{site.bucket}-new")
    assert "exists already" in site("make-bucket", site.bucket, check=8).err


@pytest.mark.parametrize("size", [1, len(CONTENT)])
def test_a_key_that_may_write_and_not_look_uploads_where_tags_are_no_md5(site, size):
    """The server has compared the MD5 that is sent along, and the receipt names no comparison of ours."""
    s3_quirks.encrypt_with_kms(site.stub)
    for method, part in (("HEAD", "/d/"), ("GET", "/d/"), ("GET", "prefix=d"), ("GET", "uploads")):
        site.stub.answer(method, part, 403, "AccessDenied")
    Path("a").write_bytes(CONTENT[:size])
    end = site("put", "--json", "a", f"s3://{site.bucket}/d/", check=0)
    assert json.loads(end.out)["verified"] == ""
    assert all("content-md5" in asked.headers for asked in site.stub.requests("PUT", "/d/a")[-3:])
    assert site.client.get_object(Bucket=site.bucket, Key="d/a")["Body"].read() == CONTENT[:size]


def test_settings_that_a_server_takes_for_something_else_are_unsupported(site):
    s3_quirks.misunderstand_settings_of_buckets(site.stub)
    for option in ("--public-read", "--website"):
        assert "cannot do this: it answers" in site("make-bucket", option, site.bucket, check=2).err
    info = json.loads(site("bucket-info", "--json", site.bucket, check=0).out)
    assert (info["policy"], info["website"], info["cors"]) == ("not supported", "not supported", None)
    site.stub.answer("PUT", "?website", 400, "MalformedXML")  # MinIO
    err = site("make-bucket", "--website", site.bucket, check=2).err
    assert "cannot do this: it answers 400 MalformedXML" in err


@pytest.mark.parametrize("quiet", [True, False])
@pytest.mark.parametrize("verb", ["list", "stat", "get", "put", "share", "make-bucket"])
def test_the_region_is_learnt_from_the_answer_to_the_first_request(site, monkeypatch, verb, quiet):
    site.client.put_object(Bucket=site.bucket, Key="d/a", Body=b"x")
    Path("b").write_bytes(b"b")
    s3_quirks.live_in_region(site.stub, site.moto.region, quiet=quiet)
    monkeypatch.setenv("CTADATA_REGION", "us-west-2")
    here = f"s3://{site.bucket}/d"
    arguments = {"list": [here], "put": ["b", f"{here}/"], "make-bucket": [f"{site.bucket}-2"]}
    end = site(verb, *arguments.get(verb, [f"{here}/a"]), check=0)
    signed = ["/us-west-2/" in asked.headers["authorization"] for asked in site.stub.asked]
    assert signed.index(False) <= 3
    assert not any(signed[signed.index(False) :])
    assert verb != "share" or f"%2F{site.moto.region}%2Fs3" in end.out


def test_a_region_that_no_answer_names_is_set_in_the_profile(site, monkeypatch):
    monkeypatch.setenv("CTADATA_REGION", "us-west-2")
    site.stub.answer("PUT", site.bucket, 400, "IllegalLocationConstraintException")
    end = site("make-bucket", f"{site.bucket}-3", check=4)
    assert "us-west-2" in end.err
    assert "region in the profile" in end.err


@pytest.mark.parametrize("code", ["InvalidTokenId", "InvalidToken", "ExpiredToken", "InvalidClientTokenId"])
def test_a_session_token_that_is_refused_is_expired_or_wrong(site, code):
    for method in ("GET", "HEAD", "PUT"):
        site.stub.answer(method, "", 403 if code.endswith("Id") else 400, code)
    Path("b").write_bytes(b"b")
    here = f"s3://{site.bucket}/"
    for arguments in (["list", here], ["get", f"{here}a"], ["put", "b", here]):
        end = site(*arguments, check=4)
        assert "expired" in end.err
        assert "credentials import" in end.err


def test_a_link_does_not_promise_to_outlive_its_key(site, monkeypatch):
    site.client.put_object(Bucket=site.bucket, Key="a", Body=b"x")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a-token")
    link = site("share", "--expires", "3h", f"s3://{site.bucket}/a", check=0)
    assert "X-Amz-Expires=10800" in link.out
    assert "ends with it" in link.err
    ends = datetime.now(UTC) + timedelta(hours=1)
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", ends.strftime("%Y-%m-%dT%H:%M:%SZ"))
    link = site("share", "--expires", "3h", f"s3://{site.bucket}/a", check=0)
    assert 3000 < int(re.search("X-Amz-Expires=([0-9]+)", link.out)[1]) <= 3600
    until = datetime.fromisoformat(re.search(r"until (\S+)", link.err)[1])
    assert timedelta(seconds=-60) < until - ends <= timedelta(0)
    assert "ends early" in link.err


@pytest.fixture
def no_pauses(monkeypatch):
    """Wait for nothing between two attempts; their number stays the same."""
    pause = Retries.pause
    monkeypatch.setattr(Retries, "pause", lambda *call: None if pause(*call) is None else 0.0)


def test_a_server_that_is_always_busy_gets_one_budget_of_attempts(site, no_pauses):
    for method in ("GET", "HEAD", "PUT", "POST", "DELETE"):
        site.stub.answer(method, "", 503, "SlowDown")
    here, attempts = f"s3://{site.bucket}/d", Retries().busy_attempts
    for verb in (["list"], ["get", "-r"], ["rm", "-r", "--yes"], ["du"], ["checksum"], ["share"]):
        site.stub.asked.clear()
        site(*verb, here, check=5)
        assert len(site.stub.asked) == attempts
    for method in ("GET", "HEAD"):
        site.stub.faults = [fault for fault in site.stub.faults if fault.method != method]
    Path("u").mkdir()
    for number in range(5):
        Path(f"u/{number}").write_bytes(b"%d" % number)
    for arguments, most in ((["u/1"], attempts), (["-r", "-j1", "u"], attempts + 4)):
        site.stub.asked.clear()
        site("put", *arguments, f"{here}/", check=5)
        assert len(site.stub.requests("PUT")) == most


def test_what_the_server_drops_is_a_failure(site):
    Path("a").write_bytes(b"a")
    Path("b").write_bytes(b"b")
    here = f"s3://{site.bucket}/"
    asked = {"--redirect-to": "/b", "--sse": "aws:kms", "--storage-class": "STANDARD_IA", "--tags": "state=raw"}
    asked["--cache-control"] = "max-age=60"
    site("put", "--redirect-to", "/b", "a", f"{here}c", check=0)
    site.stub.forget()
    site("put", "-j1", "--sse", "aws:kms", "--tags", "state=raw", "a", "b", here, check=0)
    assert len(site.stub.requests("GET", "tagging")) == 1  # a bucket that has kept all is not asked again
    site("put", "--storage-class", "STANDARD", "a", f"{here}d", check=0)
    dropped = ("website-redirect-location", "server-side-encryption", "storage-class")
    s3_quirks.drop_headers(site.stub, "cache-control", *(f"x-amz-{name}" for name in dropped))
    s3_quirks.alter(site.stub, lambda asked, answer: (*answer[:2], answer[2].replace(b"raw", b"old")))
    words = {"--redirect-to": "keeps no redirects", "--sse": "has not encrypted it", "--tags": "keeps no tags"}
    words |= {"--storage-class": "in another storage class", "--cache-control": "keeps no such header"}
    for option, value in asked.items():
        assert words[option] in site("put", option, value, "a", f"{here}{option}", check=2).err


@pytest.mark.parametrize(
    "address",
    ["s3://a b/x", "s3://b\u00fccket/", f"s3://{'b' * 300}/x", "s3://a\\b/x", f"s3://bucket/{'k' * 1025}"],
)
def test_a_name_that_no_server_can_have_is_refused_unsent(site, address):
    Path("a").write_bytes(b"a")
    for arguments in (["list", address], ["get", address, "b"], ["put", "a", address], ["rm", address]):
        end = site(*arguments, check=2)
        assert len(end.err.splitlines()) <= 3
        assert len(end.err) < 3000
    assert site.stub.asked == []


def test_who_pays_for_requests_says_so_in_each_of_them(site, monkeypatch):
    """A bucket of Amazon whose requesters pay refuses all others."""
    s3_quirks.require_a_payer(site.stub)
    Path("a").write_bytes(CONTENT)
    here = f"s3://{site.bucket}"
    assert "requester_pays = true" in site("list", here, check=4).err
    monkeypatch.setenv("CTADATA_REQUESTER_PAYS", "true")
    site("put", "a", f"{here}/d/", check=0)
    site("list", f"{here}/d", check=0)
    site("get", f"{here}/d/a", "b", check=0)
    site("stat", f"{here}/d/a", check=0)
    site("mv", f"{here}/d/a", f"{here}/d/b", check=0)
    url = site("share", f"{here}/d/b", check=0).out.strip()
    assert "x-amz-request-payer=requester" in url
    assert urllib.request.urlopen(url).read() == CONTENT
    site("rm", "-r", "--yes", f"{here}/d", check=0)
    site("remove-bucket", here, check=0)


def see(site: Site, here: str, *verbs: tuple[str, ...]) -> str:
    return "".join(site(*verb, here, check=0).out for verb in verbs)


def test_an_object_and_an_empty_directory_of_one_name_are_the_object(site):
    for key, body in (("d/a/", b""), ("d/a", b"file"), ("d/b", b"x"), ("d/b/c", b"below")):
        site.client.put_object(Bucket=site.bucket, Key=key, Body=body)
    here = f"s3://{site.bucket}/d"
    seen = see(site, here, ("list",), ("tree",), ("find",), ("du",))
    assert f"{site.bucket}/d/a\n" in seen
    assert f"{site.bucket}/d/a/" not in seen
    assert f"{site.bucket}/d/b/\n" in seen
    end = site("get", "-r", here, "there", check=6)  # b is both with something below
    assert Path("there/d/a").read_bytes() == b"file"
    assert f"failed /{site.bucket}/d/b" in end.err
    assert f"failed /{site.bucket}/d/a" not in end.err
    site("rm", "-r", "--yes", here, check=0)
    assert "Contents" not in site.client.list_objects_v2(Bucket=site.bucket)


def test_a_mark_without_a_slash_is_a_directory(site):
    s3_quirks.keep_directories_as_s3proxy(site.stub)
    here = f"s3://{site.bucket}/d"
    site("mkdir", f"{here}/empty", check=0)
    site("mkdir", f"{here}/empty/below", check=0)
    site("rmdir", f"{here}/empty/below", check=0)
    Path("u").mkdir()
    Path("u/a").write_bytes(b"a")
    Path("u/empty").mkdir()
    site("put", "-r", "u/", here, check=0)
    assert f"{site.bucket}/d/empty/\n" in see(site, here, ("list",), ("tree",), ("find",), ("list", "-r"))
    assert site("stat", f"{here}/empty", check=0).out.startswith(f"{site.bucket}/d/empty/\n")
    assert site("list", f"{here}/empty", check=0).out == ""
    site("get", "-r", here, "there", check=0)
    assert sorted(each.name for each in Path("there/d").iterdir()) == ["a", "empty"]
    site("put", "u/a", f"{here}/empty", check=0)
    assert f"{site.bucket}/d/empty/a\n" in see(site, here, ("list", "-r"))
    assert "1 directory" in site("rm", "-r", "-n", f"{here}/empty", check=0).out
    site("rm", "-r", "--yes", here, check=0)
    deleted = [re.findall("<Key>(.*?)</Key>", asked.body.decode()) for asked in site.stub.requests("POST", "delete")]
    assert deleted == [["d/a", "d/empty/a", "d/empty/"]]


def asked_by(site: Site, *arguments: str, check: int = 0) -> list[str]:
    """Run a command, and return the methods of its requests."""
    site.stub.asked.clear()
    site(*arguments, check=check)
    return [asked.method for asked in site.stub.asked]


def test_no_command_sends_more_requests_than_it_needs(site):
    here = f"s3://{site.bucket}/d"
    for number in range(12):
        site.client.put_object(Bucket=site.bucket, Key=f"d/{number:02}", Body=b"x")
    assert asked_by(site, "list", here) == ["GET"]
    assert asked_by(site, "list", "-r", here) == ["GET"]
    assert asked_by(site, "list", f"{here}/00") == ["GET", "HEAD", "HEAD"]  # a file
    assert asked_by(site, "stat", f"{here}/00") == ["HEAD", "GET"]  # the tags
    assert asked_by(site, "rm", f"{here}/00") == ["HEAD", "DELETE"]
    for get in (["get", f"{here}/01"], ["get", "-j1", f"{here}/01", "x"], ["cat", f"{here}/01"]):
        assert asked_by(site, *get) == ["GET"]
    assert asked_by(site, "get", f"{here}/01") == ["HEAD"]  # equal already
    assert asked_by(site, "get", here, "y", check=2) == ["GET", "HEAD", "GET"]  # a directory
    assert asked_by(site, "rm", "-r", "--yes", here) == ["HEAD", "GET", "GET", "POST"]


def test_one_request_for_an_alias_tells_its_file_and_a_bucket_is_none(site):
    site.client.put_object(Bucket=site.bucket, Key="real", Body=b"real", Metadata={"mtime": "1600000000"})
    site.client.put_object(Bucket=site.bucket, Key="other", WebsiteRedirectLocation="/real")
    asked_by(site, "get", f"s3://{site.bucket}/other", "x")
    assert (Path("x").read_bytes(), Path("x").stat().st_mtime) == (b"real", 1_600_000_000)
    assert "it is a directory" in site("get", f"s3://{site.bucket}", "y", check=2).err
    s3_quirks.refuse_requests(site.stub, "GET", 403)
    site.stub.asked.clear()
    site("get", f"s3://{site.bucket}/real", "z", check=4)
    assert not Path("z").exists()


@pytest.mark.soak
def test_a_listing_costs_one_request_for_each_page(site, monkeypatch, count):
    """A page has at most 1000 keys, and 5 of them in the short run."""
    keys = count(25, 5000)
    if keys < 1000:
        monkeypatch.setattr("ctadata.stores.s3.pages.PAGE", 5)
        monkeypatch.setattr("ctadata.stores.s3.pages.list_pages.__kwdefaults__", {"delimiter": "", "most": 5})
    for number in range(keys):
        site.client.put_object(Bucket=site.bucket, Key=f"d/{number:04}", Body=b"")
    asked = asked_by(site, "list", f"s3://{site.bucket}/d")
    assert asked == ["GET"] * 5


def test_a_put_is_one_request_where_the_server_is_proven_to_replace_nothing(site):
    """The proof is a 412 to an upload that replaced a file on purpose; a later run sends a new file unseen."""
    here = f"s3://{site.bucket}/d/"
    for name in ("a", "b", "c", "large"):
        Path(name).write_bytes(name.encode() * (1 << 21 if name == "large" else 1))
    assert asked_by(site, "put", "a", here) == ["HEAD", "PUT"]
    Path("a").write_bytes(b"other")
    assert asked_by(site, "put", "a", here) == ["HEAD", "PUT", "PUT"]  # the server says that it honours the condition
    assert site.stub.asked[1].headers["if-none-match"] == "*"
    assert asked_by(site, "put", "b", here) == ["PUT"]
    assert asked_by(site, "put", "b", here) == ["HEAD"]  # the record says that it was sent
    assert asked_by(site, "put", "large", here)[0] == "HEAD"
    Path("a").write_bytes(b"third")
    assert asked_by(site, "put", "a", here) == ["HEAD", "PUT"]
    site.client.put_object(Bucket=site.bucket, Key="d/c", Body=b"of somebody else")
    assert asked_by(site, "put", "--no-clobber", "c", here, check=8) == ["PUT", "HEAD"]
    assert site.client.get_object(Bucket=site.bucket, Key="d/c")["Body"].read() == b"of somebody else"
    assert asked_by(site, "put", "c", here) == ["PUT", "HEAD", "PUT"]
    assert site.client.get_object(Bucket=site.bucket, Key="d/c")["Body"].read() == b"c"
    other = site.moto.bucket()
    assert asked_by(site, "put", "b", f"s3://{other}/") == ["HEAD", "PUT"]  # nothing is known of another bucket


def test_where_tags_are_no_md5_an_upload_is_looked_at_once(site):
    s3_quirks.encrypt_with_kms(site.stub)
    Path("a").write_bytes(b"a")
    assert asked_by(site, "put", "a", f"s3://{site.bucket}/d/") == ["HEAD", "PUT", "HEAD"]


def test_a_server_that_ignores_the_condition_is_asked_first(site):
    s3_quirks.ignore_headers(site.stub, "if-none-match")
    here = f"s3://{site.bucket}/d/"
    for content in (b"1", b"22", b"333"):
        Path("a").write_bytes(content)
        assert asked_by(site, "put", "a", here) == ["HEAD", "PUT"]
        assert site.client.get_object(Bucket=site.bucket, Key="d/a")["Body"].read() == content


@pytest.mark.parametrize(("status", "code"), [(501, "NotImplemented"), (400, "InvalidArgument")])
def test_a_server_that_refuses_the_condition_gets_it_once(site, status, code):
    s3_quirks.refuse_headers(site.stub, "if-none-match", status=status, code=code)
    here = f"s3://{site.bucket}/d/"
    for name in ("a", "b"):
        Path(name).write_bytes(name.encode())
    assert asked_by(site, "put", "a", here) == ["HEAD", "PUT", "HEAD", "PUT"]
    assert asked_by(site, "put", "b", here) == ["HEAD", "HEAD", "PUT"]  # the second look is just before the upload
    Path("large").write_bytes(CONTENT)
    site("put", "large", here, check=0)
    assert not [asked for asked in site.stub.asked if "if-none-match" in asked.headers]
    assert site("get", "-r", here, "back", check=0)
    assert Path("back/large").read_bytes() == CONTENT


def put_new(site: Site, name: str, content: bytes, target: str, *options: str, check: int = 0) -> list[str]:
    """Write a local file, put it, and return the methods of the requests."""
    Path(name).write_bytes(content)
    return asked_by(site, "put", *options, name, f"s3://{site.bucket}/{target}", check=check)


def content_of(site: Site, key: str) -> bytes:
    return site.client.get_object(Bucket=site.bucket, Key=key)["Body"].read()


def test_one_listing_tells_whether_a_full_name_is_free_an_object_or_a_directory(site):
    for key in ("d/dir/x", "d/dir-1", "d/dir!", "d/both", "d/both/x", "d/taken"):
        site.client.put_object(Bucket=site.bucket, Key=key, Body=b"before")
    assert put_new(site, "a", b"a", "d/free") == ["GET", "PUT"]
    assert put_new(site, "large.h5", bytes(2 << 20), "d/free2")[:2] == ["GET", "GET"]  # it has parts here
    assert put_new(site, "a", b"a", "d/free") == ["GET"]  # the record says that it is equal
    assert put_new(site, "b", b"b", "d/dir") == ["GET", "HEAD", "PUT"]  # the directory's name came first
    assert content_of(site, "d/dir/b") == b"b"
    assert put_new(site, "b", b"before", "d/taken") == ["GET", "HEAD"]  # the tag of a HEAD says that they are equal
    assert put_new(site, "b", b"another", "d/taken", "--no-clobber", check=8) == ["GET"]
    assert put_new(site, "b", b"another", "d/taken") == ["GET", "PUT", "PUT"]  # the proof, once
    assert put_new(site, "b", b"yet another", "d/taken") == ["GET", "PUT"]
    assert put_new(site, "b", b"the object", "d/both") == ["GET", "PUT"]  # the name means the object
    assert (content_of(site, "d/both"), content_of(site, "d/both/x")) == (b"the object", b"before")


def test_a_directory_behind_many_similar_names_is_found(site, monkeypatch):
    monkeypatch.setattr("ctadata.stores.s3.listing.SIMILAR", 3)
    for key in ("d/run-1", "d/run-2/x", "d/run!", "d/run.log", "d/run/x"):
        site.client.put_object(Bucket=site.bucket, Key=key, Body=b"x")
    assert put_new(site, "b", b"b", "d/run") == ["GET", "HEAD", "GET", "HEAD", "PUT"]
    assert content_of(site, "d/run/b") == b"b"
    site.client.put_object(Bucket=site.bucket, Key="d/run", Body=b"x")
    assert put_new(site, "b", b"bb", "d/run") == ["GET", "PUT", "PUT"]
    assert content_of(site, "d/run") == b"bb"


def test_a_full_name_that_ends_as_the_file_does_is_one_request_where_the_server_is_proven(site):
    site.client.put_object(Bucket=site.bucket, Key="d/a.h5/below", Body=b"x")
    assert put_new(site, "a.h5", b"1", "d/b.h5") == ["HEAD", "PUT"]
    assert put_new(site, "a.h5", b"22", "d/b.h5") == ["HEAD", "PUT", "PUT"]
    assert put_new(site, "c.h5", b"c", "d/new.h5") == ["PUT"]
    assert put_new(site, "c", b"c", "d/c") == ["PUT"]
    assert put_new(site, "c", b"c", "d/c") == ["HEAD"]
    assert put_new(site, "large.h5", bytes(2 << 20), "d/e.h5")[0] == "HEAD"
    assert put_new(site, "v1.2", b"c", "d/v2.2")[0] == "GET"  # no ending but a number
    assert put_new(site, "a.h5", b"a", "d/a.h5") == ["PUT"]
    assert content_of(site, "d/a.h5") == b"a"


def test_a_key_that_may_write_and_not_list_puts_to_a_full_name(site):
    site.stub.answer("GET", "prefix=", 403, "AccessDenied")
    assert put_new(site, "a", b"a", "d/name") == ["GET", "HEAD", "PUT"]
    assert content_of(site, "d/name") == b"a"
    assert put_new(site, "a", b"another", "d/name", "--no-clobber", check=8)
    assert content_of(site, "d/name") == b"a"


def test_a_server_that_lists_no_names_but_of_directories_is_asked_as_before(site):
    """Directory buckets of Amazon refuse a prefix that does not end with a slash."""
    site.client.put_object(Bucket=site.bucket, Key="d/dir/x", Body=b"x")
    refused, real = (400, [("Content-Type", "application/xml")], error("InvalidRequest")), site.stub.pass_on
    site.stub.pass_on = lambda asked: refused if asked.target.endswith("prefix=d%2Fdir") else real(asked)
    assert put_new(site, "b", b"b", "d/dir") == ["GET", "HEAD", "GET", "HEAD", "PUT"]
    assert content_of(site, "d/dir/b") == b"b"


def test_a_copy_and_a_rename_look_once_at_each_name(site, tmp_path):
    """The source's headers go into the copy, the target may be a directory or taken, and the copy is compared."""
    for key in ("d/a", "d/b", "d/dir/x"):
        site.client.put_object(Bucket=site.bucket, Key=key, Body=key.encode())
    other, here = site.moto.bucket(), f"store:{site.bucket}/d"
    copy, taken = ["HEAD", "GET", "PUT", "HEAD"], ["HEAD", "GET"]
    assert asked_by(site, "copy", f"{here}/a", f"{here}/c") == copy
    assert asked_by(site, "copy", f"{here}/a", f"store:{other}/c") == copy
    assert asked_by(site, "copy", f"{here}/a", f"{here}/c") == taken  # equal already
    assert asked_by(site, "copy", "--no-clobber", f"{here}/b", f"{here}/c", check=8) == taken
    assert asked_by(site, "copy", f"{here}/dir/x", f"{here}/c") == copy  # replaced
    assert content_of(site, "d/c") == b"d/dir/x"
    assert asked_by(site, "copy", f"{here}/a", f"{here}/dir") == ["HEAD", "GET", "GET", "PUT", "HEAD"]
    assert asked_by(site, "mv", f"{here}/c", f"{here}/e") == [*copy, "DELETE"]
    assert asked_by(site, "mv", f"{here}/a", f"{here}/e", check=8) == taken
    assert content_of(site, "d/e") == b"d/dir/x"
    assert asked_by(site, "mv", "-f", f"{here}/a", f"{here}/e") == [*copy, "DELETE"]
    assert content_of(site, "d/e") == b"d/a"
    assert asked_by(site, "mv", f"{here}/e", f"{here}/dir") == ["HEAD", "GET", "GET", "PUT", "HEAD", "DELETE"]
    assert content_of(site, "d/dir/e") == b"d/a"


def test_a_source_that_changes_after_the_look_is_not_copied(site):
    """The copy carries the tag that was seen, and nothing is deleted."""
    site.client.put_object(Bucket=site.bucket, Key="d/a", Body=b"first")
    real = site.stub.pass_on

    def pass_on(asked):
        if asked.method == "PUT":
            site.client.put_object(Bucket=site.bucket, Key="d/a", Body=b"second")
        return real(asked)

    site.stub.pass_on = pass_on
    end = site("mv", f"s3://{site.bucket}/d/a", f"s3://{site.bucket}/d/b")
    assert end.code
    assert [item["Key"] for item in site.client.list_objects_v2(Bucket=site.bucket)["Contents"]] == ["d/a"]
    assert content_of(site, "d/a") == b"second"


SMALL_PARTS = """
import sys
from ctadata.__main__ import main
from ctadata.stores.s3 import multipart

multipart.DEFAULT_PART_SIZE = int(sys.argv.pop(1))
sys.argv[0] = "cta-data-direct"
main()
"""


def interrupt_in(site: Site, request: str, *arguments: str) -> str:
    """Start a command, send it SIGINT when the server has answered this request, and return what it wrote."""
    interrupted, real = threading.Event(), site.stub.pass_on

    def pass_on(asked):
        answer = real(asked)
        if request in asked.target and not interrupted.is_set():
            interrupted.set()
            process.send_signal(signal.SIGINT)
        return answer

    site.stub.pass_on = pass_on
    command = [sys.executable, "-c", SMALL_PARTS, str(PART), *arguments]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    _, err = process.communicate(timeout=300)
    site.stub.pass_on = real
    assert process.returncode == 130, err
    return err


def parts_of(site: Site) -> list[int]:
    """Return the numbers of the parts that the server got since the last `forget`, in order."""
    asked = [re.search("partNumber=([0-9]+)", each.target) for each in site.stub.requests("PUT")]
    return sorted(int(found[1]) for found in asked if found)


@pytest.mark.parametrize("options", [(), ("--metadata", "run=8")], ids=["plain", "described"])
def test_after_ctrl_c_the_same_command_continues_a_large_upload(site, options):
    """The parts that have arrived stay, and the last lines say so."""
    content = random.Random(5).randbytes(12 * PART)
    Path("a").write_bytes(content)
    command = ("put", "-j1", *options, "a", f"s3://{site.bucket}/d/")
    err = interrupt_in(site, "partNumber=3", *command)
    assert f"/{site.bucket}/d/a: its parts stay on the storage for the same command" in err
    assert err.splitlines()[-1].endswith("stopped")
    assert "the same command continues" in err
    [upload] = site.client.list_multipart_uploads(Bucket=site.bucket)["Uploads"]
    arrived = {part["PartNumber"] for part in site.client.list_parts(
        Bucket=site.bucket, Key="d/a", UploadId=upload["UploadId"])["Parts"]}  # fmt: skip
    site.stub.forget()
    site(*command, check=0)
    assert arrived
    assert set(parts_of(site)) == set(range(1, 13)) - arrived
    assert content_of(site, "d/a") == content
    assert "Uploads" not in site.client.list_multipart_uploads(Bucket=site.bucket)


@pytest.mark.parametrize("number", [0, -1, 10_001])
def test_a_part_with_an_impossible_number_is_none_of_this_file(site, number):
    """The unfinished upload that has such a part is not continued, and stays."""
    Path("a").write_bytes(CONTENT)
    upload = site.client.create_multipart_upload(Bucket=site.bucket, Key="a")["UploadId"]
    md5, now = hashlib.md5(CONTENT[:PART]).hexdigest(), datetime.now(UTC).isoformat()
    part = f"<PartNumber>{number}</PartNumber><Size>{PART}</Size><ETag>{md5}</ETag><LastModified>{now}</LastModified>"
    body = f"<ListPartsResult><Part>{part}</Part></ListPartsResult>".encode()
    site.stub.answer("GET", "uploadId", 200, body=body)
    site("put", "a", f"s3://{site.bucket}/", check=0)
    assert parts_of(site) == [1, 2, 3]
    assert content_of(site, "a") == CONTENT
    left = site.client.list_multipart_uploads(Bucket=site.bucket)["Uploads"]
    assert [each["UploadId"] for each in left] == [upload]


def joined(tag: str) -> bytes:
    """An answer that says that the parts are joined to an object with this tag; Ceph's tag is empty."""
    root = "CompleteMultipartUploadResult"
    return f"<{root}><Bucket>b</Bucket><Key>a</Key><ETag>{tag}</ETag></{root}>".encode()


MD5S = b"".join(hashlib.md5(CONTENT[start : start + PART]).digest() for start in range(0, len(CONTENT), PART))
LIES = {"right": f'"{hashlib.md5(MD5S).hexdigest()}-3"', "of parts": f'"{"0" * 32}-3"', "other": "other", "empty": ""}


@pytest.mark.parametrize("tag", LIES.values(), ids=LIES)
@pytest.mark.parametrize("old", [CONTENT[::-1], None], ids=["replaced", "new"])
@pytest.mark.parametrize("encrypted", [True, False], ids=["encrypted", "plain"])
def test_parts_that_are_not_joined_are_no_file_whatever_the_answer_says(site, tag, old, encrypted):
    """The object that has the name has the size of the file; the server still has the parts, and the next run joins."""
    if encrypted:
        s3_quirks.encrypt_with_kms(site.stub)
    if old:
        site.client.put_object(Bucket=site.bucket, Key="a", Body=old)
    Path("a").write_bytes(CONTENT)
    fault = site.stub.answer("POST", "uploadId", 200, body=joined(tag))
    failed = site("put", "--receipt", "r.jsonl", "a", f"s3://{site.bucket}/", check=5)
    assert "joined the parts, and still has them" in failed.err
    assert json.loads(Path("r.jsonl").read_text().splitlines()[-1])["state"] == "failed"
    assert not old or content_of(site, "a") == old
    fault.times = 0
    site.stub.asked.clear()
    site("put", "a", f"s3://{site.bucket}/", check=0)
    assert parts_of(site) == []
    assert content_of(site, "a") == CONTENT


ANSWERS = [{}, {"ETag": '"other"'}, {"ETag": f'"{"0" * 32}"'}]


@pytest.mark.parametrize("headers", ANSWERS, ids=["no tag", "other tag", "other md5"])
def test_an_object_that_is_not_stored_is_no_file_whatever_the_answer_says(site, headers):
    site.client.put_object(Bucket=site.bucket, Key="a", Body=b"theirs")
    Path("a").write_bytes(b"mine  ")
    fault = site.stub.answer("PUT", "/a", 200, headers=headers, body=b"<html></html>")
    assert "not confirmed the upload" in site("put", "a", f"s3://{site.bucket}/", check=5).err
    assert content_of(site, "a") == b"theirs"
    fault.passed_on = True
    site.client.delete_object(Bucket=site.bucket, Key="a")
    site("put", "a", f"s3://{site.bucket}/", check=0)
    assert content_of(site, "a") == b"mine  "
    assert "1 file skipped" in site("put", "a", f"s3://{site.bucket}/", check=0).err


@pytest.mark.parametrize("tag", ["", f'"{"0" * 32}-3"'], ids=["empty", "kept nowhere"])
def test_what_another_client_writes_over_joined_parts_is_not_this_file(site, tag):
    Path("a").write_bytes(CONTENT)
    theirs = CONTENT[::-1]
    s3_quirks.call_after(
        site.stub, "POST", "uploadId", lambda: site.client.put_object(Bucket=site.bucket, Key="a", Body=theirs)
    )
    site.stub.answer("POST", "uploadId", 200, body=joined(tag), passed_on=True, times=1)
    site("put", "a", f"s3://{site.bucket}/", check=0)
    assert content_of(site, "a") == theirs
    site("put", "a", f"s3://{site.bucket}/", check=0)
    assert content_of(site, "a") == CONTENT


@pytest.mark.parametrize("dropped", [(), ("x-amz-meta-ctadata-part-size", "x-amz-meta-mtime")], ids=["kept", "dropped"])
def test_a_server_whose_answer_and_object_have_other_tags_is_believed(site, dropped):
    """`rclone serve s3` keeps the metadata; a server may keep none."""

    def change(asked, answer):
        status, headers, body = answer
        if asked.method != "HEAD":
            return answer
        return status, [(name, '"third"' if name.lower() == "etag" else value) for name, value in headers], body

    s3_quirks.alter(site.stub, change)
    s3_quirks.drop_headers(site.stub, *dropped)
    Path("a").write_bytes(CONTENT)
    site.stub.answer("POST", "uploadId", 200, body=joined("other"), passed_on=True)
    site("put", "a", f"s3://{site.bucket}/", check=0)
    assert content_of(site, "a") == CONTENT
    assert len(site.stub.requests("GET", "uploadId")) == 1


@pytest.mark.parametrize("encrypted", [True, False], ids=["encrypted", "plain"])
def test_a_large_upload_that_is_joined_costs_one_look_at_the_object(site, encrypted):
    if encrypted:
        s3_quirks.encrypt_with_kms(site.stub)
    site.client.put_object(Bucket=site.bucket, Key="d/a", Body=CONTENT[::-1])
    Path("a").write_bytes(CONTENT)
    site("put", "a", f"s3://{site.bucket}/d/a", check=0)
    assert site.stub.requests("GET", "uploadId") == []
