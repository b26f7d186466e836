"""Archived objects of S3 are staged as files on tape are."""

from __future__ import annotations

import json

import pytest
from servers.s3_stub import s3_stub


@pytest.fixture
def stub(moto_s3):
    with s3_stub(moto_s3.url) as stub:
        yield stub


@pytest.fixture
def at_s3(run, moto_s3, stub, tmp_path, monkeypatch):
    """The command, with moto behind a stub as the site of the profile st."""
    settings = tmp_path / "s3.toml"
    settings.write_text(f'[profiles.st]\nkind = "s3"\nendpoint = "{stub.url}"\nregion = "{moto_s3.region}"\n')
    variables = {"CTADATA_CONFIG": str(settings), "CTADATA_PROFILE": "st", "AWS_ACCESS_KEY_ID": moto_s3.key.id}
    for name, value in {**variables, "AWS_SECRET_ACCESS_KEY": moto_s3.key.secret}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return run


@pytest.fixture
def bucket(moto_s3) -> str:
    """A bucket with two archived objects and one on disk."""
    name = moto_s3.bucket()
    for key, storage_class in (("t/a", "GLACIER"), ("t/b", "DEEP_ARCHIVE"), ("t/disk", "STANDARD")):
        moto_s3.client().put_object(Bucket=name, Key=key, Body=key.encode(), StorageClass=storage_class)
    return name


def localities(at_s3, bucket: str) -> dict[str, str]:
    lines = at_s3("locality", f"s3://{bucket}/t", check=0).out.splitlines()
    return {path.rpartition("/")[2]: word for word, path in map(str.split, lines)}


def test_stage_restores_what_get_refuses(at_s3, moto_s3, stub, bucket, tmp_path):
    assert localities(at_s3, bucket) == {"a": "NEARLINE", "b": "NEARLINE", "disk": "-"}
    refused = at_s3("get", "-r", f"s3://{bucket}/t", "out", check=10)
    assert refused.err.count("get --stage") == 2
    assert not [asked for asked in stub.requests("GET") if "/t/a" in asked.target]
    ongoing = {"x-amz-storage-class": "GLACIER", "x-amz-restore": 'ongoing-request="true"', "Content-Length": "3"}
    coming = stub.answer("HEAD", "/t/a", 200, headers=ongoing)
    request = at_s3("stage", "--lifetime", "36h", "-r", f"s3://{bucket}/t", check=0).out.strip()
    assert [b"<Days>2</Days>" in asked.body for asked in stub.requests("POST", "restore")] == [True, True]
    states = [json.loads(line) for line in at_s3("stage-status", "--json", request, check=10).out.splitlines()]
    assert {row["path"]: row["state"] for row in states} == {f"{bucket}/t/a": "STARTED", f"{bucket}/t/b": "COMPLETED"}
    coming.times = 0
    at_s3("stage-status", request, check=0)
    assert localities(at_s3, bucket) == {"a": "ONLINE_AND_NEARLINE", "b": "ONLINE_AND_NEARLINE", "disk": "-"}
    at_s3("get", "-r", f"s3://{bucket}/t", "out", check=0)
    assert (tmp_path / "out" / "t" / "b").read_text() == "t/b"
    assert "by itself" in at_s3("release", request, check=2).err
    assert "no such stage request" in at_s3("stage-status", "s3-0123456789abcdef", check=3).err
    assert "no such stage request" in at_s3("stage-status", "../x", check=3).err


def test_get_stage_waits_until_the_copy_is_there(at_s3, stub, bucket, tmp_path):
    ongoing = {"x-amz-storage-class": "GLACIER", "x-amz-restore": 'ongoing-request="true"', "Content-Length": "3"}
    stub.answer("HEAD", "/t/a", 200, headers=ongoing, times=3)  # the plan, and the first look after the request
    at_s3("get", "--stage", f"s3://{bucket}/t/a", "a", check=0)
    assert (tmp_path / "a").read_text() == "t/a"
    (asked,) = stub.requests("POST", "restore")
    assert b"<Days>7</Days>" in asked.body


def test_a_restore_that_is_under_way_is_no_failure(at_s3, stub, bucket):
    stub.answer("POST", "restore", 409, "RestoreAlreadyInProgress")
    assert at_s3("stage", f"s3://{bucket}/t/a", check=0).out.startswith("s3-")
    stub.faults.clear()
    stub.answer("POST", "restore", 403, "AccessDenied")
    assert f"{bucket}/t/a" in at_s3("stage", f"s3://{bucket}/t/a", check=4).err
