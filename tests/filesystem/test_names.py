"""URLs, listings and what the storage says of a file."""

from __future__ import annotations

import json
import pickle
import time
from datetime import UTC, datetime
from pathlib import Path

import fsspec
import pytest
from filesystem.conftest import requests

from ctadata.errors import UsageError
from ctadata.filesystem import CtaFileSystem
from ctadata.filesystem.locations import split_url
from ctadata.sandbox import Sandbox, faults

MTIME = 1_700_000_000.0


@pytest.fixture(autouse=True)
def _files(box: Sandbox) -> None:
    box.files.put("/lst/n/a.h5", b"abc", MTIME)
    box.files.put("/lst/n/deep/er/b.h5", b"abcdef")
    box.files.put("/lst/n/deep/c.txt", b"")
    box.files.put("/lst/users/ada/mine", b"mine")


@pytest.mark.parametrize(
    ("url", "profile", "path"),
    [
        ("cta:///lst/a", None, "/lst/a"),
        ("cta://dev/lst/a/", "dev", "/lst/a"),
        ("ctadata://dev", "dev", "/"),
        ("cta://", None, "/"),
        ("/lst/a", None, "/lst/a"),
        ("lst/a", None, "/lst/a"),
        ("", None, "/"),
        ("cta:///~/a", None, "/~/a"),
        ("cta://dev/~", "dev", "/~"),
        ("cta:///lst/a b%20#?c", None, "/lst/a b%20#?c"),
    ],
)
def test_a_url_names_a_profile_and_a_path(url: str, profile: str | None, path: str) -> None:
    assert split_url(url) == (profile, path)


def test_urls_go_there_and_back(fs: CtaFileSystem) -> None:
    named = CtaFileSystem(profile="sandbox")
    assert fs.unstrip_protocol("/lst/n/a.h5") == "cta:///lst/n/a.h5"
    assert named.unstrip_protocol("/lst/n/a.h5") == "cta://sandbox/lst/n/a.h5"
    assert named.unstrip_protocol("~/mine") == "cta://sandbox/~/mine"
    found, path = fsspec.core.url_to_fs("cta://sandbox/lst/n/a.h5")
    assert (found, path) == (named, "/lst/n/a.h5")
    assert fsspec.filesystem("ctadata", profile="sandbox") is named
    assert named.fsid == fs.fsid


def test_every_call_takes_urls(fs: CtaFileSystem) -> None:
    url = "cta://sandbox/lst/n/a.h5"
    assert fs.info(url)["name"] == "/lst/n/a.h5"
    assert fs.cat_file(url) == fs.cat(url) == b"abc"
    assert fs.exists(url)
    assert fs.cat_file("cta:///~/mine") == fs.cat("cta:///~/mine") == fs.cat("~/mine") == b"mine"
    assert fs.size(url) == 3


def test_a_name_that_exists_is_no_pattern(box: Sandbox, fs: CtaFileSystem) -> None:
    for name in ("run[12].h5", "run1.h5", "run2.h5", "*", "a*"):
        box.files.put(f"/lst/n/odd/{name}", name.encode())
    box.files.put("/lst/n/odd/d[x]/below", b"below")
    assert fs.cat("/lst/n/odd/run[12].h5") == b"run[12].h5"
    assert fs.expand_path("/lst/n/odd/d[x]", recursive=True) == ["/lst/n/odd/d[x]", "/lst/n/odd/d[x]/below"]
    fs.rm("/lst/n/odd/run[12].h5")
    fs.rm(["/lst/n/odd/*", "cta:///lst/n/odd/a*"])
    assert fs.ls("/lst/n/odd", detail=False) == [f"/lst/n/odd/{name}" for name in ("d[x]", "run1.h5", "run2.h5")]
    fs.rm("/lst/n/odd/run[12].h5")
    assert fs.ls("/lst/n/odd", detail=False) == ["/lst/n/odd/d[x]"]
    fs.rm("/lst/n/odd", recursive=True)


def test_a_url_of_another_profile_is_refused(box: Sandbox, fs: CtaFileSystem, tmp_path: Path) -> None:
    other, here = "cta://elsewhere/lst/n/a.h5", tmp_path / "a.h5"
    here.write_bytes(b"1")
    for wrong in (
        lambda: fs.ls(other),
        lambda: fs.exists(other),
        lambda: fs.open(other),
        lambda: fs.open(other, "wb"),
        lambda: fs.cat(other),
        lambda: fs.cat([other]),
        lambda: fs.glob(other + "*"),
        lambda: fs.get(other, str(here)),
        lambda: fs.put(str(here), other),
        lambda: fs.put([str(here)], [other]),
        lambda: fs.pipe(other, b"1"),
        lambda: fs.copy("/lst/n/a.h5", other),
        lambda: fs.mv("/lst/n/a.h5", other),
        lambda: fs.rm(other),
        lambda: fs.rm([other]),
    ):
        with pytest.raises(UsageError, match="the URL names the profile elsewhere, and this filesystem belongs to "):
            wrong()
    assert box.files.read("/lst/n/a.h5") == b"abc"
    assert here.read_bytes() == b"1"


def test_info_holds_what_the_storage_says(fs: CtaFileSystem) -> None:
    info = fs.info("/lst/n/a.h5")
    assert {
        "name": "/lst/n/a.h5",
        "type": "file",
        "size": 3,
        "mtime": MTIME,
        "adler32": "024d0127",
    }.items() <= info.items()
    assert info["locality"] == "ONLINE"
    assert info["ETag"]
    json.dumps(info)
    assert fs.modified("/lst/n/a.h5") == datetime.fromtimestamp(MTIME, UTC)
    assert fs.checksum("/lst/n/a.h5") == 0x024D0127
    assert {"name": "/lst/n", "type": "directory", "size": 0}.items() <= fs.info("/lst/n/").items()


def test_the_storage_is_asked_when_a_file_was_created(box: Sandbox, fs: CtaFileSystem) -> None:
    before = int(time.time())
    box.files.put("/lst/created/new", b"1", MTIME)
    created = fs.created("cta:///lst/created/new")
    assert before <= created.timestamp() <= time.time()
    assert created.tzinfo is UTC
    with pytest.raises(FileNotFoundError):
        fs.created("/lst/created/none")


def test_ukey_is_that_of_a_version(box: Sandbox, fs: CtaFileSystem) -> None:
    before = fs.ukey("/lst/n/a.h5")
    assert fs.ukey("/lst/n/a.h5") == before
    box.files.put("/lst/n/a.h5", b"abd", MTIME)
    assert fs.ukey("/lst/n/a.h5") != before


def test_listings_are_asked_for_anew(box: Sandbox, fs: CtaFileSystem) -> None:
    assert fs.ls("/lst/n", detail=False) == ["/lst/n/a.h5", "/lst/n/deep"]
    box.files.put("/lst/n/new", b"")
    assert "/lst/n/new" in fs.ls("/lst/n", detail=False)
    box.files.remove("/lst/n/new")
    assert [each["name"] for each in fs.ls("/lst/n/a.h5")] == ["/lst/n/a.h5"]


def test_find_walk_glob_and_du(box: Sandbox, fs: CtaFileSystem) -> None:
    files = ["/lst/n/a.h5", "/lst/n/deep/c.txt", "/lst/n/deep/er/b.h5"]
    assert fs.find("/lst/n") == files
    assert fs.find("/lst/n", maxdepth=1) == files[:1]
    assert fs.find("/lst/n/a.h5") == files[:1]
    assert fs.find("/lst/none") == []
    assert fs.find("/lst/n", withdirs=True, detail=True).keys() == {*files, "/lst/n", "/lst/n/deep", "/lst/n/deep/er"}
    assert fs.glob("/lst/n/**/*.h5") == [files[0], files[2]]
    assert fs.glob("cta:///lst/n/*.h5") == files[:1]
    assert fs.glob("cta:///~/m*") == ["/lst/users/ada/mine"]
    assert fs.cat("~/m*") == {"/lst/users/ada/mine": b"mine"}
    assert fs.du("/lst/n") == 9
    assert fs.du("/lst/n", total=False)[files[2]] == 6
    assert [*fs.walk("/lst/n")] == [
        ("/lst/n", ["deep"], ["a.h5"]),
        ("/lst/n/deep", ["er"], ["c.txt"]),
        ("/lst/n/deep/er", [], ["b.h5"]),
    ]
    assert [top for top, _, _ in fs.walk("/lst/n", topdown=False)] == ["/lst/n/deep/er", "/lst/n/deep", "/lst/n"]
    for _, dirs, _ in (walked := list[tuple[str, list[str], list[str]]]()):
        assert dirs
    for top, dirs, found in fs.walk("/lst/n"):
        walked.append((top, dirs, found))
        dirs.clear()
    assert len(walked) == 1


def test_a_directory_that_cannot_be_listed_is_not_passed_over(box: Sandbox, fs: CtaFileSystem) -> None:
    box.faults.add("door", "PROPFIND", "/lst/n/deep/", faults.Status(403, "Forbidden"))
    with pytest.raises(PermissionError):
        fs.find("/lst/n")
    with pytest.raises(PermissionError):
        list(fs.walk("/lst/n"))
    failures: list[OSError] = []
    assert len([*fs.walk("/lst/n", on_error=failures.append)]) == 1
    assert [type(error) for error in failures if isinstance(error, PermissionError)]
    assert len([*fs.walk("/lst/n", on_error="omit")]) == 1


def test_names_change(box: Sandbox, fs: CtaFileSystem) -> None:
    fs.makedirs("/lst/w/x/y")
    fs.makedirs("/lst/w/x/y", exist_ok=True)
    fs.touch("/lst/w/x/empty")
    fs.cp_file("/lst/n/a.h5", "/lst/w/x/copy")
    fs.mv("/lst/w/x/copy", "/lst/w/moved")
    fs.mv("/lst/w/x", "/lst/w/z", recursive=True)
    assert fs.find("/lst/w") == ["/lst/w/moved", "/lst/w/z/empty"]
    fs.pipe_file("/lst/w/moved", b"kept")
    fs.touch("/lst/w/moved", truncate=False)
    assert fs.cat_file("/lst/w/moved") == b"kept"
    fs.rmdir("/lst/w/z/y")
    fs.rm(["/lst/w/moved", "/lst/w/z/empty"])
    fs.rm("/lst/w", recursive=True)
    assert not fs.exists("/lst/w")


def test_a_directory_is_renamed_whole_and_a_taken_name_can_be_refused(box: Sandbox, fs: CtaFileSystem) -> None:
    box.files.put("/lst/whole/a/b.txt", b"b")
    box.files.put("/lst/whole/c.txt", b"c")
    fs.mv("/lst/whole/a", "/lst/whole/z")
    with pytest.raises(FileExistsError):
        fs.mv("/lst/whole/c.txt", "/lst/whole/z/b.txt", mode="create")
    assert fs.find("/lst/whole") == ["/lst/whole/c.txt", "/lst/whole/z/b.txt"]
    assert fs.cat_file("/lst/whole/z/b.txt") == b"b"
    fs.rm("/lst/whole", recursive=True)


def test_a_link_opens_a_file_without_a_login(fs: CtaFileSystem) -> None:
    assert fs.sign("/lst/n/a.h5", expiration=60).startswith("https://")


def test_cat_expands_patterns_and_directories(box: Sandbox, fs: CtaFileSystem) -> None:
    assert fs.cat("/lst/n/*.h5") == {"/lst/n/a.h5": b"abc"}
    assert fs.cat("/lst/n", recursive=True) == {
        "/lst/n/a.h5": b"abc",
        "/lst/n/deep/c.txt": b"",
        "/lst/n/deep/er/b.h5": b"abcdef",
    }
    assert requests(box)["pool"]


@pytest.mark.parametrize("option", ["token", "headers", "client_options", "key"])
def test_an_option_that_holds_a_secret_is_refused_and_not_shown(option: str) -> None:
    for refused in (
        lambda: CtaFileSystem(**{option: "s3cret"}),
        lambda: fsspec.filesystem("cta", **{option: "s3cret"}),
    ):
        with pytest.raises(OSError, match="start-agent") as raised:
            refused()
        assert isinstance(raised.value, UsageError)
        assert "s3cret" not in repr(raised.value) + str(raised.value)


def test_a_password_in_a_url_is_refused_and_not_shown() -> None:
    with pytest.raises(OSError, match="password") as raised:
        fsspec.open("cta://ada:s3cret@door/lst/a")
    assert "s3cret" not in str(raised.value)


def test_there_is_no_method_close() -> None:
    assert not hasattr(CtaFileSystem, "close")


def test_a_notebook_shows_what_is_known_as_a_table_without_a_request(box: Sandbox, fs: CtaFileSystem) -> None:
    box.files.put("/lst/<b>.h5", b"a" * 5000)
    info = fs.info("/lst/<b>.h5")
    with fs.open("/lst/<b>.h5") as file:
        box.forget_seen()
        for shown in (info._repr_html_(), file._repr_html_()):
            assert "/lst/&lt;b&gt;.h5" in shown
            assert "<b>" not in shown
            assert ">5,000 bytes<" in shown
            assert f">{info['adler32']}<" in shown
        assert " UTC<" in info._repr_html_()
        assert ">ONLINE<" in info._repr_html_()
        assert requests(box).total() == 0
    assert "closed" in file._repr_html_()
    assert pickle.loads(pickle.dumps(info)) == info == dict(info)


def test_a_name_with_two_colons_is_no_chain() -> None:
    with pytest.raises(OSError, match="fsspec reads :: in a URL as a chain of filesystems") as raised:
        fsspec.open("cta:///~/t1/a::b")
    assert "direct.open" in str(raised.value)
    assert "start-agent" not in str(raised.value)
