"""Copies at the server keep what an object carries, are compared, and leave nothing behind when they fail."""

from __future__ import annotations

import random
import re
import threading
from urllib.parse import urlencode

import pytest
from servers import s3_quirks
from stores.s3.connections import FixedKey, StubbedServer, opened_s3

from ctadata.errors import AlreadyExists, Forbidden, IntegrityError, LoginNeeded, NotFound, ServerTrouble, Stopped
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


def test_a_copy_that_differs_is_deleted_again(at_moto):
    bucket = at_moto.bucket()
    at_moto.put(bucket, "a", b"x")
    at_moto.put(bucket, "other", b"y")
    done = at_moto.stub.answer("PUT", "/copied", 200, body=b"<CopyObjectResult><ETag>x</ETag></CopyObjectResult>")
    with pytest.raises(NotFound):  # a server that says that it copied, and did not
        copy_object(at_moto.store.connection, Name(bucket, "a"), Name(bucket, "copied"), CopyOptions(new=True))
    done.times = 0
    headers = {"ETag": '"' + "0" * 32 + '"', "Content-Length": "1"}
    at_moto.stub.answer("HEAD", "/copied", 200, headers=headers, after=1)
    with pytest.raises(IntegrityError, match="md5"):
        copy_object(at_moto.store.connection, Name(bucket, "a"), Name(bucket, "copied"), CopyOptions(new=True))
    at_moto.stub.forget()
    assert [each["Key"] for each in at_moto.client.list_objects_v2(Bucket=bucket)["Contents"]] == ["a", "other"]


def test_a_server_without_conditional_copies_is_asked_without_the_condition(at_moto):
    bucket = at_moto.bucket()
    at_moto.put(bucket, "a", b"x")
    at_moto.stub.answer("PUT", "/copied", 501, "NotImplemented", times=1)
    copy_object(at_moto.store.connection, Name(bucket, "a"), Name(bucket, "copied"), CopyOptions(new=True))
    assert ["if-none-match" in asked.headers for asked in at_moto.stub.requests("PUT")] == [True, False]
