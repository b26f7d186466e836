"""Defects of older clients' downloads from the download service, which must not come back."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from flask import jsonify
from servers.platform_door import Change, altered, dying, longer, says, shorter
from servers.platform_site import Platform

import ctadata
from ctadata.api import StorageException
from ctadata.errors import Unsupported

RUN = "lst/run.h5"
ALWAYS = 20
ODD = [
    "a#b",
    "k?v",
    "x%20y",
    "50%",
    "p(q",
    "s[t",
    "u+v",
    "w x",
    "é",
    "日本",
    "a&b=c",
    "l;m'n",
    '"o"',
    "st*r",
    "a..b.txt",
]


@pytest.fixture
def content(on_platform: Platform) -> bytes:
    return on_platform.put(RUN, random.Random(1).randbytes(100_000))


@pytest.mark.parametrize("status", ["403 Forbidden", "404 Not Found", "503 Service Unavailable"])
def test_an_error_page_served_as_the_file_is_an_error_and_leaves_no_file(on_platform, content, here, status):
    on_platform.door.fault("GET", RUN, *[says(status)] * ALWAYS)
    with pytest.raises(StorageException, match=r"run\.h5"):
        ctadata.fetch_and_save_file(RUN)
    assert here() == []


@pytest.mark.parametrize("change", [shorter(10), longer(1), dying(50_000)], ids=["short", "long", "cut"])
def test_a_body_of_the_wrong_length_is_never_saved(on_platform, content, here, change: Change):
    on_platform.door.fault("GET", RUN, *[change] * ALWAYS)
    with pytest.raises(StorageException):
        ctadata.fetch_and_save_file(RUN)
    assert here() == []


@pytest.mark.parametrize("change", [shorter(10), dying(50_000)], ids=["short", "cut"])
def test_a_download_that_broke_off_once_is_completed(on_platform, content, change: Change):
    on_platform.door.fault("GET", RUN, change)
    assert ctadata.fetch_and_save_file(RUN) == len(content)
    assert Path("run.h5").read_bytes() == content


def test_changed_bytes_are_noticed_if_the_storage_knows_a_digest(on_platform, content, here):
    on_platform.door.digests = True
    on_platform.door.fault("GET", RUN, *[altered()] * ALWAYS)
    with pytest.raises(StorageException):
        ctadata.fetch_and_save_file(RUN)
    assert here() == []


@pytest.mark.parametrize("change", [says("403 Forbidden"), dying(100)], ids=["page", "cut"])
def test_a_failed_download_leaves_the_old_copy_unchanged(on_platform, content, change: Change):
    Path("run.h5").write_bytes(b"the former copy")
    on_platform.door.fault("GET", RUN, *[change] * ALWAYS)
    with pytest.raises(StorageException):
        ctadata.fetch_and_save_file(RUN)
    assert Path("run.h5").read_bytes() == b"the former copy"


def test_an_empty_file_is_an_empty_file_and_a_page_in_its_place_an_error(on_platform, here):
    on_platform.put("lst/empty", b"")
    assert ctadata.fetch_and_save_file("lst/empty") == 0
    assert Path("empty").read_bytes() == b""
    Path("empty").unlink()
    on_platform.door.fault("GET", "lst/empty", *[says("503 Service Unavailable")] * ALWAYS)
    with pytest.raises(StorageException):
        ctadata.fetch_and_save_file("lst/empty")
    assert here() == []


def test_downloading_a_directory_as_a_file_is_one_clear_error(on_platform, here):
    for path, named in (("lst/users", "lst/users"), ("", "/")):
        with pytest.raises(StorageException, match=f"^{named}: it is a directory"):
            ctadata.fetch_and_save_file(path)
    assert here() == []


def test_an_empty_listing_is_an_error_that_names_the_path(on_platform, content):
    on_platform.after("GET", "downloadservice/list/lst/run.h5", lambda _: jsonify([]), times=ALWAYS)
    with pytest.raises(StorageException, match=r"run\.h5"):
        ctadata.fetch_and_save_file(RUN)


@pytest.mark.parametrize("path", ["lst/d", "lst/d/", "/lst/d", "/lst/d/"])
def test_a_recursive_download_fetches_each_file_once_into_its_full_path(on_platform, here, path):
    expected = sorted([f"lst/d/{name}" for name in ("a", "b", "sub/c")])
    for name in expected:
        on_platform.put(name, name.encode())
    ctadata.fetch_and_save_file_or_dir(path, recursive=True)
    assert here() == expected
    assert all(Path(name).read_text() == name for name in expected)
    assert len(on_platform.seen("downloadservice/fetch")) == len(expected)


@pytest.mark.parametrize("path", ["lst/f1.bin", "lst/w x.bin"])
def test_a_recursive_download_of_a_file_downloads_the_file(on_platform, here, path):
    on_platform.put(path, b"12345")
    ctadata.fetch_and_save_file_or_dir(path, recursive=True)
    assert [Path(name).name for name in here()] == [Path(path).name]
    assert Path(here()[0]).read_bytes() == b"12345"


@pytest.mark.parametrize("path", ["/", ""])
def test_the_root_is_a_directory_whatever_its_entry_says(on_platform, here, path):
    on_platform.put("lst/f", b"1")
    on_platform.put("cta/g", b"2")
    ctadata.fetch_and_save_file_or_dir(path, recursive=True)
    assert here() == ["cta/g", "lst/f"]


@pytest.mark.parametrize("href", ["/tmp/elsewhere", "../x", "lst/d/../../x", "lst/d/%2e%2e/%2e%2e/x", "lst/other/x"])
def test_no_listed_name_leads_out_of_the_target_directory(on_platform, tmp_path, here, href):
    for name in ("lst/d/good", "tmp/elsewhere", "lst/other/x", "lst/x", "x"):
        on_platform.put(name, b"good")
    rows = [{"href": "lst/d/", "type": "directory"}, {"href": href, "type": "file", "size": "4"}]
    rows = [{"url": "", "mtime": "Sat, 21 Nov 2026 02:30:31 GMT", **row} for row in rows]
    for asked in ("downloadservice/list/lst/d", "downloadservice/list/lst/d/"):
        on_platform.after("GET", asked, lambda _: jsonify(rows), times=ALWAYS)
    before = set(tmp_path.rglob("*"))
    with pytest.raises(StorageException, match="refused"):
        ctadata.list_dir("lst/d")
    with pytest.raises(StorageException):
        ctadata.fetch_and_save_file_or_dir("lst/d", recursive=True)
    assert [name for name in here() if not name.startswith("lst/d/")] == []
    assert not {file for file in set(tmp_path.rglob("*")) - before if file.name == "x"}
    assert not os.path.exists("/tmp/elsewhere")
    assert not [seen for seen in on_platform.requests if ".." in seen.target or "%2e" in seen.target.lower()]


def test_a_tree_has_the_same_names_as_on_the_storage(on_platform, here):
    for name in ODD:
        on_platform.put(f"lst/a b%41/{name}", name.encode())
    ctadata.fetch_and_save_file_or_dir("lst/a b%41", recursive=True)
    assert here() == sorted(f"lst/a b%41/{name}" for name in ODD)
    assert all(Path(name).read_text() == Path(name).name for name in here())


@pytest.mark.parametrize("name", ODD)
def test_a_file_with_an_odd_name_is_downloaded_as_itself(on_platform, name):
    on_platform.put(f"lst/{name}", f"in {name}".encode())
    for shadow in {name.partition("#")[0], name.partition("?")[0], name.replace("%20", " ")} - {name}:
        on_platform.put(f"lst/{shadow}", b"another one")
    listed = ctadata.list_dir(f"lst/{name}")[0]
    assert (listed, listed["href"], listed["type"]) == (f"lst/{name}", f"lst/{name}", "file")
    for path in (f"lst/{name}", listed, listed["href"]):
        assert ctadata.fetch_and_save_file(path) == len(f"in {name}".encode())
        assert Path(name).read_text() == f"in {name}"
        Path(name).unlink()


@pytest.mark.parametrize("name", ODD)
def test_the_webdav_client_takes_such_names_too(on_platform, name):
    on_platform.put(f"lst/odd/{name}", name.encode())
    client = ctadata.webdav4_client()
    with client.http:
        assert client.ls("/lst/odd", detail=False) == [f"lst/odd/{name}"]
        client.download_file(f"lst/odd/{name}", "here")
        assert Path("here").read_text() == name
        client.upload_file("here", f"{on_platform.home}/{name}")
    assert on_platform.read(f"{on_platform.home}/{name}") == name.encode()


@pytest.mark.parametrize("name", ["e\u0301.txt", "\u212b", "two\nlines"])
def test_a_name_that_dcache_cannot_return_is_refused_before_the_old_file_is_deleted(on_platform, name):
    on_platform.put(f"{on_platform.home}/{name}", b"old")
    Path("here").write_bytes(b"new")
    client = ctadata.webdav4_client()
    with client.http, pytest.raises(Unsupported, match=r"holds U\+"):
        client.upload_file("here", f"{on_platform.home}/{name}", overwrite=True)
    assert on_platform.read(f"{on_platform.home}/{name}") == b"old"


def test_two_dots_as_a_name_are_never_sent(on_platform):
    with pytest.raises(StorageException, match=r"\.\."):
        ctadata.fetch_and_save_file("lst/../cta/x")
    assert not [seen for seen in on_platform.requests if ".." in seen.target]


def test_ranges_in_which_the_service_has_rewritten_bytes_are_noticed(on_platform):
    """/webdav rewrites every href in every body, so a file that holds one arrives changed and shorter."""
    content = on_platform.put(RUN, random.Random(2).randbytes(50_000) + b"<d:href>/pnfs/cta.cscs.ch/lst/</d:href>" * 50)
    on_platform.door.fault("GET", RUN, dying(45_000))
    assert ctadata.fetch_and_save_file(RUN) == len(content)
    assert Path("run.h5").read_bytes() == content
    assert "GET downloadservice/webdav/lst/run.h5" in on_platform.seen()
