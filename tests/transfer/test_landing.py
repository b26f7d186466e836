"""A folder that cannot be left, and parts that are published whole or not at all."""

import fcntl
import os
import stat
from pathlib import Path

import pytest

from ctadata.errors import AlreadyExists, LocalError
from ctadata.transfer.landing import Folder


@pytest.fixture(params=["nameless", "hidden"], autouse=True)
def how(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Parts without a name until they are published, as most file systems can; and such as NFS needs."""
    if request.param == "hidden":
        monkeypatch.setattr(os, "O_TMPFILE", os.O_DIRECTORY | os.O_WRONLY)  # what a kernel that has none makes of it
    return request.param


def names(path: Path) -> list[str]:
    return sorted(p.name for p in path.iterdir())


def test_a_published_part_has_content_mtime_and_the_users_mode(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        with Folder.open(tmp_path, ("a", "b")) as folder:
            part = folder.part()
            part.write(b"hello ", 0)
            part.write(b"world", 6)
            part.publish("f", mtime=1_000_000_000.0, replace=None)
    finally:
        os.umask(old)
    file = tmp_path / "a" / "b" / "f"
    assert file.read_bytes() == b"hello world"
    assert file.stat().st_mtime == 1_000_000_000
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert names(file.parent) == ["f"]


def test_until_it_is_published_the_old_file_stands(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("old")
    with Folder.open(tmp_path) as folder:
        part = folder.part()
        part.write(b"new", 0)
        assert (tmp_path / "f").read_text() == "old"
        part.drop()
    assert (tmp_path / "f").read_text() == "old"
    assert names(tmp_path) == ["f"]


def test_nothing_is_seen_of_a_nameless_part_and_nothing_stays_of_it(tmp_path: Path, how: str) -> None:
    with Folder.open(tmp_path) as folder:
        part = folder.part()
        part.write(b"content", 0)
        assert len(names(tmp_path)) == (how == "hidden")
        os.close(part.fd)  # as when the process is killed
        assert len(names(tmp_path)) == (how == "hidden")
        folder.sweep()
    assert names(tmp_path) == []


def test_a_part_that_replaces_is_locked_before_it_can_be_met(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "f").write_text("old")
    with Folder.open(tmp_path) as folder, Folder.open(tmp_path) as other:
        part = folder.part()
        part.write(b"new", 0)
        rename, met = os.rename, []

        def renaming(old: str, new: str, **where: int) -> None:
            met.extend(name for name in names(tmp_path) if name != "f")
            other.sweep()
            rename(old, new, **where)

        monkeypatch.setattr(os, "rename", renaming)
        part.publish("f", mtime=None, replace=folder.look("f"))
    assert met == [part.name]
    assert (tmp_path / "f").read_text() == "new"
    assert names(tmp_path) == ["f"]


def test_a_link_that_is_planted_under_a_new_name_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("untouched")
    with Folder.open(tmp_path) as folder:
        part = folder.part()
        part.write(b"ours", 0)
        (tmp_path / "f").symlink_to("victim")
        with pytest.raises(AlreadyExists):
            part.publish("f", mtime=None, replace=None)
        part.drop()
    assert (tmp_path / "victim").read_text() == "untouched"
    assert names(tmp_path) == ["f", "victim"]


def test_a_folder_that_is_removed_meanwhile_is_said_in_words(tmp_path: Path) -> None:
    with Folder.open(tmp_path, ("a",)) as folder:
        part = folder.part()
        part.drop()
        (tmp_path / "a").rmdir()
        with pytest.raises(LocalError, match="local: "):
            part = folder.part()  # a nameless one can be made there still, and not be named
            try:
                part.publish("f", mtime=None, replace=None)
            finally:
                part.leave()
    assert names(tmp_path) == []


def test_a_replaced_file_keeps_its_permissions(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("old")
    (tmp_path / "f").chmod(0o600)
    with Folder.open(tmp_path) as folder:
        part = folder.part()
        part.write(b"new", 0)
        part.publish("f", mtime=None, replace=folder.look("f"))
    assert (tmp_path / "f").read_text() == "new"
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o600


def test_a_name_taken_since_the_plan_is_not_overwritten(tmp_path: Path) -> None:
    with Folder.open(tmp_path) as folder:
        part = folder.part()
        part.write(b"ours", 0)
        (tmp_path / "f").write_text("theirs")
        with pytest.raises(AlreadyExists):
            part.publish("f", mtime=None, replace=None)
        part.drop()
    assert (tmp_path / "f").read_text() == "theirs"
    assert names(tmp_path) == ["f"]


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "/etc", "a\0b"])
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(LocalError):
        Folder.open(tmp_path / "out", (name,))
    assert not (tmp_path / "out").exists() or names(tmp_path / "out") == []


def test_a_link_on_the_disk_is_not_followed_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "sub").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LocalError, match="link"):
        Folder.open(tmp_path / "out", ("sub",))
    with pytest.raises(LocalError, match="link"):
        Folder.open(tmp_path / "out", ("sub", "deeper"))
    assert names(tmp_path / "elsewhere") == []


def test_the_folder_that_the_user_named_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "real")
    with Folder.open(tmp_path / "out") as folder:
        part = folder.part()
        part.publish("f", mtime=None, replace=None)
    assert names(tmp_path / "real") == ["f"]


def test_a_link_under_the_final_name_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("untouched")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "f").symlink_to(tmp_path / "victim")
    with Folder.open(tmp_path / "out") as folder:
        part = folder.part()
        part.write(b"new", 0)
        part.publish("f", mtime=None, replace=folder.look("f"))
    assert (tmp_path / "victim").read_text() == "untouched"
    assert (tmp_path / "out" / "f").read_text() == "new"
    assert not (tmp_path / "out" / "f").is_symlink()


def test_a_file_in_the_way_of_a_directory_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a file")
    with pytest.raises(LocalError, match="not a directory"):
        Folder.open(tmp_path, ("a", "b"))
    with pytest.raises(LocalError, match="Not a directory"):
        Folder.open(tmp_path / "a")


def test_sweep_removes_the_parts_of_dead_runs_and_no_others(tmp_path: Path, how: str) -> None:
    dead, living = tmp_path / ".ctadata-dead.part", tmp_path / ".ctadata-living.part"
    dead.write_text("left behind")
    (tmp_path / "theirs.part").write_text("not ours")
    with living.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with Folder.open(tmp_path) as folder:
            ours = folder.part()
            folder.sweep()
            assert (how == "hidden") == bool(ours.name)
            assert names(tmp_path) == sorted([".ctadata-living.part", *[ours.name] * (how == "hidden"), "theirs.part"])
            ours.drop()


def test_a_sweep_does_not_follow_links(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("kept")
    (tmp_path / ".ctadata-x.part").symlink_to(tmp_path / "precious")
    with Folder.open(tmp_path) as folder:
        folder.sweep()
    assert (tmp_path / "precious").read_text() == "kept"


def test_a_folder_without_permission_is_a_clear_error(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        (tmp_path / "f").write_text("")
        target = tmp_path / "f" / "x"
    else:
        (tmp_path / "closed").mkdir(mode=0o500)
        target = tmp_path / "closed" / "x"
    with pytest.raises(LocalError) as caught:
        Folder.open(target)
    assert str(target) in str(caught.value)
