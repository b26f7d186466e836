"""Defects of older clients' uploads to the download service, which must not come back."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from flask import Response
from servers.platform_door import says
from servers.platform_site import Platform

import ctadata
from ctadata.api import StorageException

ODD = ["h#1.txt", "k?v", "x%20y", "p(q", "s[t", "u+v", "w x", "é", "日本"]


@pytest.mark.parametrize("name", ODD)
def test_an_upload_gets_the_name_that_it_returns(on_platform: Platform, name):
    Path("local").write_text("content")
    said = ctadata.upload_file("local", f"d d/{name}")
    assert said == {"path": f"{on_platform.home}/d d/{name}", "status": "uploaded", "total_written": 7}
    assert on_platform.tree(on_platform.home) == ["d d/", f"d d/{name}"]
    assert on_platform.read(said["path"]) == b"content"


def test_an_upload_over_a_file_replaces_it_and_is_no_error(on_platform: Platform):
    for text in ("first", "the second"):
        Path("latest.txt").write_text(text)
        assert ctadata.upload_file("latest.txt", "latest.txt")["total_written"] == len(text)
        assert on_platform.read(f"{on_platform.home}/latest.txt") == text.encode()


def test_an_upload_of_the_same_length_and_an_older_time_replaces_too(on_platform: Platform):
    Path("f").write_text("one")
    ctadata.upload_file("f", "f")
    Path("f").write_text("two")
    os.utime("f", (1e9, 1e9))
    assert ctadata.upload_file("f", "f")["status"] == "uploaded"
    assert on_platform.read(f"{on_platform.home}/f") == b"two"


@pytest.mark.parametrize("off", [-1, 1])
def test_a_wrong_number_of_written_bytes_is_an_error(on_platform: Platform, off):
    def miscounted(answer: Response) -> Response:
        said = json.loads(answer.data)
        answer.data = json.dumps({**said, "total_written": said["total_written"] + off})
        return answer

    Path("f").write_bytes(b"x" * 1000)
    on_platform.after("POST", "downloadservice/upload/f", miscounted, times=20)
    with pytest.raises(StorageException):
        ctadata.upload_file("f", "f")


def test_an_upload_that_is_shorter_on_the_storage_is_an_error(on_platform: Platform):
    """The service reports success, but the listing shows another size."""

    def cut(answer: Response) -> Response:
        (on_platform.files / on_platform.home / "f").write_bytes(b"x" * 999)
        return answer

    Path("f").write_bytes(b"x" * 1000)
    on_platform.after("POST", "downloadservice/upload/f", cut, times=20)
    with pytest.raises(StorageException):
        ctadata.upload_file("f", "f")


def test_an_upload_is_chunked_so_that_a_cut_cannot_look_whole(on_platform: Platform):
    Path("f").write_bytes(b"x" * 300_000)
    ctadata.upload_file("f", "f")
    (sent,) = [seen for seen in on_platform.requests if seen.path == "downloadservice/upload/f"]
    assert sent.headers["Transfer-Encoding"] == "chunked"
    assert "Content-Length" not in sent.headers


@pytest.mark.parametrize("spelling", ["tree", "tree/", "./tree"])
def test_a_directory_goes_below_the_path_asked_for(on_platform: Platform, spelling):
    Path("tree/sub/deep").mkdir(parents=True)
    for name in ("a", "sub/b", "sub/deep/c c"):
        Path("tree", name).write_text(name)
    ctadata.upload_dir(spelling, "into/it")
    expected = ["a", "sub/", "sub/b", "sub/deep/", "sub/deep/c c"]
    assert on_platform.tree(f"{on_platform.home}/into/it") == expected
    assert on_platform.tree(on_platform.home)[:2] == ["into/", "into/it/"]
    assert not (on_platform.files / on_platform.home / "sub").exists()


def test_every_file_of_a_directory_is_tried_and_failures_are_raised(on_platform: Platform):
    Path("tree/empty").mkdir(parents=True)
    for name in "abc":
        Path("tree", name).write_text(name)
    on_platform.door.fault("PUT", f"{on_platform.home}/t/b", *[says("403 Forbidden")] * 20)
    with pytest.raises(ctadata.PartialFailure) as caught:
        ctadata.upload_dir("tree", "t")
    assert [Path(error.path).name for error in caught.value.failures] == ["b"]
    assert sorted(upload["path"] for upload in caught.value.done) == [f"{on_platform.home}/t/{n}" for n in "ac"]


def test_empty_directories_are_created_too(on_platform: Platform):
    Path("tree/empty").mkdir(parents=True)
    Path("tree/f").write_text("")
    ctadata.upload_dir("tree", "t")
    assert on_platform.tree(f"{on_platform.home}/t") == ["empty/", "f"]


def test_an_upload_without_a_path_takes_the_name_of_the_file(on_platform: Platform):
    Path("f").write_text("content")
    said = ctadata.upload_file("f", "")
    assert said["path"] == f"{on_platform.home}/f"
    assert "POST downloadservice/upload" not in on_platform.seen()


def test_a_path_that_is_no_local_directory_is_refused(on_platform: Platform):
    with pytest.raises(FileExistsError):
        ctadata.upload_dir("missing", "x")
    Path("f").write_text("")
    with pytest.raises(Exception, match="not a directory"):
        ctadata.upload_dir("f", "x")
    assert on_platform.requests == []


def test_a_missing_right_to_write_is_named_in_the_error(on_platform: Platform):
    on_platform.certificates.shared_users.clear()
    Path("f").write_text("x")
    with pytest.raises(StorageException, match="upload-personal-certificate"):
        ctadata.upload_file("f", "f")


def test_two_dots_in_the_name_of_an_upload_work(on_platform: Platform):
    Path("f").write_text("x")
    assert on_platform.read(ctadata.upload_file("f", "a..b.txt")["path"]) == b"x"
