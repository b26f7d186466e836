"""The filesystem of an S3 store: the same promises, without a door and without movers."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import fsspec
import pytest
from servers.moto import MotoS3

from ctadata.errors import Changed, Unsupported, UsageError
from ctadata.filesystem import CtaFileSystem
from ctadata.filesystem.sessions import place_of

CONTENT = random.Random(7).randbytes(5 << 20)


@pytest.fixture
def bucket(moto_s3: MotoS3) -> str:
    name = f"bucket-{uuid4().hex[:10]}"
    moto_s3.client().create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": moto_s3.region})
    moto_s3.client().put_object(Bucket=name, Key="a/f", Body=CONTENT)
    return name


@pytest.fixture
def fs(moto_s3: MotoS3, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CtaFileSystem]:
    settings = {"kind": "s3", "endpoint": moto_s3.url, "region": moto_s3.region}
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    (tmp_path / "config.toml").write_text("\n".join(["[profiles.moto]", *lines, ""]))
    monkeypatch.setenv("CTADATA_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", moto_s3.key.id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", moto_s3.key.secret)
    yield CtaFileSystem(profile="moto")
    place_of("moto").session.close()


def test_parts_are_read(fs: CtaFileSystem, bucket: str) -> None:
    with fsspec.open(f"cta://moto/{bucket}/a/f") as file:
        file.seek(3_000_000)
        assert file.read(1000) == CONTENT[3_000_000:3_001_000]
        file.seek(-5, 2)
        assert file.read() == CONTENT[-5:]
    assert fs.cat_file(f"/{bucket}/a/f", start=-1028) == CONTENT[-1028:]
    assert fs.cat_ranges([f"/{bucket}/a/f"] * 2, [0, 10], [5, 15]) == [CONTENT[:5], CONTENT[10:15]]
    assert fs.cat_file(f"/{bucket}/a/f") == CONTENT


def test_another_version_has_another_tag_and_is_an_error(fs: CtaFileSystem, bucket: str, moto_s3: MotoS3) -> None:
    with fs.open(f"/{bucket}/a/f") as file:
        moto_s3.client().put_object(Bucket=bucket, Key="a/f", Body=CONTENT[::-1])
        file.seek(3_000_000)
        with pytest.raises(Changed):
            file.read(10)


def test_a_parquet_file_is_read_from_its_end(fs: CtaFileSystem, bucket: str, moto_s3: MotoS3) -> None:
    moto_s3.client().put_object(Bucket=bucket, Key="a/t.parquet", Body=CONTENT)
    with fs.open(f"/{bucket}/a/t.parquet") as file:
        assert file.size == len(CONTENT)
        file.seek(-1000, 2)
        assert file.read() == CONTENT[-1000:]
        file.seek(0)
        assert file.read() == CONTENT


def test_files_are_written_listed_and_removed(fs: CtaFileSystem, bucket: str, moto_s3: MotoS3) -> None:
    with fs.open(f"/{bucket}/b/new.txt", "w") as file:
        file.write("new")
    assert moto_s3.client().get_object(Bucket=bucket, Key="b/new.txt")["Body"].read() == b"new"
    with pytest.raises(FileExistsError):
        fs.open(f"/{bucket}/b/new.txt", "xb")
    assert fs.find(f"/{bucket}") == [f"/{bucket}/a/f", f"/{bucket}/b/new.txt"]
    fs.mv(f"/{bucket}/b/new.txt", f"/{bucket}/c.txt")
    fs.rm(f"/{bucket}/a", recursive=True)
    assert fs.find(f"/{bucket}") == [f"/{bucket}/c.txt"]
    with pytest.raises(FileNotFoundError):
        fs.open(f"/{bucket}/none")
    assert fs.sign(f"/{bucket}/c.txt").startswith("http")


def test_a_key_that_no_path_can_name_is_refused(fs: CtaFileSystem, bucket: str) -> None:
    with pytest.raises(OSError, match="no path can name") as raised:
        fs.open(f"/{bucket}/a//f")
    assert isinstance(raised.value, UsageError)


def test_a_time_of_creation_is_not_told(fs: CtaFileSystem, bucket: str) -> None:
    with pytest.raises(Unsupported, match="the storage keeps no time of creation"):
        fs.created(f"/{bucket}/a/f")


def test_a_directory_cannot_be_opened(fs: CtaFileSystem, bucket: str) -> None:
    with pytest.raises(IsADirectoryError, match="a directory, not a file"):
        fs.open(f"/{bucket}/a")
    with pytest.raises(FileNotFoundError):
        fs.open(f"/{bucket}/none")
