"""Copies at the server keep what an object carries, are compared, and leave nothing behind when they fail."""

from __future__ import annotations

import hashlib
import random
import re
import threading
from urllib.parse import urlencode

import pytest
from servers import s3_quirks
from stores.s3.connections import FixedKey, StubbedServer, opened_s3

from ctadata.errors import AlreadyExists, Changed, Forbidden, IntegrityError, LoginNeeded, ServerTrouble, Stopped
from ctadata.paths import RemotePath
from ctadata.stores.s3.address import Name
from ctadata.stores.s3.copy_object import CopyOptions, copy_object
from ctadata.stores.s3.unfinished_uploads import PARTS_STAY

PART = 5 << 20
CARRIED = {"ContentType": "text/x", "CacheControl": "no-cache", "ContentDisposition": "inline", "Metadata": {"a": "b"}}
KEY = "a b/100% +&=?#;ü 日本"
LARGE = "a b/+&=?#;ü 日本"  # Ceph 16 decodes % twice in UploadPartCopy, and its gateway may die of it


def put_in_parts(s3: StubbedServer, bucket: str, key: str, body: bytes) -> str:
    """Upload in parts as another client does, and return the tag."""
    place = {"Bucket": bucket, "Key": key}
    upload = s3.client.create_multipart_upload(**place, **CARRIED)["UploadId"]
    parts = []
    for number, start in enumerate(range(0, len(body), PART), 1):
        chunk = body[start : start + PART]
        sent = s3.client.upload_part(**place, UploadId=upload, PartNumber=number, Body=chunk)
        parts.append({"PartNumber": number, "ETag": sent["ETag"]})
    s3.client.complete_multipart_upload(**place, UploadId=upload, MultipartUpload={"Parts": parts})
    return s3.client.head_object(**place)["ETag"]


def carried(s3: StubbedServer, bucket: str, key: str) -> dict[str, object]:
    head = s3.client.head_object(Bucket=bucket, Key=key)
    return {
        **{name: head[name] for name in CARRIED},
        "body": s3.client.get_object(Bucket=bucket, Key=key)["Body"].read(),
    }


def test_a_copy_in_one_request_keeps_what_the_object_carries(s3):
    source, target = Name(s3.bucket(), KEY), Name(s3.bucket(), f"copy of {KEY}")
    s3.client.put_object(Bucket=source.bucket, Key=KEY, Body=b"ACGT", WebsiteRedirectLocation="/x", **CARRIED)
    copied = copy_object(s3.store.connection, source, target, CopyOptions(new=True))
    assert copied.algorithm == "md5"
    assert carried(s3, target.bucket, target.key) == {**CARRIED, "body": b"ACGT"}
    assert s3.client.head_object(Bucket=target.bucket, Key=target.key)["WebsiteRedirectLocation"] == "/x"
    with pytest.raises(AlreadyExists):
        copy_object(s3.store.connection, source, target, CopyOptions(new=True))


def copied_tags(s3: StubbedServer, headers: dict[str, str], target: str = "copy") -> str:
    """Copy an object with the tag k=v, perhaps onto itself, and return the tags of the copy as a query."""
    bucket = s3.bucket()
    s3.client.put_object(Bucket=bucket, Key="source", Body=b"x", Tagging="k=v", Metadata={"run": "1"})
    copy_object(s3.store.connection, Name(bucket, "source"), Name(bucket, target), CopyOptions(headers=headers))
    return urlencode(
        {tag["Key"]: tag["Value"] for tag in s3.client.get_object_tagging(Bucket=bucket, Key=target)["TagSet"]}
    )


DESCRIBED = [({"x-amz-meta-run": "2"}, "k=v"), ({"x-amz-tagging": "a=b+c"}, "a=b+c")]


@pytest.mark.parametrize(("headers", "tags"), DESCRIBED, ids=["metadata", "tags"])
def test_a_copy_that_is_described_anew_has_its_tags(s3, headers, tags):
    """Ceph 16 drops the tags with the metadata, and stores those of the request so that nobody can read them."""
    assert copied_tags(s3, headers) == tags
    assert copied_tags(s3, headers, "source") == tags


@pytest.mark.parametrize(("headers", "tags"), DESCRIBED, ids=["metadata", "tags"])
def test_a_server_that_overlooks_the_tags_of_a_copy_gets_them_afterwards(at_moto, monkeypatch, headers, tags):
    monkeypatch.setattr(at_moto.stub, "pass_on", at_moto.stub.pass_on)
    s3_quirks.ignore_headers(at_moto.stub, "x-amz-tagging", "x-amz-tagging-directive")
    assert copied_tags(at_moto, headers) == tags


@pytest.mark.full("rgw")
def test_a_larger_object_is_copied_in_the_parts_of_its_source(s3, rng):
    bucket, body = s3.bucket(), rng.randbytes(2 * PART + 7)
    etag = put_in_parts(s3, bucket, LARGE, body)
    s3.client.put_object_tagging(Bucket=bucket, Key=LARGE, Tagging={"TagSet": [{"Key": "run", "Value": "a b=c"}]})
    moved: list[int] = []
    options = CopyOptions(single_limit=PART, moved=moved.append)
    s3.stub.forget()
    copied = copy_object(s3.store.connection, Name(bucket, LARGE), Name(bucket, "copied"), options)
    assert (copied.response.headers.get("ETag"), copied.algorithm) == (etag, f"md5-of-parts/{PART}")
    found = carried(s3, bucket, "copied")
    found["Metadata"].pop("ctadata-part-size")
    assert found == {**CARRIED, "body": body}
    sent = next(asked for asked in s3.stub.requests("POST", "uploads"))
    assert sent.headers["x-amz-tagging"] == "run=a+b%3Dc"  # Ceph 16 does not keep it for uploads in parts
    assert sorted(moved) == moved == [PART, 2 * PART, len(body), len(body)]
    assert not any(asked.body for asked in s3.stub.requests("PUT"))  # no byte passes this machine


def test_a_failed_part_leaves_no_upload_and_no_object(at_moto):
    bucket = at_moto.bucket()
    put_in_parts(at_moto, bucket, "a", random.Random(1).randbytes(2 * PART))
    at_moto.stub.answer("PUT", "partNumber=2", 403, "AccessDenied")
    with pytest.raises(Forbidden):
        copy_object(at_moto.store.connection, Name(bucket, "a"), Name(bucket, "copied"), CopyOptions(single_limit=PART))
    assert "Uploads" not in at_moto.client.list_multipart_uploads(Bucket=bucket)
    assert [each["Key"] for each in at_moto.client.list_objects_v2(Bucket=bucket)["Contents"]] == ["a"]


@pytest.mark.parametrize("new", [True, False], ids=["new", "replaced"])
@pytest.mark.parametrize("asked", ["partNumber=2", "/copied"], ids=["in parts", "at once"])
def test_a_source_that_is_replaced_meanwhile_is_not_copied(at_moto, asked, new):
    """The server refuses the version that was looked at; no part stays, because it is of no use."""
    bucket = at_moto.bucket()
    put_in_parts(at_moto, bucket, "a", random.Random(1).randbytes(2 * PART))
    at_moto.stub.answer("PUT", asked, 412, "PreconditionFailed")
    options = CopyOptions(new=new, single_limit=PART if "part" in asked else 2 * PART)
    with pytest.raises(Changed, match=f"s3://{bucket}/a has another version") as changed:
        copy_object(at_moto.store.connection, Name(bucket, "a"), Name(bucket, "copied"), options)
    assert not changed.value.retryable
    assert "Uploads" not in at_moto.client.list_multipart_uploads(Bucket=bucket)
    assert [each["Key"] for each in at_moto.client.list_objects_v2(Bucket=bucket)["Contents"]] == ["a"]


def copied_parts(s3: StubbedServer) -> list[int]:
    """Return the numbers of the parts that the server has copied since the last `forget`."""
    found = [re.search("partNumber=([0-9]+)", asked.target) for asked in s3.stub.requests("PUT")]
    return sorted(int(number[1]) for number in found if number)


def test_a_copy_in_parts_that_breaks_off_continues_if_the_source_is_the_same(at_moto):
    bucket, body = at_moto.bucket(), random.Random(1).randbytes(2 * PART + 7)
    source, target, options = Name(bucket, "a"), Name(bucket, "copied"), CopyOptions(single_limit=PART)
    put_in_parts(at_moto, bucket, "a", body)
    at_moto.stub.answer("PUT", "partNumber=3", 400, "ExpiredToken")
    with pytest.raises(LoginNeeded):
        copy_object(at_moto.store.connection, source, target, options)
    arrived = set(copied_parts(at_moto)) - {3}
    assert arrived
    at_moto.stub.forget()
    copied = copy_object(at_moto.store.connection, source, target, options)
    assert set(copied_parts(at_moto)) == {1, 2, 3} - arrived
    assert copied.algorithm == f"md5-of-parts/{PART}"
    at_moto.stub.answer("PUT", "partNumber=3", 400, "ExpiredToken", times=1)
    with pytest.raises(LoginNeeded):
        copy_object(at_moto.store.connection, source, target, options)
    other = put_in_parts(at_moto, bucket, "a", body[::-1])
    at_moto.stub.forget()
    copied = copy_object(at_moto.store.connection, source, target, options)
    assert copied_parts(at_moto) == [1, 2, 3]
    assert copied.response.headers.get("ETag") == other


def test_a_stopped_copy_in_parts_says_that_it_continues(at_moto):
    bucket, stop, real = at_moto.bucket(), threading.Event(), at_moto.stub.pass_on
    put_in_parts(at_moto, bucket, "a", random.Random(1).randbytes(2 * PART + 7))

    def pass_on(asked):
        if "partNumber=2" in asked.target:
            stop.set()
        return real(asked)

    at_moto.stub.pass_on = pass_on
    region, key = at_moto.client.meta.region_name, FixedKey("AKIA", "secret")
    with opened_s3(at_moto.stub.url, key, region=region, stop=stop) as store, pytest.raises(Stopped) as stopped:
        copy_object(store.connection, Name(bucket, "a"), Name(bucket, "b"), CopyOptions(single_limit=PART))
    assert stopped.value.hint == PARTS_STAY
    assert len(at_moto.client.list_multipart_uploads(Bucket=bucket)["Uploads"]) == 1


def test_a_failure_inside_a_200_is_a_failure(at_moto):
    bucket = at_moto.bucket()
    at_moto.put(bucket, "a", b"x")
    body = b"<Error><Code>InternalError</Code><Message>broken</Message></Error>"
    at_moto.stub.answer("PUT", "/copied", 200, body=body)
    with pytest.raises(ServerTrouble, match="broken"):
        copy_object(at_moto.store.connection, Name(bucket, "a"), Name(bucket, "copied"))


def content(s3: StubbedServer, bucket: str) -> dict[str, bytes]:
    """Return the bytes of all objects, by key."""
    keys = [each["Key"] for each in s3.client.list_objects_v2(Bucket=bucket)["Contents"]]
    return {key: s3.client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


def with_tag(answer: s3_quirks.Answer, element: bytes) -> s3_quirks.Answer:
    """Return an answer whose document has this element in place of its tag."""
    status, headers, body = answer
    headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
    return status, headers, re.sub(b"<ETag>.*</ETag>", element, body)


@pytest.fixture
def at_kms(at_moto: StubbedServer, monkeypatch) -> StubbedServer:
    """moto whose tags are no MD5 and which states no checksums, so that no digest of a copy can be compared."""
    monkeypatch.setattr(at_moto.stub, "pass_on", at_moto.stub.pass_on)
    s3_quirks.encrypt_with_kms(at_moto.stub)
    s3_quirks.drop_headers(at_moto.stub, "x-amz-checksum-crc32", "x-amz-checksum-crc64nvme")
    return at_moto


def taken(s3: StubbedServer) -> tuple[str, RemotePath, RemotePath]:
    """Return a bucket with two objects of one size, and their paths."""
    bucket = s3.bucket()
    s3.put(bucket, "a", b"source")
    s3.put(bucket, "copied", b"target")
    return bucket, RemotePath((bucket, "a")), RemotePath((bucket, "copied"))


PAGE = b"<html><body><ETag>x</ETag></body></html>"
UNCONFIRMED = {
    "nothing": (200, b""),
    "promise": (202, b""),
    "page": (200, PAGE),
    "another document": (200, b"<Other><ETag>x</ETag></Other>"),
    "no tag": (200, b"<CopyObjectResult><LastModified>2020-01-01T00:00:00Z</LastModified></CopyObjectResult>"),
    "empty tag": (200, b'<CopyObjectResult><ETag>""</ETag></CopyObjectResult>'),
    "another tag": (200, b"<CopyObjectResult><ETag>x</ETag></CopyObjectResult>"),
}


@pytest.mark.parametrize("answer", UNCONFIRMED.values(), ids=UNCONFIRMED)
@pytest.mark.parametrize("encrypted", [True, False], ids=["encrypted", "plain"])
def test_a_copy_that_the_server_did_not_make_is_a_failure(request, answer, encrypted):
    """The object that has the new name has the size of the source, and perhaps no digest to compare."""
    s3 = request.getfixturevalue("at_kms" if encrypted else "at_moto")
    bucket, source, target = taken(s3)
    s3.stub.answer("PUT", "/copied", answer[0], body=answer[1])
    with pytest.raises(ServerTrouble):
        s3.store.move(source, target, replace=True)
    assert content(s3, bucket) == {"a": b"source", "copied": b"target"}


def test_a_confirmation_with_the_tag_of_the_old_object_is_no_copy(at_kms):
    bucket, source, target = taken(at_kms)
    etag = at_kms.store.info(target).etag
    body = f"<CopyObjectResult><ETag>{etag}</ETag></CopyObjectResult>".encode()
    at_kms.stub.answer("PUT", "/copied", 200, body=body)
    with pytest.raises(ServerTrouble, match="not changed"):
        at_kms.store.move(source, target, replace=True)
    assert content(at_kms, bucket) == {"a": b"source", "copied": b"target"}


def test_a_confirmed_copy_is_believed_where_no_digest_can_be_compared(at_kms):
    """As at Amazon, the tag of the copy is another one than that of its source."""
    bucket, source, target = taken(at_kms)
    copies: list[str] = []

    def change(asked, answer):
        if "x-amz-copy-source" in asked.headers:
            copies.append(asked.target)
            return with_tag(answer, b'<ETag>"new"</ETag>')
        if asked.method != "HEAD" or asked.target not in copies:
            return answer
        return answer[0], [(name, '"new"' if name.lower() == "etag" else value) for name, value in answer[1]], b""

    s3_quirks.alter(at_kms.stub, change)
    at_kms.store.move(source, target, replace=True)
    assert content(at_kms, bucket) == {"copied": b"source"}


@pytest.mark.parametrize("tag", [b"", b"<ETag></ETag>"], ids=["none", "empty"])
def test_a_copy_in_parts_is_believed_if_its_tag_is_not_told(at_kms, tag):
    """Ceph leaves the tag out of the answer that joins the parts."""
    bucket, body = at_kms.bucket(), random.Random(1).randbytes(PART + 7)
    at_kms.put(bucket, "a", body)
    at_kms.put(bucket, "copied", body[::-1])
    s3_quirks.alter(at_kms.stub, lambda asked, answer: with_tag(answer, tag) if asked.method == "POST" else answer)
    options = CopyOptions(single_limit=PART)
    copied = copy_object(at_kms.store.connection, Name(bucket, "a"), Name(bucket, "copied"), options)
    assert copied.algorithm == ""
    assert content(at_kms, bucket)["copied"] == body


@pytest.mark.parametrize("asked", [("PUT", "partNumber=1"), ("POST", "uploadId=")], ids=["part", "object"])
@pytest.mark.parametrize("answer", [(200, b""), (202, b""), (200, PAGE)], ids=["nothing", "promise", "page"])
def test_a_copy_in_parts_that_the_server_did_not_make_is_a_failure(at_kms, asked, answer):
    bucket, body = at_kms.bucket(), random.Random(1).randbytes(PART + 7)
    at_kms.put(bucket, "a", body)
    at_kms.put(bucket, "copied", body[::-1])
    at_kms.stub.answer(*asked, answer[0], body=answer[1])
    options = CopyOptions(single_limit=PART)
    with pytest.raises(ServerTrouble):
        copy_object(at_kms.store.connection, Name(bucket, "a"), Name(bucket, "copied"), options)
    assert content(at_kms, bucket)["copied"] == body[::-1]
    at_kms.stub.forget()
    copy_object(at_kms.store.connection, Name(bucket, "a"), Name(bucket, "copied"), options)
    assert content(at_kms, bucket)["copied"] == body


@pytest.mark.parametrize("theirs", [b"another client's", b"SOURCE"], ids=["other size", "same size"])
@pytest.mark.parametrize("encrypted", [True, False], ids=["encrypted", "plain"])
def test_a_file_that_another_client_writes_over_the_copy_stays(request, theirs, encrypted):
    s3 = request.getfixturevalue("at_kms" if encrypted else "at_moto")
    request.getfixturevalue("monkeypatch").setattr(s3.stub, "pass_on", s3.stub.pass_on)
    bucket = s3.bucket()
    s3.put(bucket, "a", b"source")
    s3_quirks.call_after(s3.stub, "PUT", "/copied", lambda: s3.put(bucket, "copied", theirs))
    with pytest.raises(ServerTrouble, match=f"s3://{bucket}/copied may be another client's file") as trouble:
        s3.store.move(RemotePath((bucket, "a")), RemotePath((bucket, "copied")), replace=False)
    assert not trouble.value.retryable
    assert content(s3, bucket) == {"a": b"source", "copied": theirs}
    assert not s3.stub.requests("DELETE")


def test_a_copy_that_differs_is_deleted_again_if_it_is_ours(at_moto):
    """The tag that the server has confirmed is the condition of the deletion."""
    bucket, etag = at_moto.bucket(), f'"{hashlib.md5(b"x").hexdigest()}"'
    at_moto.put(bucket, "a", b"x")
    source, target = Name(bucket, "a"), Name(bucket, "copied")
    at_moto.stub.answer("HEAD", "/copied", 200, headers={"ETag": etag, "Content-Length": "2"}, after=1)
    with pytest.raises(IntegrityError, match="2 bytes instead of 1") as differs:
        copy_object(at_moto.store.connection, source, target, CopyOptions(new=True))
    assert [asked.headers["if-match"] for asked in at_moto.stub.requests("DELETE")] == [etag]
    assert differs.value.hint == ""
    assert content(at_moto, bucket) == {"a": b"x"}
    at_moto.stub.answer("DELETE", "/copied", 412, "PreconditionFailed")
    at_moto.stub.faults[0].after = 1
    with pytest.raises(IntegrityError, match="2 bytes instead of 1") as differs:
        copy_object(at_moto.store.connection, source, target, CopyOptions(new=True))
    assert differs.value.hint == f"s3://{bucket}/copied stays"


def test_a_copy_onto_itself_is_confirmed_without_a_tag(at_moto):
    """As by `rclone serve s3`; any other document confirms nothing."""
    bucket = at_moto.bucket()
    at_moto.put(bucket, "a", b"x")
    name, options = Name(bucket, "a"), CopyOptions(headers={"x-amz-meta-run": "2"})
    at_moto.stub.answer("PUT", "/a", 200, body=b"<CopyObjectResult></CopyObjectResult>", times=1)
    assert copy_object(at_moto.store.connection, name, name, options).algorithm == "md5"
    at_moto.stub.answer("PUT", "/a", 200, body=PAGE)
    with pytest.raises(ServerTrouble, match="not confirmed"):
        copy_object(at_moto.store.connection, name, name, options)


def test_a_confirmed_copy_that_is_not_there_is_a_failure(at_moto):
    bucket = at_moto.bucket()
    at_moto.put(bucket, "a", b"x")
    at_moto.stub.answer("PUT", "/copied", 200, body=b"<CopyObjectResult><ETag>x</ETag></CopyObjectResult>")
    with pytest.raises(ServerTrouble, match="no object of this name"):
        copy_object(at_moto.store.connection, Name(bucket, "a"), Name(bucket, "copied"), CopyOptions(new=True))


def test_a_server_without_conditional_copies_is_asked_without_the_condition(at_moto):
    bucket = at_moto.bucket()
    at_moto.put(bucket, "a", b"x")
    at_moto.stub.answer("PUT", "/copied", 501, "NotImplemented", times=1)
    copy_object(at_moto.store.connection, Name(bucket, "a"), Name(bucket, "copied"), CopyOptions(new=True))
    assert ["if-none-match" in asked.headers for asked in at_moto.stub.requests("PUT")] == [True, False]
