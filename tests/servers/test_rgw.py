"""Ceph's gateway does what the tests with it rely on; boto3 asks, none of our code does."""

from __future__ import annotations

import urllib.request
import uuid

import pytest
from botocore.exceptions import ClientError
from servers.rgw import Rgw, statement
from servers.s3_client import Keys


@pytest.fixture
def name() -> str:
    return f"user-{uuid.uuid4().hex[:10]}"


@pytest.fixture
def keys(rgw: Rgw, name: str) -> Keys:
    return rgw.new_user(name=name)


@pytest.fixture
def bucket(rgw: Rgw, keys: Keys) -> str:
    bucket = f"bucket-{uuid.uuid4().hex[:10]}"
    rgw.client(keys).create_bucket(Bucket=bucket)
    return bucket


def code(error: pytest.ExceptionInfo[ClientError]) -> tuple[int, str]:
    response = error.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def test_both_origins_hold_the_same(rgw, keys, bucket):
    rgw.client(keys).put_object(Bucket=bucket, Key="a", Body=b"content")
    got = rgw.client(keys, url=rgw.https).get_object(Bucket=bucket, Key="a")
    assert got["Body"].read() == b"content"


def test_a_reading_key_may_not_write(rgw, keys, bucket, name):
    reader = rgw.client(rgw.read_only(name))
    assert reader.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    with pytest.raises(ClientError) as refused:
        reader.put_object(Bucket=bucket, Key="a", Body=b"x")
    assert code(refused) == (403, "AccessDenied")


def test_a_full_bucket(rgw):
    owner = rgw.client(rgw.new_user(max_size=100_000))
    bucket = f"bucket-{uuid.uuid4().hex[:10]}"
    owner.create_bucket(Bucket=bucket)
    owner.put_object(Bucket=bucket, Key="a", Body=bytes(90_000))
    with pytest.raises(ClientError) as refused:
        owner.put_object(Bucket=bucket, Key="b", Body=bytes(90_000))
    assert code(refused) == (403, "QuotaExceeded")


def test_temporary_keys_reach_only_their_folder(rgw, keys, bucket, name):
    policy = statement(["s3:GetObject", "s3:PutObject"], f"arn:aws:s3:::{bucket}/datasets/h/*")
    session = rgw.client(rgw.session(keys, name, policy))
    session.put_object(Bucket=bucket, Key="datasets/h/a", Body=b"x")
    with pytest.raises(ClientError) as refused:
        session.put_object(Bucket=bucket, Key="a", Body=b"x")
    assert code(refused) == (403, "AccessDenied")
    with pytest.raises(ClientError):
        session.list_buckets()


def test_a_website_redirects_where_the_object_says(rgw, keys, bucket):
    owner = rgw.client(keys)
    owner.put_object(Bucket=bucket, Key="sequence/a", Body=b"ACGT", ACL="public-read")
    owner.put_object(Bucket=bucket, Key="sequence/b", WebsiteRedirectLocation="/sequence/a", ACL="public-read")
    owner.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})
    there = owner.get_object(Bucket=bucket, Key="sequence/b")
    assert (there["ContentLength"], there["WebsiteRedirectLocation"]) == (0, "/sequence/a")
    request = urllib.request.Request(f"{rgw.http}/sequence/b", headers={"Host": rgw.website(bucket)[len("http://") :]})
    with urllib.request.build_opener(NoRedirect).open(request) as answer:
        assert (answer.status, answer.headers["Location"]) == (301, "/sequence/a")


class NoRedirect(urllib.request.HTTPErrorProcessor):
    def http_response(self, request, response):
        return response
