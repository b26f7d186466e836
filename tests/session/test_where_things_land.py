"""Paths as users type them, and the places of the files: the rules of cp and rsync, in both directions."""

import os
from pathlib import Path

import pytest
from session.conftest import OpenSession

from ctadata.errors import ConfigError, LocalError, NotFound, UsageError
from ctadata.sandbox import Sandbox
from ctadata.session import Session

HOME = "/lst/users/ada"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Start every test in an empty directory."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.fixture
def filled(box: Sandbox) -> Sandbox:
    box.files.put("/lst/dir/f", b"f")
    box.files.put("/lst/dir/sub/g", b"g")
    box.files.put("/lst/file", b"file")
    return box


def local_tree(here: Path) -> list[str]:
    return sorted(str(p.relative_to(here)) + ("/" if p.is_dir() else "") for p in here.rglob("*"))


@pytest.mark.parametrize(
    ("sources", "local", "expected"),
    [
        (["lst/dir"], None, ["dir/", "dir/f", "dir/sub/", "dir/sub/g"]),
        (["lst/dir"], ".", ["dir/", "dir/f", "dir/sub/", "dir/sub/g"]),
        (["lst/dir"], "out", ["out/", "out/dir/", "out/dir/f", "out/dir/sub/", "out/dir/sub/g"]),
        (["/lst/dir/"], "out", ["out/", "out/f", "out/sub/", "out/sub/g"]),
        (["lst/dir/"], None, ["f", "sub/", "sub/g"]),
        (["lst/file"], None, ["file"]),
        (["lst/file"], "other", ["other"]),
        (["lst/file"], "out/", ["out/", "out/file"]),
        (["lst/file"], "new/other", ["new/", "new/other"]),
        (
            ["lst/file", "lst/dir"],
            "out",
            ["out/", *["out/dir/" + p for p in ("", "f", "sub/", "sub/g")], "out/file"],
        ),
        (["lst/file", "lst/dir/f"], ".", ["f", "file"]),
    ],
)
def test_get(
    filled: Sandbox, session: Session, here: Path, sources: list[str], local: str | None, expected: list[str]
) -> None:
    for _ in range(2):  # a second run changes nothing
        summary = session.get(sources, local, recursive=True)
        assert (summary.failed, local_tree(here)) == ([], expected)
    assert summary.done == 0


def test_get_of_a_file_into_a_directory_that_exists(filled: Sandbox, session: Session, here: Path) -> None:
    (here / "out").mkdir()
    session.get(["lst/file"], "out")
    assert local_tree(here) == ["out/", "out/file"]


def test_several_files_do_not_go_into_a_file(filled: Sandbox, session: Session, here: Path) -> None:
    (here / "out").write_text("old")
    for sources, local in ((["lst/file", "lst/dir/f"], "out"), (["lst/file"], "out/")):
        with pytest.raises(LocalError, match=r"^out/?: local: it is not a directory$"):
            session.get(sources, local)
    assert (here / "out").read_text() == "old"
    assert not [seen for seen in filled.seen if seen.method == "GET"]


@pytest.fixture
def local(here: Path) -> Path:
    (here / "dir" / "sub").mkdir(parents=True)
    (here / "dir" / "f").write_text("f")
    (here / "dir" / "sub" / "g").write_text("g")
    (here / "file").write_text("file")
    for file in ("dir/f", "dir/sub/g", "file"):
        os.utime(here / file, (1e9, 1e9))
    return here


@pytest.mark.parametrize(
    ("sources", "target", "expected"),
    [
        (["file"], "folder/", ["folder/", "folder/file"]),
        (["file"], "new-name", ["new-name"]),
        (["file"], "folder/new-name", ["folder/", "folder/new-name"]),
        (["file"], ".", ["file"]),
        (["file"], "~/x", ["x"]),
        (["file"], "home:x/", ["x/", "x/file"]),
        (["file"], "home:", ["file"]),
        (["file"], f"{HOME}/x", ["x"]),
        (["dir"], "folder", ["folder/", "folder/dir/", "folder/dir/f", "folder/dir/sub/", "folder/dir/sub/g"]),
        (["dir/"], "folder", ["folder/", "folder/f", "folder/sub/", "folder/sub/g"]),
        (["dir/."], "folder", ["folder/", "folder/f", "folder/sub/", "folder/sub/g"]),
        (["file", "dir/f"], "folder", ["folder/", "folder/f", "folder/file"]),
        (
            ["dir", "file"],
            "folder",
            ["folder/", *["folder/dir/" + p for p in ("", "f", "sub/", "sub/g")], "folder/file"],
        ),
    ],
)
def test_put(box: Sandbox, session: Session, local: Path, sources: list[str], target: str, expected: list[str]) -> None:
    for _ in range(2):
        summary = session.put(sources, target, recursive=True)
        tree = [p.removeprefix(HOME + "/") for p in box.files.tree(HOME)]
        assert ([str(e) for e in summary.errors], tree) == ([], expected)
    assert summary.done == 0


def test_put_of_a_file_onto_a_collection_goes_into_it(box: Sandbox, session: Session, local: Path) -> None:
    box.files.mkdir(f"{HOME}/folder")
    session.put(["file"], "folder")
    assert box.files.read(f"{HOME}/folder/file") == b"file"


@pytest.mark.parametrize("verb", ["get", "put"])
def test_a_directory_without_r_is_refused_before_anything_moves(
    filled: Sandbox, session: Session, local: Path, verb: str
) -> None:
    with pytest.raises(UsageError, match="-r"):
        if verb == "get":
            session.get(["lst/file", "lst/dir"], "out")
        else:
            session.put(["file", "dir"], "out/")
    assert not (local / "out").exists()
    assert filled.files.tree(HOME) == []
    assert UsageError.exit_code == 2


def test_a_missing_source_is_reported_before_anything_moves(filled: Sandbox, session: Session, local: Path) -> None:
    with pytest.raises(NotFound, match="lst/nothing"):
        session.get(["lst/file", "lst/nothing"], "out")
    with pytest.raises(NotFound, match="nothing-here"):
        session.put(["file", "nothing-here"], "out/")
    assert not (local / "out").exists()
    assert filled.files.tree(HOME) == []


def test_the_error_points_to_a_path_that_exists_at_home(box: Sandbox, session: Session) -> None:
    box.files.put(f"{HOME}/results/r1", b"r")
    with pytest.raises(NotFound, match="home:results/r1"):
        session.get(["results/r1"])
    assert session.get(["home:results/r1"]).done == 1


def test_two_sources_for_one_name_are_refused(session: Session, filled: Sandbox, local: Path) -> None:
    filled.files.put("/cta/file", b"another")
    with pytest.raises(UsageError, match="two sources"):
        session.get(["lst/file", "cta/file"], "out")
    (local / "dir" / "file").write_text("another")
    with pytest.raises(UsageError, match="two sources"):
        session.put(["file", "dir/file"], "out/")


def test_home_comes_from_rest_if_the_profile_has_no_template(
    box: Sandbox, open_session: OpenSession, local: Path
) -> None:
    open_session(home="").put(["file"], "by-rest")
    assert box.files.read(f"{HOME}/by-rest") == b"file"
    assert any(seen.server == "frontend" for seen in box.seen)


def test_without_a_home_a_relative_put_is_refused_with_a_reason(open_session: OpenSession, local: Path) -> None:
    session = open_session(home="", without="frontend")
    with pytest.raises(ConfigError, match="home"):
        session.put(["file"], "somewhere")


def test_the_first_existing_home_or_else_the_first_that_can_be_created_is_used(
    box: Sandbox, open_session: OpenSession, local: Path
) -> None:
    box.files.mkdir("/cta/users/ada")
    assert str(open_session(home="none/users/{user}, cta/users/{user}").home) == "/cta/users/ada"
    made = open_session(home="none/users/{user}, lst/users/ada/{user}")
    assert str(made.home) == "/lst/users/ada/ada"
    assert box.files.exists("/lst/users/ada/ada")


def test_a_local_home_expanded_by_the_shell_is_refused(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/users/ada")
    with pytest.raises(UsageError, match="home:x"):
        session.get(["/users/ada/x"])


def test_the_root_of_the_profile_precedes_every_path(box: Sandbox, open_session: OpenSession, here: Path) -> None:
    box.files.put("/lst/users/ada/deep/f", b"deep")
    session = open_session(root="/lst/users/ada", home="deep")
    assert [str(e.path) for e in session.list("/")] == ["/deep"]
    assert session.get(["deep/f"]).done == 1
    (here / "g").write_text("g")
    session.put(["g"], "g")
    assert box.files.read("/lst/users/ada/deep/g") == b"g"
