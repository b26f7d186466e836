"""The jobs with versions, descriptions and encryption that the matrix of S3 servers does."""

from __future__ import annotations

import json
import random
from typing import Any

from servers.s3_jobs import PART, Job, Visit


def versions(at: Visit) -> None:
    """In a bucket that keeps them, each version is listed, read, and comes back after a deletion."""
    name = f"{at.bucket}-old"
    at.run("make-bucket", "--versioning", name)
    assert at.boto3.get_bucket_versioning(Bucket=name).get("Status") == "Enabled", "the bucket keeps none"
    for content in (b"old", b"newer"):
        at.write("kept", content)
        at.run("put", "kept", f"/{name}/kept")
    at.run("rm", f"/{name}/kept")
    rows = [json.loads(line) for line in at.run("list", "--versions", "--json", f"/{name}/kept").splitlines()]
    assert [row["size"] for row in rows] == [None, 5, 3], "an old version is lost"
    at.run("get", "--version-id", rows[2]["version_id"], f"/{name}/kept", "was")
    assert (at.home / "was").read_bytes() == b"old", "other bytes"
    at.run("undelete", f"/{name}/kept")
    assert at.stored("kept", name) == b"newer", "not back"


def versions_by_boto3(at: Visit) -> None:
    name = f"{at.bucket}-old2"
    at.boto3.create_bucket(Bucket=name)
    at.boto3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    assert at.boto3.get_bucket_versioning(Bucket=name).get("Status") == "Enabled", "the bucket keeps none"
    for content in (b"old", b"newer"):
        at.boto3.put_object(Bucket=name, Key="kept", Body=content)
    at.boto3.delete_object(Bucket=name, Key="kept")
    found = at.boto3.list_object_versions(Bucket=name, Prefix="kept")
    assert [each["Size"] for each in found.get("Versions", [])] == [5, 3], "an old version is lost"
    at.boto3.delete_object(Bucket=name, Key="kept", VersionId=found["DeleteMarkers"][0]["VersionId"])
    assert at.stored("kept", name) == b"newer", "not back"


def encrypted(at: Visit) -> None:
    """A file that the server's KMS encrypts: its tag is no digest."""
    content = random.Random(6).randbytes(2 * PART + 1)
    at.write("encrypted", content)
    at.run("put", "--sse", "aws:kms", "encrypted", "@encrypted", "--receipt", "encrypted.jsonl")
    head = at.boto3.head_object(Bucket=at.bucket, Key="encrypted")
    assert "kms" in head.get("ServerSideEncryption", ""), "not encrypted"
    at.run("verify", "--remote", "encrypted.jsonl")
    at.run("get", "@encrypted", "decrypted")
    assert (at.home / "decrypted").read_bytes() == content, "other bytes"


def encrypted_by_boto3(at: Visit) -> None:
    at.boto3.put_object(Bucket=at.bucket, Key="theirs", Body=b"x", ServerSideEncryption="aws:kms")
    head = at.boto3.head_object(Bucket=at.bucket, Key="theirs")
    assert "kms" in head.get("ServerSideEncryption", ""), "not encrypted"


def described(at: Visit) -> None:
    at.write("described", b"described")
    words = ("--metadata", "run=7", "--cache-control", "max-age=60", "--content-type", "text/x-run")
    at.run("put", *words, "described", "@described")
    head = at.boto3.head_object(Bucket=at.bucket, Key="described")
    found = (_metadata(head).get("run"), head.get("CacheControl"), head["ContentType"])
    assert found == ("7", "max-age=60", "text/x-run"), "not as it was said"
    assert json.loads(at.run("stat", "--json", "@described"))["object"]["metadata"]["run"] == "7", "not shown"
    at.run("get", "@described", "back-described")
    assert int((at.home / "back-described").stat().st_mtime) == 1_600_000_000, "another mtime"


def described_by_boto3(at: Visit) -> None:
    more = {"Metadata": {"run": "7"}, "CacheControl": "max-age=60", "ContentType": "text/x-run"}
    at.boto3.put_object(Bucket=at.bucket, Key="theirs", Body=b"x", **more)
    head = at.boto3.head_object(Bucket=at.bucket, Key="theirs")
    found = {"Metadata": _metadata(head), **{name: head.get(name) for name in ("CacheControl", "ContentType")}}
    assert found == more, "it keeps other words"


def _metadata(head: dict[str, Any]) -> dict[str, str]:
    """The metadata; rclone shows their names with a capital letter."""
    return {name.lower(): value for name, value in head["Metadata"].items()}


def tagged(at: Visit) -> None:
    at.write("tagged", b"tagged")
    at.run("put", "--tags", "state=raw", "tagged", "@tagged")
    assert json.loads(at.run("stat", "--json", "@tagged"))["object"].get("tags") == {"state": "raw"}, "not shown"


def tagged_by_boto3(at: Visit) -> None:
    at.boto3.put_object(Bucket=at.bucket, Key="theirs", Body=b"x", Tagging="state=raw")
    found = at.boto3.get_object_tagging(Bucket=at.bucket, Key="theirs")["TagSet"]
    assert found == [{"Key": "state", "Value": "raw"}], "it keeps no tags"


def unfinished(at: Visit) -> None:
    at.boto3.create_multipart_upload(Bucket=at.bucket, Key="unfinished")
    assert "unfinished" in at.run("multipart", "list", "@"), "not listed"
    at.run("multipart", "abort", "--yes", "@unfinished")
    found = at.boto3.list_multipart_uploads(Bucket=at.bucket, Prefix="unfinished")
    assert not found.get("Uploads"), "still there"


def unfinished_by_boto3(at: Visit) -> None:
    made = at.boto3.create_multipart_upload(Bucket=at.bucket, Key="theirs")["UploadId"]
    found = at.boto3.list_multipart_uploads(Bucket=at.bucket, Prefix="theirs").get("Uploads", [])
    assert made in [each["UploadId"] for each in found], "it lists none"
    at.boto3.abort_multipart_upload(Bucket=at.bucket, Key="theirs", UploadId=made)


def settings(at: Visit) -> None:
    assert at.bucket in at.run("bucket-info", "@"), "another bucket"


JOBS = (
    Job("`put --metadata`, `--cache-control`; the mtime comes back", described, described_by_boto3),
    Job("`put --tags`", tagged, tagged_by_boto3),
    Job("`put --sse aws:kms`, `verify`, `get`", encrypted, encrypted_by_boto3),
    Job("`make-bucket --versioning`, `list --versions`, `undelete`", versions, versions_by_boto3),
    Job("`multipart list`, `multipart abort`", unfinished, unfinished_by_boto3),
    Job("`bucket-info`", settings, lambda at: at.boto3.head_bucket(Bucket=at.bucket)),
)
