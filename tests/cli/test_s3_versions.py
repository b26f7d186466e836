"""Old versions at an S3 store: listed, read, deleted one by one, and deleted files brought back."""

from __future__ import annotations

import json

import pytest


@pytest.fixture(params=["moto", pytest.param("ceph", marks=pytest.mark.full("rgw"))])
def s3(request) -> tuple[str, str, str, str, object]:
    """Address, region, key, secret and boto3's client of a server."""
    if request.param == "moto":
        server = request.getfixturevalue("moto_s3")
        return server.url, server.region, server.key.id, server.key.secret, server.client()
    server = request.getfixturevalue("rgw")
    keys = server.new_user()
    return server.http, "us-east-1", keys.access, keys.secret, server.client(keys)


@pytest.fixture
def at_s3(run, s3, tmp_path, monkeypatch):
    """The command, with the server as the site of the profile st."""
    url, region, key, secret, _ = s3
    settings = tmp_path / "s3.toml"
    settings.write_text(f'[profiles.st]\nkind = "s3"\nendpoint = "{url}"\nregion = "{region}"\n')
    variables = {"CTADATA_CONFIG": str(settings), "CTADATA_PROFILE": "st", "AWS_ACCESS_KEY_ID": key}
    for name, value in {**variables, "AWS_SECRET_ACCESS_KEY": secret}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return run


@pytest.fixture
def bucket(at_s3, s3, request) -> str:
    """A bucket that keeps versions."""
    name = f"versions-{abs(hash(request.node.nodeid)) % 10**9}"
    at_s3("make-bucket", "--versioning", name, check=0)
    assert s3[-1].get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    return name


def versions(at_s3, path: str, *options: str) -> list[dict[str, object]]:
    return [
        json.loads(line) for line in at_s3("list", "--versions", "--json", *options, path, check=0).out.splitlines()
    ]


def test_each_version_is_listed_read_and_deleted_by_its_id(at_s3, s3, bucket, tmp_path):
    client = s3[-1]
    for body in (b"one", b"two"):
        client.put_object(Bucket=bucket, Key="d/a b", Body=body)
    client.put_object(Bucket=bucket, Key="d/a bc", Body=b"another")
    at_s3("rm", f"s3://{bucket}/d/a b", check=0)
    rows = versions(at_s3, f"s3://{bucket}/d/a b")
    assert [(row["state"], row["size"]) for row in rows] == [("deleted", None), ("old", 3), ("old", 3)]
    ids = {
        client.get_object(Bucket=bucket, Key="d/a b", VersionId=r["version_id"])["Body"].read(): r["version_id"]
        for r in rows[1:]
    }
    assert len(versions(at_s3, f"s3://{bucket}/d")) == len(versions(at_s3, f"s3://{bucket}/", "-r")) == 4
    assert ids[b"one"] in at_s3("list", "--versions", f"s3://{bucket}/d", check=0).out
    got = json.loads(at_s3("get", "--json", "--version-id", ids[b"one"], f"s3://{bucket}/d/a b", "old", check=0).out)
    assert ((tmp_path / "old").read_bytes(), got["verified"]) == (b"one", "size, md5")
    at_s3("rm", "--version-id", ids[b"one"], f"s3://{bucket}/d/a b", check=0)
    assert "no version" in at_s3("rm", "--version-id", ids[b"one"], f"s3://{bucket}/d/a b", check=3).err
    assert at_s3("get", "--version-id", ids[b"one"], f"s3://{bucket}/d/a b", "gone", check=3)
    assert len(versions(at_s3, f"s3://{bucket}/d/a b")) == 2  # the marker and the other version
    at_s3("list", "--versions", f"s3://{bucket}/missing", check=3)


def test_deleted_files_come_back_and_commands_leave_old_versions_alone(at_s3, s3, bucket, tmp_path):
    client = s3[-1]
    for key in ("t/a", "t/sub/b", "t/kept"):
        client.put_object(Bucket=bucket, Key=key, Body=key.encode())
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "kept").write_text("changed")
    at_s3("sync", "--delete", "--yes", "here", f"st:{bucket}/t", check=0)
    assert len([row for row in versions(at_s3, f"s3://{bucket}/t", "-r") if row["state"] != "deleted"]) == 4
    assert f"{bucket}/t/kept" in at_s3("list", "-r", f"s3://{bucket}/", check=0).out.split()
    at_s3("list", f"s3://{bucket}/t/sub", check=3)  # some servers list it still, because it has old versions
    at_s3("undelete", f"s3://{bucket}/t/a", check=0)
    assert client.get_object(Bucket=bucket, Key="t/a")["Body"].read() == b"t/a"
    assert "nothing deleted" in at_s3("undelete", f"s3://{bucket}/t/a", check=3).err
    assert "-r" in at_s3("undelete", f"s3://{bucket}/t/sub", check=3).err
    assert at_s3("undelete", "-rn", f"s3://{bucket}/t", check=0).out == f"undelete {bucket}/t/sub/b\n"
    at_s3("undelete", "-r", f"s3://{bucket}/t", check=0)
    assert client.get_object(Bucket=bucket, Key="t/sub/b")["Body"].read() == b"t/sub/b"


def test_other_stores_have_no_versions(run, box, use_sandbox):
    use_sandbox(box)
    for command in (
        ("list", "--versions", "home:"),
        ("get", "--version-id", "x", "lst/a", "b"),
        ("rm", "--version-id", "x", "lst/a"),
        ("undelete", "lst/a"),
    ):
        ended = run(*command, check=2)
        assert ("no S3 store" in ended.err, len(ended.err.splitlines())) == (True, 1)
    assert "one file" in run("get", "-r", "--version-id", "x", "lst/a", "b", check=2).err
