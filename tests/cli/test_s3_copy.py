"""`copy` and `mv` inside one S3 store: the server copies, and no byte passes this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from servers import s3_quirks
from servers.s3_stub import S3Stub, s3_stub


@pytest.fixture
def stub(moto_s3) -> Iterator[S3Stub]:
    with s3_stub(moto_s3.url) as stub:
        yield stub


@pytest.fixture
def at_s3(run, moto_s3, stub, tmp_path, monkeypatch):
    """The command, with two profiles at one server and one at another."""
    settings = tmp_path / "s3.toml"
    place = f'kind = "s3"\nregion = "{moto_s3.region}"\nendpoint ='
    settings.write_text(
        f'[profiles.st]\n{place} "{stub.url}"\n[profiles.same]\n{place} "{stub.url}"\n'
        f'[profiles.other]\n{place} "{moto_s3.url}"\n'
    )
    for variable, value in {"CTADATA_CONFIG": str(settings), "AWS_ACCESS_KEY_ID": moto_s3.key.id}.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", moto_s3.key.secret)
    monkeypatch.chdir(tmp_path)
    return run


def keys(moto_s3, bucket: str) -> list[str]:
    return [each["Key"] for each in moto_s3.client().list_objects_v2(Bucket=bucket).get("Contents", ())]


def test_a_tree_is_copied_by_the_server(at_s3, moto_s3, stub):
    a, b = moto_s3.bucket(), moto_s3.bucket()
    for key in ("run/x", "run/sub/y", "run/empty/"):
        moto_s3.client().put_object(
            Bucket=a, Key=key, Body=b"" if key[-1] == "/" else key.encode(), Metadata={"k": "v"}
        )
    moto_s3.client().put_object(Bucket=a, Key="run/alias", WebsiteRedirectLocation="/run/x")
    assert "-r copies" in at_s3("copy", f"st:{a}/run", f"same:{b}/", check=2).err
    ended = at_s3("copy", "-r", "--json", f"st:{a}/run", f"same:{b}/", check=0)
    rows = [json.loads(line) for line in ended.out.splitlines()]
    assert {row["verified"] for row in rows} == {"size, md5"}
    assert keys(moto_s3, b) == ["run/alias", "run/empty/", "run/sub/y", "run/x"]
    assert moto_s3.client().head_object(Bucket=b, Key="run/x")["Metadata"] == {"k": "v"}
    assert moto_s3.client().get_object(Bucket=b, Key="run/alias")["Body"].read() == b"run/x"  # another bucket
    assert not [asked for asked in stub.asked if asked.body]
    assert not [asked for asked in stub.requests("GET") if "list-type" not in asked.target]
    assert "3 files skipped" in at_s3("copy", "-r", f"st:{a}/run", f"same:{b}/", check=0).err
    moto_s3.client().put_object(Bucket=a, Key="run/x", Body=b"changed")
    assert at_s3("copy", "--no-clobber", f"st:{a}/run/x", f"st:{b}/run/x", check=8)
    at_s3("copy", f"st:{a}/run/x", f"st:{b}/run/x", check=0)
    assert moto_s3.client().get_object(Bucket=b, Key="run/x")["Body"].read() == b"changed"
    at_s3("copy", "-n", f"st:{a}/run/x", f"st:{b}/new", check=0)
    assert "onto itself" in at_s3("copy", f"st:{a}/run/x", f"same:{a}/run/x", check=2).err
    assert "run/new" not in keys(moto_s3, b)


def test_a_refused_copy_leaves_nothing(at_s3, moto_s3, stub):
    a, b = moto_s3.bucket(), moto_s3.bucket()
    moto_s3.client().put_object(Bucket=a, Key="run/x", Body=b"x")
    for source, target in ((f"st:{a}/run", f"other:{b}/there"), (f"other:{a}/run", f"st:{b}/there")):
        assert "--through" in at_s3("copy", "-r", source, target, check=2).err
    assert "leave out --push" in at_s3("copy", "--push", f"st:{a}/run/x", f"st:{b}/x", check=2).err
    stub.answer("PUT", "", 403, "AccessDenied")
    assert "--through" in at_s3("copy", "-r", f"st:{a}/run", f"st:{b}/there", check=4).err
    assert keys(moto_s3, b) == []


def test_a_copy_that_the_server_did_not_make_costs_no_file(at_s3, moto_s3, stub):
    """The tags are no MD5, as with SSE-KMS, and the object that has the new name has the size of the old one."""
    bucket, client = moto_s3.bucket(), moto_s3.client()
    for key, body in (("old", b"ours"), ("new", b"them")):
        client.put_object(Bucket=bucket, Key=key, Body=body)
    s3_quirks.encrypt_with_kms(stub)
    s3_quirks.drop_headers(stub, "x-amz-checksum-crc32", "x-amz-checksum-crc64nvme")
    fault = stub.answer("PUT", "/new", 200, body=b"<html><body>login</body></html>")
    assert "not confirmed" in at_s3("mv", "-f", f"st:{bucket}/old", f"st:{bucket}/new", check=5).err
    assert client.get_object(Bucket=bucket, Key="old")["Body"].read() == b"ours"
    fault.times = 0
    at_s3("mv", "-f", f"st:{bucket}/old", f"st:{bucket}/new", check=0)
    assert keys(moto_s3, bucket) == ["new"]
    assert client.get_object(Bucket=bucket, Key="new")["Body"].read() == b"ours"


@pytest.mark.parametrize("command", ["mv", "copy"])
def test_a_file_that_another_client_writes_over_the_copy_stays(at_s3, moto_s3, stub, command):
    bucket, client = moto_s3.bucket(), moto_s3.client()
    client.put_object(Bucket=bucket, Key="old", Body=b"ours")
    s3_quirks.call_after(stub, "PUT", "/new", lambda: client.put_object(Bucket=bucket, Key="new", Body=b"theirs"))
    assert f"s3://{bucket}/new may be another" in at_s3(command, f"st:{bucket}/old", f"st:{bucket}/new", check=5).err
    assert client.get_object(Bucket=bucket, Key="new")["Body"].read() == b"theirs"
    assert keys(moto_s3, bucket) == ["new", "old"]


@pytest.mark.parametrize("command", ["mv", "copy"])
def test_a_file_that_is_replaced_while_it_is_copied_is_named(at_s3, moto_s3, stub, command):
    bucket, client = moto_s3.bucket(), moto_s3.client()
    client.put_object(Bucket=bucket, Key="old", Body=b"ours")
    stub.answer("PUT", "/new", 412, "PreconditionFailed")
    failed = at_s3(command, f"st:{bucket}/old", f"st:{bucket}/new", check=5)
    assert f"the file changed while it was read: s3://{bucket}/old has another version" in failed.err
    assert len(stub.requests("PUT")) == 1
    assert keys(moto_s3, bucket) == ["old"]


def test_a_directory_is_renamed(at_s3, moto_s3, stub):
    bucket = moto_s3.bucket()
    for key in ("old/x", "old/sub/y"):
        moto_s3.client().put_object(Bucket=bucket, Key=key, Body=b"x")
    fault = stub.answer("PUT", "/new/x", 403, "AccessDenied")
    failed = at_s3("mv", f"st:{bucket}/old", f"st:{bucket}/new", check=4)
    assert "nothing was deleted, and the same command continues" in failed.err
    fault.times = 0
    ended = at_s3("mv", f"st:{bucket}/old", f"st:{bucket}/new", check=0)
    assert "2 files, 2 B, copied, compared, then deleted" in ended.err
    assert keys(moto_s3, bucket) == ["new/sub/y", "new/x"]
    moto_s3.client().put_object(Bucket=bucket, Key="into/a", Body=b"x")
    at_s3("mv", "-q", f"st:{bucket}/new", f"st:{bucket}/into", check=0)  # an existing directory, as everywhere
    assert keys(moto_s3, bucket) == ["into/a", "into/new/sub/y", "into/new/x"]
    assert "bucket cannot be renamed" in at_s3("mv", f"st:{bucket}", "st:another-bucket", check=2).err
