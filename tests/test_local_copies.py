"""Local copies of remote files: whole, verified, one for each version, safe for many processes."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ctadata import direct, local_copies
from ctadata.config.resolve import resolve_profile
from ctadata.errors import Changed, CtadataError, LocalError, NotFound, UsageError
from ctadata.local_copies import local_copy
from ctadata.sandbox import Sandbox
from ctadata.session import Session
from ctadata.transfer.report import NullReporter

PATIENCE = 300


@pytest.fixture(scope="module")
def site() -> Iterator[Sandbox]:
    with Sandbox() as box:
        yield box


@pytest.fixture
def box(site: Sandbox, use_sandbox: Callable[[Sandbox], None]) -> Sandbox:
    use_sandbox(site)
    site.files.put("/lst/run1/events.h5", b"events", mtime=1e9)
    site.files.put("/lst/run1/more.h5", b"more", mtime=1e9)
    site.forget_seen()
    return site


@pytest.fixture
def session(box: Sandbox) -> Iterator[Session]:
    with Session.open(resolve_profile()) as session:
        yield session


def downloads(box: Sandbox) -> int:
    return sum(seen.method == "GET" and seen.server.startswith("pool") for seen in box.seen)


def cached() -> list[Path]:
    return sorted(path for path in local_copies.directory().rglob("*") if not path.is_dir())


def test_a_copy_is_whole_read_only_and_dated(box: Sandbox) -> None:
    path = direct.local("lst/run1/events.h5")
    found = path.stat()
    assert (path.name, path.read_bytes(), found.st_mtime) == ("events.h5", b"events", 1e9)
    assert stat.S_IMODE(found.st_mode) == 0o400
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert cached() == [path]


def test_a_second_call_downloads_nothing(box: Sandbox) -> None:
    assert direct.local("lst/run1/events.h5") == direct.local("/lst/run1/events.h5")
    assert downloads(box) == 1


def test_another_version_is_another_copy(box: Sandbox) -> None:
    former = direct.local("lst/run1/events.h5")
    box.files.put("/lst/run1/events.h5", b"EVENTS", mtime=1e9)
    now = direct.local("lst/run1/events.h5")
    assert (former.read_bytes(), now.read_bytes()) == (b"events", b"EVENTS")


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: (path.chmod(0o600), path.write_bytes(b"half"), path.chmod(0o400)),
        lambda path: path.chmod(0o600),
        lambda path: path.unlink(),
        lambda path: (path.unlink(), path.symlink_to("/etc/hostname")),
        lambda path: (path.unlink(), path.mkdir(0o500)),
    ],
    ids=["short", "writable", "removed", "link", "directory"],
)
def test_what_is_no_copy_of_ours_is_downloaded_again(box: Sandbox, damage: Callable[[Path], object]) -> None:
    path = direct.local("lst/run1/events.h5")
    damage(path)
    assert direct.local("lst/run1/events.h5") == path
    assert (path.read_bytes(), path.is_symlink()) == (b"events", False)
    assert downloads(box) == 2
    assert len(list(local_copies.directory().iterdir())) == 1


def test_processes_side_by_side_get_one_copy(box: Sandbox) -> None:
    box.files.put("/lst/run1/large.h5", bytes(range(256)) * 20_000)
    line = "from ctadata import direct; p = direct.local('lst/run1/large.h5'); print(p, len(p.read_bytes()))"
    started = [subprocess.Popen([sys.executable, "-c", line], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = {process.communicate(timeout=PATIENCE)[0] for process in started}
    assert said == {f"{cached()[0]} 5120000\n"}
    assert len(list(local_copies.directory().iterdir())) == 1


def test_what_fails_leaves_nothing(box: Sandbox) -> None:
    box.files.put("/lst/tape.h5", b"tape")
    box.tape.archive("/lst/tape.h5")
    for path, error in (("lst/nope", NotFound), ("lst/run1", UsageError), ("lst/tape.h5", CtadataError)):
        with pytest.raises(error):
            direct.local(path)
    assert not local_copies.directory().exists() or not list(local_copies.directory().iterdir())


class Writer(NullReporter):
    """Writes another version of the file while it is downloaded, so many times."""

    def __init__(self, box: Sandbox, times: int) -> None:
        self.box, self.times = box, times

    def ended(self, outcome: object) -> None:
        if self.times:
            self.times -= 1
            self.box.files.put("/lst/run1/events.h5", b"%06d" % self.times, mtime=1e9 + self.times)


def test_a_file_that_changes_meanwhile_is_read_again(box: Sandbox, session: Session) -> None:
    path = local_copy(session, "lst/run1/events.h5", reporter=Writer(box, 2))
    assert path.read_bytes() == b"000000"
    assert cached() == [path]
    box.files.put("/lst/run1/events.h5", b"a new version", mtime=1e9)
    with pytest.raises(Changed, match=r"while it was read: this happened \d+ times"):
        local_copy(session, "lst/run1/events.h5", reporter=Writer(box, 9))


def test_what_was_not_used_for_longest_goes_first(box: Sandbox, session: Session) -> None:
    box.files.put("/lst/a", b"a" * 1000)
    box.files.put("/lst/b", b"b" * 1000)
    a, b = local_copy(session, "lst/a"), local_copy(session, "lst/b")
    ago = time.time() - 2 * local_copies.KEPT
    os.utime(a.parent, (ago, ago - 1))
    os.utime(b.parent, (ago, ago))
    c = local_copy(session, "lst/run1/events.h5", room=1500)
    assert cached() == sorted([b, c])
    d = local_copy(session, "lst/run1/more.h5", room=1)
    assert cached() == sorted([c, d])  # both were used within the hour


def test_an_abandoned_download_goes(box: Sandbox, session: Session) -> None:
    folder = local_copies.directory()
    for name, age in (("ab" * 16 + "." + "12" * 6, 2e5), ("cd" * 16 + "." + "12" * 6, 10), ("a user's folder", 2e5)):
        (folder / name).mkdir(parents=True)
        (folder / name / "part").touch()
        for path in (folder / name / "part", folder / name):
            os.utime(path, (time.time() - age,) * 2)
    local_copy(session, "lst/run1/events.h5")
    assert {path.parent.name[:2] for path in cached()} >= {"cd", "a "}
    assert "ab" not in {path.parent.name[:2] for path in cached() if path.name == "part"}


def test_the_limit_is_read_from_the_environment(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    assert local_copies.read_room({}) == local_copies.ROOM
    assert local_copies.read_room({"CTADATA_CACHE_SIZE": "3M"}) == 3 << 20
    monkeypatch.setenv("CTADATA_CACHE_SIZE", "much")
    with pytest.raises(UsageError, match="CTADATA_CACHE_SIZE"):
        direct.local("lst/run1/events.h5")
    assert downloads(box) == 0


def test_clear_removes_all(box: Sandbox) -> None:
    direct.local("lst/run1/events.h5")
    direct.local("lst/run1/more.h5")
    assert local_copies.clear(local_copies.directory()) == (2, 10)
    assert list(local_copies.directory().iterdir()) == []


def test_without_a_cache_directory_the_error_says_what_to_set(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_copies, "cache_directory", lambda: None)
    with pytest.raises(LocalError, match="cache directory"):
        direct.local("lst/run1/events.h5")
