"""A folder that cannot be left, and parts that are published whole or not at all."""

import fcntl
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ctadata.errors import AlreadyExists, LocalError
from ctadata.paths import TEMPORARY_PREFIX
from ctadata.transfer import local_dir, temp_names
from ctadata.transfer.local_dir import LocalDir


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
        with LocalDir.open(tmp_path, ("a", "b")) as folder:
            part = folder.create_part()
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


def test_the_old_file_stays_until_the_part_is_published(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("old")
    with LocalDir.open(tmp_path) as folder:
        part = folder.create_part()
        part.write(b"new", 0)
        assert (tmp_path / "f").read_text() == "old"
        part.remove()
    assert (tmp_path / "f").read_text() == "old"
    assert names(tmp_path) == ["f"]


def test_a_nameless_part_is_invisible_and_leaves_nothing(tmp_path: Path, how: str) -> None:
    with LocalDir.open(tmp_path) as folder:
        part = folder.create_part()
        part.write(b"content", 0)
        assert len(names(tmp_path)) == (how == "hidden")
        part.close()
    assert names(tmp_path) == []


KILLED = """
import os, sys
from pathlib import Path
from ctadata.transfer.local_dir import LocalDir

folder = LocalDir.open(Path(sys.argv[1]))
folder.nameless = False
print(folder.create_part().name, flush=True)
sys.stdin.read()
os._exit(9)
"""


def test_a_part_is_removed_only_after_its_process_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where locks are local to a machine, or lie, as on many networks: `flock` tells nothing of the writer."""
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        name = process.stdout.readline().strip()
        assert names(tmp_path) == [name]
        with LocalDir.open(tmp_path) as folder, monkeypatch.context() as patch:
            patch.setattr(local_dir, "_lock", lambda *_: True)
            folder.remove_stale_parts(
                now=time.time() + 9 * 86400
            )  # a process that is stopped writes nothing, and lives
            assert names(tmp_path) == [name]
            process.stdin.close()
            process.wait()
            folder.remove_stale_parts()
    assert names(tmp_path) == []


@pytest.mark.parametrize("field", [0, 1])
def test_a_part_of_another_machine_is_removed_after_a_day(tmp_path: Path, field: int) -> None:
    """Another host, or another boot of a host that bears this name."""
    fields = temp_names.new_name().removeprefix(TEMPORARY_PREFIX).split("-")
    fields[2:4] = "999999999", "1"  # no process of this machine
    dead = tmp_path / f"{TEMPORARY_PREFIX}{'-'.join(fields)}.part"
    fields[field] = "00000000"
    theirs = tmp_path / f"{TEMPORARY_PREFIX}{'-'.join(fields)}.part"
    for part in (dead, theirs):
        part.write_text("half of it")
    written = theirs.stat().st_mtime
    with LocalDir.open(tmp_path) as folder:
        for now in (written, written + 86000):
            folder.remove_stale_parts(now)
            assert names(tmp_path) == [theirs.name]
        folder.remove_stale_parts(written + 86500)
    assert names(tmp_path) == []


def test_runs_on_two_machines_do_not_remove_each_others_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No nameless files, and each machine's locks are seen on it alone."""
    monkeypatch.setattr(local_dir, "_lock", lambda *_: True)
    host = temp_names._host
    with LocalDir.open(tmp_path) as here, LocalDir.open(tmp_path) as there:
        here.nameless = there.nameless = False
        version = {"path": "/f", "size": 10, "etag": "", "mtime": 1.0, "checksums": {}}
        small, large = here.create_part(), here.open_resumable_part("f", version)
        before = names(tmp_path)
        monkeypatch.setattr(temp_names, "_host", lambda: "00000000")
        there.remove_stale_parts()
        there.remove_resumable("f")
        assert names(tmp_path) == before
        theirs = there.open_resumable_part("f", version)
        assert theirs.name != large.name
        small.publish("small", mtime=None, replace=None)
        for part, content in ((large, b"ours"), (theirs, b"same")):
            part.write(content, 0)
        large.publish("f", mtime=None, replace=None)
        monkeypatch.setattr(temp_names, "_host", host)
        here.remove_stale_parts()
        assert names(tmp_path) == sorted([theirs.name, theirs.name.replace(".part", ".journal"), "f", "small"])
        theirs.remove()
    assert (tmp_path / "f").read_bytes() == b"ours"


def test_a_part_whose_journal_another_machine_is_about_to_write_is_not_shared(tmp_path: Path) -> None:
    with LocalDir.open(tmp_path) as folder:
        version = {"path": "/f", "size": 10, "etag": "", "mtime": 1.0, "checksums": {}}
        begun = folder.open_resumable_part("f", version)
        begun.close()
        (tmp_path / begun.name.replace(".part", ".journal")).unlink()
        part = folder.open_resumable_part("f", version)
        assert part.name != begun.name
        part.remove()
        assert names(tmp_path) == [begun.name]


def test_a_part_that_replaces_a_file_is_locked_before_it_gets_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "f").write_text("old")
    with LocalDir.open(tmp_path) as folder, LocalDir.open(tmp_path) as other:
        part = folder.create_part()
        part.write(b"new", 0)
        rename, met = os.rename, []

        def renaming(old: str, new: str, **where: int) -> None:
            met.extend(name for name in names(tmp_path) if name != "f")
            other.remove_stale_parts()
            rename(old, new, **where)

        monkeypatch.setattr(os, "rename", renaming)
        part.publish("f", mtime=None, replace=folder.stat("f"))
    assert met == [part.name]
    assert (tmp_path / "f").read_text() == "new"
    assert names(tmp_path) == ["f"]


def test_a_link_that_is_planted_under_a_new_name_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("untouched")
    with LocalDir.open(tmp_path) as folder:
        part = folder.create_part()
        part.write(b"ours", 0)
        (tmp_path / "f").symlink_to("victim")
        with pytest.raises(AlreadyExists):
            part.publish("f", mtime=None, replace=None)
        part.remove()
    assert (tmp_path / "victim").read_text() == "untouched"
    assert names(tmp_path) == ["f", "victim"]


def test_a_directory_that_is_removed_meanwhile_is_a_clear_error(tmp_path: Path) -> None:
    with LocalDir.open(tmp_path, ("a",)) as folder:
        part = folder.create_part()
        part.remove()
        (tmp_path / "a").rmdir()
        with pytest.raises(LocalError, match="local: "):
            part = folder.create_part()  # a nameless one can be made there still, and not be named
            try:
                part.publish("f", mtime=None, replace=None)
            finally:
                part.close()
    assert names(tmp_path) == []


def test_a_replaced_file_keeps_its_permissions(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("old")
    (tmp_path / "f").chmod(0o600)
    with LocalDir.open(tmp_path) as folder:
        part = folder.create_part()
        part.write(b"new", 0)
        part.publish("f", mtime=None, replace=folder.stat("f"))
    assert (tmp_path / "f").read_text() == "new"
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o600


def test_a_name_taken_since_the_plan_is_not_overwritten(tmp_path: Path) -> None:
    with LocalDir.open(tmp_path) as folder:
        part = folder.create_part()
        part.write(b"ours", 0)
        (tmp_path / "f").write_text("theirs")
        with pytest.raises(AlreadyExists):
            part.publish("f", mtime=None, replace=None)
        part.remove()
    assert (tmp_path / "f").read_text() == "theirs"
    assert names(tmp_path) == ["f"]


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "/etc", "a\0b"])
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(LocalError):
        LocalDir.open(tmp_path / "out", (name,))
    assert not (tmp_path / "out").exists() or names(tmp_path / "out") == []


def test_a_link_on_the_disk_is_not_followed_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "sub").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LocalError, match="link"):
        LocalDir.open(tmp_path / "out", ("sub",))
    with pytest.raises(LocalError, match="link"):
        LocalDir.open(tmp_path / "out", ("sub", "deeper"))
    assert names(tmp_path / "elsewhere") == []


def test_the_folder_that_the_user_named_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "real")
    with LocalDir.open(tmp_path / "out") as folder:
        part = folder.create_part()
        part.publish("f", mtime=None, replace=None)
    assert names(tmp_path / "real") == ["f"]


def test_a_link_under_the_final_name_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("untouched")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "f").symlink_to(tmp_path / "victim")
    with LocalDir.open(tmp_path / "out") as folder:
        part = folder.create_part()
        part.write(b"new", 0)
        part.publish("f", mtime=None, replace=folder.stat("f"))
    assert (tmp_path / "victim").read_text() == "untouched"
    assert (tmp_path / "out" / "f").read_text() == "new"
    assert not (tmp_path / "out" / "f").is_symlink()


def test_a_file_in_the_way_of_a_directory_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a file")
    with pytest.raises(LocalError, match="not a directory"):
        LocalDir.open(tmp_path, ("a", "b"))
    with pytest.raises(LocalError, match="Not a directory"):
        LocalDir.open(tmp_path / "a")


def test_only_the_parts_of_dead_runs_are_removed(tmp_path: Path, how: str) -> None:
    dead, living = tmp_path / ".ctadata-dead.part", tmp_path / ".ctadata-living.part"
    dead.write_text("left behind")  # by whom its name does not tell
    os.utime(dead, (1e9, 1e9))
    (tmp_path / "theirs.part").write_text("not ours")
    with living.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        os.utime(living, (1e9, 1e9))
        with LocalDir.open(tmp_path) as folder:
            ours = folder.create_part()
            folder.remove_stale_parts()
            assert (how == "hidden") == bool(ours.name)
            assert names(tmp_path) == sorted([".ctadata-living.part", *[ours.name] * (how == "hidden"), "theirs.part"])
            ours.remove()


def test_removing_stale_parts_follows_no_links(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("kept")
    (tmp_path / ".ctadata-x.part").symlink_to(tmp_path / "precious")
    with LocalDir.open(tmp_path) as folder:
        folder.remove_stale_parts()
    assert (tmp_path / "precious").read_text() == "kept"


def test_a_folder_without_permission_is_a_clear_error(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        (tmp_path / "f").write_text("")
        target = tmp_path / "f" / "x"
    else:
        (tmp_path / "closed").mkdir(mode=0o500)
        target = tmp_path / "closed" / "x"
    with pytest.raises(LocalError) as caught:
        LocalDir.open(target)
    assert str(target) in str(caught.value)


@pytest.mark.parametrize(("old", "size", "flushes"), [(True, 1, 1), (True, 0, 1), (False, 1, 0), (False, 1 << 20, 1)])
def test_a_file_that_replaces_another_is_flushed_whatever_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: bool, size: int, flushes: int
) -> None:
    """After a power cut there is the old file or the new one."""
    flushed: list[bytes | None] = []
    fsync = os.fsync

    def flush(fd: int) -> None:
        flushed.append((tmp_path / "f").read_bytes() if old else None)
        fsync(fd)

    monkeypatch.setattr(os, "fsync", flush)
    if old:
        (tmp_path / "f").write_bytes(b"old")
    with LocalDir.open(tmp_path) as folder:
        part = folder.create_part()
        part.write(bytes(size), 0)
        part.publish("f", mtime=None, replace=folder.stat("f"))
    assert flushed == [b"old" if old else None] * flushes
    assert (tmp_path / "f").read_bytes() == bytes(size)
