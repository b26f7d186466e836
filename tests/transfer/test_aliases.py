"""Aliases on their way down and up, at an S3 server: the file arrives, and the alias stays one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from stores.memory import MemoryStore
from stores.s3.connections import FixedKey, opened_s3
from stores.suite import Bytes, get
from transfer.trees import Recorder, files_below

from ctadata.paths import RemotePath
from ctadata.stores.s3.store import S3Store
from ctadata.transfer.aliases import BECAME_FILES
from ctadata.transfer.download_target import DownloadTarget
from ctadata.transfer.download_tree import download
from ctadata.transfer.local_tree import UploadSource
from ctadata.transfer.plan import Rules
from ctadata.transfer.report import Summary
from ctadata.transfer.run import Run
from ctadata.transfer.third_party_copy import CopyItem, CopySource, copy
from ctadata.transfer.upload_tree import upload

ROOT = RemotePath()


@pytest.fixture
def store(moto_s3) -> Iterator[S3Store]:
    """A bucket with a file, two aliases of it and an empty file."""
    bucket, client = moto_s3.bucket(), moto_s3.client()
    client.put_object(Bucket=bucket, Key="a", Body=b"ACGT")
    client.put_object(Bucket=bucket, Key="sub/b", WebsiteRedirectLocation="/a")
    client.put_object(Bucket=bucket, Key="sub/c", WebsiteRedirectLocation="/sub/b")
    client.put_object(Bucket=bucket, Key="empty")
    with opened_s3(
        moto_s3.url, FixedKey(moto_s3.key.id, moto_s3.key.secret), root=f"/{bucket}", region=moto_s3.region
    ) as store:
        yield store


@pytest.fixture
def run(store: S3Store) -> Callable[..., Run]:
    def make(**rules: bool) -> Run:
        return Run(store, Rules(jobs=3, **rules), Recorder(), threading.Event(), pause=lambda seconds: None)

    return make


@pytest.fixture
def down(run, store, tmp_path) -> Callable[..., Summary]:
    return lambda **rules: download(run(**rules), [DownloadTarget(store.info(ROOT), tmp_path / "down")])


WHOLE = {"a": b"ACGT", "sub/b": b"ACGT", "sub/c": b"ACGT", "empty": b""}


def test_each_alias_is_downloaded_with_its_bytes_and_skipped_the_next_time(down, tmp_path):
    summary = down()
    assert (summary.done, summary.remarks) == (4, [BECAME_FILES])
    assert files_below(tmp_path / "down") == WHOLE
    again = down()
    assert (again.done, again.skipped, again.remarks) == (0, 4, [])
    assert down(dry_run=True).done == 0


def test_a_dry_run_reports_the_sizes_of_aliases(down):
    foreseen = down(dry_run=True)
    assert (foreseen.done, foreseen.size) == (4, 12)


def test_an_alias_with_a_bad_target_is_one_failure(down, store, moto_s3, tmp_path):
    client, bucket = moto_s3.client(), store.root.parts[0]
    client.put_object(Bucket=bucket, Key="bad", WebsiteRedirectLocation="http://example.org/a")
    client.put_object(Bucket=bucket, Key="dangling", WebsiteRedirectLocation="/missing")
    summary = down()
    assert sorted(outcome.error.path for outcome in summary.failed) == ["/bad", "/dangling"]
    assert files_below(tmp_path / "down") == WHOLE


def test_an_upload_of_a_downloaded_alias_changes_nothing(down, run, store, tmp_path):
    down()
    summary = upload(run(), [UploadSource(ROOT, tmp_path / "down")])
    assert (summary.done, summary.skipped, summary.exit_code) == (0, 4, 0)
    assert store.info(RemotePath(("sub", "b"))).alias_of == "a"


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_different_file_does_not_replace_an_alias(down, run, store, tmp_path, dry_run):
    down()
    (tmp_path / "down" / "sub" / "b").write_bytes(b"TTTTTT")
    (tmp_path / "down" / "empty").write_bytes(b"now it has some")
    summary = upload(run(dry_run=dry_run), [UploadSource(ROOT, tmp_path / "down")])
    assert [str(outcome.remote) for outcome in summary.kept] == ["/sub/b"]
    assert "an alias of a" in summary.kept[0].why
    assert summary.exit_code == 8
    assert store.info(RemotePath(("sub", "b"))).alias_of == "a"
    assert store.info(RemotePath(("empty",))).size == (0 if dry_run else 15)


def crossed(origin, run: Run) -> Summary:
    """What a copy through this machine does."""

    def move(entry, to, moved):
        run.store.write(to, Bytes(get(origin, entry.path)))

    return copy(run, CopySource(origin, move), [CopyItem(origin.info(ROOT), ROOT)])


def test_a_copy_to_another_store_copies_the_files_and_says_so(store):
    there = MemoryStore()
    summary = crossed(store, Run(there, Rules(), Recorder(), threading.Event(), pause=lambda seconds: None))
    assert (summary.done, summary.remarks) == (4, [BECAME_FILES])
    assert {name: get(there, RemotePath.parse(name)) for name in WHOLE} == WHOLE


def test_a_copy_does_not_replace_an_alias(store, run):
    here = MemoryStore()
    for name, content in {"a": b"ACGT", "sub/b": b"TTTTTT"}.items():
        here.mkdir(RemotePath.parse(name).parent)
        here.write(RemotePath.parse(name), Bytes(content))
    summary = crossed(here, run())
    assert [str(outcome.remote) for outcome in summary.kept] == ["/sub/b"]
    assert store.info(RemotePath(("sub", "b"))).alias_of == "a"
