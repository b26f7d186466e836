"""Metadata, tags and storage classes of objects: `put` sends them, `stat` shows them, `copy` replaces them."""

from __future__ import annotations

import json
import os

import pytest


@pytest.fixture
def at_s3(run, moto_s3, tmp_path, monkeypatch):
    """The command, with moto as the site of the profile st."""
    settings = tmp_path / "s3.toml"
    settings.write_text(
        f'[profiles.st]\nkind = "s3"\nendpoint = "{moto_s3.url}"\nregion = "{moto_s3.region}"\npart_size = "5MiB"\n'
    )
    monkeypatch.setenv("CTADATA_CONFIG", str(settings))
    monkeypatch.setenv("CTADATA_PROFILE", "st")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", moto_s3.key.id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", moto_s3.key.secret)
    monkeypatch.chdir(tmp_path)
    return run


@pytest.fixture
def bucket(moto_s3) -> str:
    return moto_s3.bucket()


DESCRIBED = (
    *("--metadata", "Run=7", "--metadata", "telescope=LST 1", "--cache-control", "max-age=60", "--tags", "a=1&b=x y"),
    *("--content-disposition", 'attachment; filename="a.h5"', "--storage-class", "STANDARD_IA", "--sse", "AES256"),
    *("--tags", "state=raw"),
)
SHOWN = {
    "cache_control": "max-age=60",
    "content_disposition": 'attachment; filename="a.h5"',
    "storage_class": "STANDARD_IA",
    "encryption": "AES256",
    "tags": {"a": "1", "b": "x y", "state": "raw"},
}


def described(at_s3, path: str) -> dict[str, object]:
    shown = json.loads(at_s3("stat", "--json", path, check=0).out)["object"]
    shown["metadata"] = {name: value for name, value in shown["metadata"].items() if name in ("run", "telescope", "k")}
    return {name: value for name, value in shown.items() if name != "content_type"}


@pytest.mark.parametrize("size", [3, pytest.param((5 << 20) + 1, marks=pytest.mark.full("parts"))])
def test_what_put_says_is_what_stat_shows(at_s3, bucket, tmp_path, size):
    (tmp_path / "a.h5").write_bytes(bytes(size))
    put = ("put", "a.h5", f"s3://{bucket}/")
    at_s3(*put, *DESCRIBED, check=0)
    assert described(at_s3, f"s3://{bucket}/a.h5") == {**SHOWN, "metadata": {"run": "7", "telescope": "LST 1"}}
    lines = [line.split() for line in at_s3("stat", f"s3://{bucket}/a.h5", check=0).out.splitlines()]
    assert ["metadata", "run", "7"] in lines
    assert "1 file skipped" in at_s3(*put, *DESCRIBED, check=0).err
    assert "1 file done" in at_s3(*put, *DESCRIBED[:-1], "state=final", check=0).err
    assert "1 file skipped" in at_s3(*put, check=0).err  # an upload that says nothing changes nothing
    at_s3("copy", "--metadata", "k=v", f"st:{bucket}/a.h5", f"st:{bucket}/a.h5", check=0)
    tags = {"a": "1", "b": "x y", "state": "final"}
    assert described(at_s3, f"s3://{bucket}/a.h5") == {**SHOWN, "metadata": {"k": "v"}, "tags": tags}
    at_s3("copy", "--storage-class", "STANDARD", "--tags", "t=1", f"st:{bucket}/a.h5", f"st:{bucket}/b", check=0)
    found = described(at_s3, f"s3://{bucket}/b")
    assert (found["metadata"], found["tags"], found.get("storage_class")) == ({"k": "v"}, {"t": "1"}, None)


def test_the_media_type_follows_the_name(at_s3, moto_s3, bucket, tmp_path):
    types = {"a.fits": "application/fits", "b.html": "text/html", "c.tar.gz": "application/gzip", "d": None}
    for name in types:
        (tmp_path / name).write_text("x")
    at_s3("put", *types, f"s3://{bucket}/", check=0)
    heads = {name: moto_s3.client().head_object(Bucket=bucket, Key=name) for name in types}
    assert {name: head["ContentType"] for name, head in heads.items()} == {**types, "d": "binary/octet-stream"}
    assert not any(head.get("ContentEncoding") for head in heads.values())
    at_s3("put", "--no-guess-mime-type", "b.html", f"s3://{bucket}/plain.html", check=0)
    assert moto_s3.client().head_object(Bucket=bucket, Key="plain.html")["ContentType"] == "binary/octet-stream"
    at_s3("put", "--content-type", "text/x", "b.html", f"s3://{bucket}/other.html", check=0)
    assert moto_s3.client().head_object(Bucket=bucket, Key="other.html")["ContentType"] == "text/x"


def test_a_listing_shows_the_mtime_of_the_uploaded_file(at_s3, moto_s3, bucket, tmp_path):
    (tmp_path / "a").write_text("x")
    os.utime(tmp_path / "a", (1_000_000_000, 1_000_000_000))
    at_s3("put", "a", f"s3://{bucket}/t/", check=0)
    moto_s3.client().put_object(Bucket=bucket, Key="t/b", Body=b"x")
    assert "2001-09-09T01:46:40Z" not in at_s3("list", "-l", f"s3://{bucket}/t", check=0).out
    first, second = at_s3("list", "-l", "--mtime", f"s3://{bucket}/t", check=0).out.splitlines()
    assert first.split()[2:] == ["2001-09-09T01:46:40Z", f"{bucket}/t/a"]
    assert second.endswith("t/b")
    rows = at_s3("list", "--json", "--mtime", f"s3://{bucket}/t", check=0).out.splitlines()
    assert json.loads(rows[0])["mtime"] == "2001-09-09T01:46:40Z"
    at_s3("get", f"s3://{bucket}/t/a", "back", check=0)
    assert (tmp_path / "back").stat().st_mtime == 1_000_000_000


@pytest.mark.parametrize(
    "wrong",
    [
        ("--metadata", "no value"),
        ("--metadata", "a=b\r\nx-amz-acl: public-read"),
        ("--metadata", "mtime=1"),
        ("--metadata", "a=ü"),
        ("--metadata", f"a={'x' * 1999}", "--metadata", f"b={'x' * 99}"),
        ("--storage-class", "slow one"),
        ("--sse", "AES256:key"),
        ("--sse", "rot13"),
        ("--tags", "=x"),
        ("--tags", "&".join(f"t{number}=1" for number in range(11))),
        ("--cache-control", "a\nb"),
    ],
)
def test_what_no_header_can_carry_is_refused_before_a_request(at_s3, tmp_path, wrong, monkeypatch):
    (tmp_path / "a").write_text("x")
    monkeypatch.setenv("CTADATA_ENDPOINT", "http://127.0.0.1:9")
    ended = at_s3("put", "a", "s3://nowhere/a", *wrong, check=2)
    assert len(ended.err.splitlines()) == 1


def test_a_store_other_than_s3_refuses_them_in_one_line(run, box, use_sandbox):
    use_sandbox(box)
    for option in (("--metadata", "a=b"), ("--tags", "a=b"), ("--no-guess-mime-type",)):
        ended = run("put", *option, __file__, "a", check=2)
        assert ("no S3 store" in ended.err, len(ended.err.splitlines())) == (True, 1)
    assert len(run("list", "--mtime", "home:", check=2).err.splitlines()) == 1
