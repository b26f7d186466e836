"""The table of docs/design/round-trips.md: how many requests each command sends one after the other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from servers.rounds import rounds

# --- a plain WebDAV server ---


def test_a_listing_is_one_request(dav, at_dav):
    with rounds(dav, "PROPFIND"):
        assert at_dav("list", "/run") == "run/a.dat\n"


def test_a_listing_of_a_file_is_looked_at_a_second_time(dav, at_dav):
    with rounds(dav, "PROPFIND", "PROPFIND"):
        assert at_dav("list", "/run/a.dat") == "run/a.dat\n"


def test_a_stat_is_one_request(dav, at_dav):
    with rounds(dav, "PROPFIND"):
        assert "7 (7 B)" in at_dav("stat", "/run/a.dat")


def test_a_deletion_looks_once(dav, at_dav):
    with rounds(dav, "PROPFIND", "DELETE"):
        at_dav("rm", "/run/a.dat")
    assert "/run/a.dat" not in dav.nodes


def test_a_download_of_one_file_asks_for_everything_at_once(dav, at_dav):
    with rounds(dav, "PROPFIND GET HEAD"):
        at_dav("get", "/run/a.dat")
    assert Path("a.dat").read_bytes() == b"content"
    assert Path("a.dat").stat().st_mtime == int(dav.nodes["/run/a.dat"].mtime)


@pytest.mark.parametrize("command", ["cat /run/a.dat", "get -q /run/a.dat -"])
def test_a_file_for_a_pipe_is_looked_at_first(dav, at_dav, command):
    with rounds(dav, "PROPFIND", "GET HEAD"):
        assert at_dav(*command.split()) == "content"


def test_a_download_to_a_taken_name_looks_first(dav, at_dav):
    Path("a.dat").write_bytes(b"other")
    with rounds(dav, "PROPFIND", "GET", "HEAD"):
        at_dav("get", "/run/a.dat")
    assert Path("a.dat").read_bytes() == b"content"


@pytest.mark.parametrize("name", ["/run", "/missing"])
def test_a_read_that_began_early_leaves_nothing_of_what_is_no_file(dav, at_dav, name):
    pages: list[str] = []
    dav.before = lambda method, path: pages.append(method)
    dav.page = b"<html>a listing</html>"
    assert at_dav("get", name, check=2 if name == "/run" else 3) == ""
    assert sorted(pages) == ["GET", "HEAD", "PROPFIND"]
    assert list(Path().iterdir()) == []


def test_an_upload_of_a_new_file(dav, at_dav):
    Path("b.dat").write_bytes(b"content")
    with rounds(dav, "PROPFIND PROPFIND", "PUT", "HEAD PROPFIND", "MOVE", "PROPFIND"):
        at_dav("put", "b.dat", "/run/b.dat")
    assert dav.read("/run/b.dat") == b"content"


def test_an_upload_into_a_directory_lists_it(dav, at_dav):
    Path("b.dat").write_bytes(b"content")
    with rounds(dav, "PROPFIND PROPFIND", "PROPFIND", "PUT", "HEAD PROPFIND", "MOVE", "PROPFIND"):
        at_dav("put", "b.dat", "/run")
    assert dav.read("/run/b.dat") == b"content"


def test_a_new_directory_is_made_and_not_listed(dav, at_dav):
    """One request for each directory below the first one: `MKCOL` answers 201 only if it was not there."""
    seen: list[tuple[str, str]] = []
    Path("tree/sub/deep").mkdir(parents=True)
    Path("tree/sub/f").write_bytes(b"content")
    Path("tree/sub/deep/f").write_bytes(b"content")
    dav.before = lambda method, path: seen.append((method, path.rstrip("/")))
    at_dav("put", "-r", "tree", "/run/")
    for directory in ("/run/tree/sub", "/run/tree/sub/deep"):
        assert [method for method, path in seen if path == directory] == ["MKCOL"]
    assert dav.read("/run/tree/sub/deep/f") == b"content"


def test_a_directory_that_appears_meanwhile_is_listed(dav, at_dav):
    """Another client makes it after its parent was listed: MKCOL answers 405, and the plan needs its files."""
    seen: list[str] = []
    Path("tree/sub").mkdir(parents=True)
    Path("tree/sub/f").write_bytes(b"ours")

    def appear(method, path):
        if path.rstrip("/") == "/run/tree/sub":
            seen.append(method)
            dav.nodes["/run/tree/sub"] = None

    dav.before = appear
    at_dav("put", "-r", "tree", "/run/")
    assert seen == ["MKCOL", "PROPFIND", "PROPFIND"]
    assert dav.read("/run/tree/sub/f") == b"ours"


def test_a_tag_that_becomes_strong_is_looked_at_once(dav, at_dav):
    """Apache's tag of a file is weak until the file is a second old: here, until it has its final name."""
    looks: list[str] = []

    def age(method, path):
        looks.extend([path] if method == "PROPFIND" and path.startswith("/run/tree/f") else [])
        for name, file in dav.nodes.items():
            if file is not None:
                file.etag = ("W/" if ".ctadata-" in name else "") + file.etag.removeprefix("W/")

    Path("tree").mkdir()
    for i in range(4):
        Path(f"tree/f{i}").write_bytes(b"content")
    dav.before = age
    at_dav("put", "-j", "1", "-r", "tree", "/run/")
    assert len(looks) == 1, looks
    dav.before = lambda method, path: looks.append(method)
    at_dav("put", "-r", "tree", "/run/")
    assert "PUT" not in looks


# --- dCache: its pool is another server, and its upload answers with a digest ---


@pytest.fixture
def sent(at_box, box, place) -> Callable[..., str]:
    """Runs a command at the sandbox, and returns the requests that it sent, as `door PROPFIND, pool GET`."""
    box.files.put(f"/{place}/a.dat", b"content")

    def requests(*arguments: str) -> str:
        before = len(box.seen)
        at_box(*arguments, check=0)
        return ", ".join(f"{seen.server.rstrip('12')} {seen.method}" for seen in box.seen[before:])

    return requests


def test_at_dcache_a_listing_is_one_request(sent, place):
    assert sent("list", place) == "door PROPFIND"


def test_at_dcache_a_stat_is_one_request(sent, place):
    assert sent("stat", f"{place}/a.dat") == "door PROPFIND"


def test_at_dcache_a_deletion_looks_once(sent, place):
    assert sent("rm", f"{place}/a.dat") == "door PROPFIND, door DELETE"


def test_at_dcache_a_download_learns_first_whether_the_file_is_on_tape(sent, place):
    assert sent("get", f"{place}/a.dat") == "door PROPFIND, door GET, pool GET"


def test_at_dcache_an_upload_is_verified_by_its_answer(sent, place, cli):
    (cli.cwd / "b.dat").write_bytes(b"content")
    wanted = ["door PROPFIND", "door PROPFIND", "door PUT", "pool PUT", "door MOVE"]
    assert sent("put", "b.dat", f"/{place}/b.dat") == ", ".join(wanted)


def test_at_dcache_a_file_of_a_tree_takes_two_requests(sent, place, cli):
    (cli.cwd / "tree").mkdir()
    for i in range(3):
        (cli.cwd / "tree" / f"{i}.dat").write_bytes(b"content")
    requests = sent("put", "-r", "tree", f"/{place}/").split(", ")
    uploads = [request for request in requests if request not in ("door PROPFIND", "door MKCOL")]
    assert sorted(uploads) == ["door MOVE"] * 3 + ["door PUT"] * 3 + ["pool PUT"] * 3
