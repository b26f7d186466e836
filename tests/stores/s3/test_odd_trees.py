"""Random trees with keys that no path can name: a sync deletes what it should, and nothing that these keys protect."""

from __future__ import annotations

import posixpath
import random
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from servers.moto import MotoS3
from servers.s3_stub import s3_stub
from stores.s3.connections import FixedKey, StubbedServer, opened_s3

from ctadata.entries import Entry, Kind
from ctadata.paths import RemotePath
from ctadata.transfer.download_target import DownloadTarget
from ctadata.transfer.local_tree import UploadSource
from ctadata.transfer.plan import Rules
from ctadata.transfer.report import NullReporter
from ctadata.transfer.run import Run
from ctadata.transfer.sync import Deletion, sync_down, sync_up

NONE = ("", ".", "..")


@pytest.fixture
def s3(moto_s3: MotoS3) -> Iterator[StubbedServer]:
    key = FixedKey(moto_s3.key.id, moto_s3.key.secret)
    with s3_stub(moto_s3.url) as stub, opened_s3(stub.url, key, region=moto_s3.region) as store:
        yield StubbedServer(store, moto_s3.client(), stub, moto_s3.url)


def beginning(key: str) -> str | None:
    """Return the longest beginning of a key that is a path; None if the whole key is one."""
    parts = key.split("/")
    bad = next((number for number, part in enumerate(parts) if part in NONE), None)
    return None if bad is None else "/".join(parts[:bad])


def counterpart(key: str) -> str:
    """Return the path that a file system makes of a key."""
    return posixpath.normpath(key.strip("/"))


def agree(names: Iterable[str]) -> bool:
    """Return whether no name lies inside another one."""
    every = set(names)
    return not any(
        "/".join(name.split("/")[:depth]) in every for name in every for depth in range(1, name.count("/") + 1)
    )


def drawn(rng: random.Random) -> tuple[set[str], set[str], set[str]]:
    """Return random keys that no path can name, keys of files, and local names."""

    def name(parts: str) -> str:
        return "t/" + "/".join(rng.choices(parts.split(","), k=rng.randint(1, 3)))

    while True:
        keys = {name("a,b,c,,.,..") for _ in range(rng.randint(1, 9))} | {name("a,b,c") for _ in range(3)}
        odd = {key for key in keys if beginning(key) is not None}
        here = {name("a,b,c") for _ in range(rng.randint(1, 6))}
        if odd and agree([*(keys - odd), *here, *(f"{beginning(key)}/x" for key in odd)]):
            return odd, keys - odd, here


@pytest.mark.parametrize("up", [False, True])
def test_a_sync_keeps_the_files_of_unnameable_keys(
    s3: StubbedServer, up: bool, tmp_path: Path, rng: random.Random, count: Callable[..., int]
) -> None:
    for number in range(count(12, 300)):
        odd, files, here = drawn(rng)
        bucket, folder = s3.bucket(), tmp_path / str(number)
        (folder / "t").mkdir(parents=True)
        for key in odd | files:
            s3.put(bucket, key, b"there")
        for name in here:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(b"here there")
        kept = here & {counterpart(key) for key in odd}
        run, top = Run(s3.store, Rules(), NullReporter(), threading.Event()), RemotePath((bucket, "t"))
        deletion = Deletion(confirm=lambda *_: True, trust_empty=True)
        if up:
            summary = sync_up(run, UploadSource(top, folder / "t"), deletion)
        else:
            summary = sync_down(run, DownloadTarget(Entry(top, Kind.DIRECTORY), folder / "t"), deletion)
        left = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        there = {item["Key"] for item in s3.client.list_objects_v2(Bucket=bucket)["Contents"]}
        there = {key for key in there if key in odd or not key.endswith("/")}  # marks of directories
        told = f"{odd=} {files=} {here=}"
        assert not summary.failed, told
        assert left == (here if up else files | kept), told
        assert there == (here | odd if up else files | odd), told
        assert {outcome.key for outcome in summary.passed} == {f"s3://{bucket}/{key}" for key in odd}, told
