"""Buckets are created, opened to everybody, and removed with all that they hold; at moto and at Ceph."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass

import pytest
from servers.s3_stub import S3Stub
from stores.s3.connections import FixedKey, StubbedServer, connected

from ctadata.errors import AlreadyExists, Forbidden, NotFound, PartialFailure, Unsupported, UsageError
from ctadata.stores.s3.buckets import PUBLIC, add_public_read, list_buckets, make_bucket, remove_bucket
from ctadata.stores.s3.connection import Connection


@dataclass
class At:
    """A server: our connection, and boto3's client for the same key."""

    served: StubbedServer

    def __post_init__(self) -> None:
        self.connection, self.client = self.served.store.connection, self.served.client
        self.url = self.served.direct


@pytest.fixture
def at(s3: StubbedServer) -> At:
    return At(s3)


@pytest.fixture
def bucket() -> str:
    return f"bucket-{uuid.uuid4().hex[:10]}"


def test_a_bucket_is_created_listed_and_removed(at, bucket):
    make_bucket(at.connection, bucket)
    found = {found.name: found.created for found in list_buckets(at.connection)}
    assert found[bucket] > 1_700_000_000
    with pytest.raises(AlreadyExists, match="exists already"):
        make_bucket(at.connection, bucket)
    remove_bucket(at.connection, bucket)
    assert bucket not in {found.name for found in list_buckets(at.connection)}
    with pytest.raises(NotFound):
        remove_bucket(at.connection, bucket)


@pytest.mark.parametrize("name", ["", "a/b", "a b", "\x1b[2J", "ü"])
def test_an_invalid_bucket_name_is_refused(stubbed, name):
    stub, connection = stubbed
    for verb in (make_bucket, remove_bucket):
        with pytest.raises(UsageError, match="no bucket can have this name") as refused:
            verb(connection, name)
        assert "\x1b" not in str(refused.value)
    assert stub.asked == []


def test_a_bucket_that_is_not_empty_is_kept(at, bucket):
    make_bucket(at.connection, bucket)
    at.client.put_object(Bucket=bucket, Key="a", Body=b"x")
    with pytest.raises(UsageError, match="not empty"):
        remove_bucket(at.connection, bucket)
    assert at.client.head_object(Bucket=bucket, Key="a")


def test_a_recursive_removal_deletes_versions_and_uploads(at, bucket):
    """The removal also deletes old versions, delete markers and unfinished uploads."""
    make_bucket(at.connection, bucket)
    at.client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for name in ("a", "b/c d", "ünï", "b/c d"):
        at.client.put_object(Bucket=bucket, Key=name, Body=b"x")
    at.client.delete_object(Bucket=bucket, Key="a")
    at.client.create_multipart_upload(Bucket=bucket, Key="never/ended")
    remove_bucket(at.connection, bucket, recursive=True)
    assert bucket not in {found.name for found in list_buckets(at.connection)}


def test_everybody_may_read_and_not_list(at, bucket):
    make_bucket(at.connection, bucket, public=True)
    at.client.put_object(Bucket=bucket, Key="a", Body=b"for all")
    with urllib.request.urlopen(f"{at.url}/{bucket}/a") as answer:
        assert answer.read() == b"for all"
    statements = json.loads(at.client.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    assert [(statement["Sid"], statement["Action"]) for statement in statements] == [(PUBLIC, "s3:GetObject")]


@pytest.mark.full("rgw")
def test_a_private_bucket_stays_private_and_an_open_one_lists_for_nobody(rgw, bucket):
    keys = rgw.new_user()
    with connected(rgw.http, FixedKey(keys.access, keys.secret)) as connection:
        make_bucket(connection, bucket)
        rgw.client(keys).put_object(Bucket=bucket, Key="a", Body=b"x")
        for address in (f"{rgw.http}/{bucket}/a", f"{rgw.http}/{bucket}"):
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(address)
        make_bucket(connection, bucket, public=True)
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(f"{rgw.http}/{bucket}")
    stranger = rgw.new_user()
    with (
        connected(rgw.http, FixedKey(stranger.access, stranger.secret)) as connection,
        pytest.raises(AlreadyExists, match="another user"),
    ):
        make_bucket(connection, bucket, public=True)


def test_an_existing_bucket_is_opened_once(at, bucket):
    make_bucket(at.connection, bucket)
    other = {"Sid": "Mine", "Effect": "Allow", "Principal": "*", "Action": "s3:ListBucket"}
    policy = {"Version": "2012-10-17", "Statement": [{**other, "Resource": f"arn:aws:s3:::{bucket}"}]}
    at.client.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    for _ in range(2):
        make_bucket(at.connection, bucket, public=True, website=True)
    found = json.loads(at.client.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    assert [statement["Sid"] for statement in found] == ["Mine", PUBLIC]
    assert at.client.get_bucket_website(Bucket=bucket)["IndexDocument"] == {"Suffix": "index.html"}


def test_a_policy_of_one_statement_is_added_to():
    alone = json.dumps({"Version": "2012-10-17", "Statement": {"Sid": "Mine", "Effect": "Deny"}})
    made = json.loads(add_public_read(alone, "b"))
    assert [statement["Sid"] for statement in made["Statement"]] == ["Mine", PUBLIC]
    assert add_public_read(json.dumps(made), "b") is None


# --- what neither server does


@pytest.fixture
def stubbed(at_moto: StubbedServer) -> tuple[S3Stub, Connection]:
    return at_moto.stub, at_moto.store.connection


def test_a_blocked_policy_is_forbidden_with_a_hint(stubbed, bucket):
    stub, connection = stubbed
    stub.answer("PUT", "?policy", 403, "AccessDenied")
    with pytest.raises(Forbidden, match="Block Public Access"):
        make_bucket(connection, bucket, public=True)


def test_a_server_without_websites_is_unsupported(stubbed, bucket):
    stub, connection = stubbed
    stub.answer("PUT", "?website", 501, "NotImplemented")
    with pytest.raises(Unsupported, match="does not support") as refused:
        make_bucket(connection, bucket, website=True)
    assert refused.value.path == f"s3://{bucket}"


def test_a_bucket_is_created_at_a_server_that_knows_no_location_constraint(stubbed, bucket):
    stub, connection = stubbed
    stub.answer("PUT", f"/{bucket}", 400, "InvalidLocationConstraint", times=1)
    stub.answer("PUT", f"/{bucket}", 200)
    make_bucket(connection, bucket)
    first, second = stub.requests("PUT")
    assert b"LocationConstraint" in first.body
    assert second.body == b""


def test_objects_are_deleted_one_by_one_if_the_server_refuses_batches(stubbed, moto_s3, bucket):
    stub, connection = stubbed
    make_bucket(connection, bucket)
    for name in "abc":
        moto_s3.client().put_object(Bucket=bucket, Key=name, Body=b"x")
    stub.answer("POST", "delete", 403, "QuotaExceeded")
    remove_bucket(connection, bucket, recursive=True)
    assert [asked.target for asked in stub.requests("DELETE")] == [f"/{bucket}/{name}" for name in "abc"] + [
        f"/{bucket}"
    ]


def test_objects_that_cannot_be_deleted_are_reported_and_the_bucket_is_kept(stubbed, moto_s3, bucket):
    stub, connection = stubbed
    make_bucket(connection, bucket)
    for name in "abc":
        moto_s3.client().put_object(Bucket=bucket, Key=name, Body=b"x")
    stub.answer("POST", "delete", 403, "AccessDenied")
    stub.answer("DELETE", f"/{bucket}/b", 403, "AccessDenied")
    with pytest.raises(PartialFailure) as partly:
        remove_bucket(connection, bucket, recursive=True)
    assert [failure.path for failure in partly.value.failures] == ["b"]
    assert not [asked for asked in stub.requests("DELETE") if asked.target == f"/{bucket}"]
