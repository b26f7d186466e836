"""A local disk that is full, or too small: known before the first byte where the size and the room are."""

import dataclasses
import errno
import os
import re
from pathlib import Path

import pytest
from stores.memory import MemoryStore
from transfer.conftest import MakeRun
from transfer.trees import Content

from ctadata.errors import StorageFull
from ctadata.paths import RemotePath
from ctadata.transfer import resume_journal
from ctadata.transfer.download_target import DownloadTarget
from ctadata.transfer.download_tree import download
from ctadata.transfer.local_dir import LocalDir
from ctadata.transfer.report import Summary

F, G = RemotePath(("f",)), RemotePath(("g",))
BEYOND = 1 << 60
"""Bytes for which no disk has room."""


@pytest.fixture
def store() -> MemoryStore:
    """One way of an upload is enough here."""
    return MemoryStore()


@pytest.fixture
def there(store: MemoryStore) -> MemoryStore:
    store.write(F, Content(b"content"))
    store.write(G, Content(b"small"))
    return store


def down(run: MakeRun, store: MemoryStore, out: Path, size: int | None = BEYOND, **rules: bool) -> Summary:
    """Fetch the two files, of which the listing gives the first one this size."""
    large = dataclasses.replace(store.info(F), size=size)
    return download(run(**rules), [DownloadTarget(large, out, (), "f"), DownloadTarget(store.info(G), out, (), "g")])


def test_a_file_without_room_is_not_begun_and_the_others_are_downloaded(
    run: MakeRun, there: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "f").write_text("old")
    opened, open_ = [], there.open
    monkeypatch.setattr(there, "open", lambda path: (opened.append(path), open_(path))[1])
    summary = down(run, there, tmp_path)
    [error] = summary.errors
    assert isinstance(error, StorageFull)
    assert error.path == str(tmp_path / "f")
    assert re.fullmatch(
        rf"local: No space left on device: a file of {BEYOND} bytes, and [0-9]+ bytes are free", error.what
    )
    assert (opened, summary.done, summary.exit_code) == ([G], 1, 6)
    assert sorted(os.listdir(tmp_path)) == ["f", "g"]
    assert (tmp_path / "f").read_text() == "old"


def test_a_small_file_without_room_is_not_begun(
    run: MakeRun, there: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system over the network may refuse its bytes only when it is closed, and it has its name by then."""
    fields = list(os.statvfs(tmp_path))
    fields[4] = 0  # f_bavail
    monkeypatch.setattr(os, "fstatvfs", lambda _: os.statvfs_result(fields))
    monkeypatch.setattr(there, "open", pytest.fail)
    [error] = download(run(), [DownloadTarget(there.info(G), tmp_path, (), "g")]).errors
    assert isinstance(error, StorageFull)
    assert os.listdir(tmp_path) == []


def test_a_run_with_only_a_full_disk_has_its_exit_code(run: MakeRun, there: MemoryStore, tmp_path: Path) -> None:
    large = dataclasses.replace(there.info(F), size=BEYOND)
    assert download(run(), [DownloadTarget(large, tmp_path, (), "f")]).exit_code == 11


def test_an_unknown_size_stops_nothing(run: MakeRun, there: MemoryStore, tmp_path: Path) -> None:
    assert down(run, there, tmp_path, None).done == 2


def test_unknown_room_stops_nothing(tmp_path: Path) -> None:
    if os.statvfs("/proc").f_blocks:
        pytest.skip("no file system here that tells nothing of its room")
    with LocalDir.open(Path("/proc")) as folder:
        assert folder.free_bytes() is None
    with LocalDir.open(tmp_path) as folder:
        assert folder.free_bytes() is not None


def test_a_file_that_fills_the_disk_is_named_and_leaves_nothing(
    run: MakeRun, there: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    there.write(F, Content(b"x" * (resume_journal.RESUMABLE_FROM + 1)))
    monkeypatch.setattr(os, "pwrite", full)
    [error] = download(run(), [DownloadTarget(there.info(F), tmp_path, (), "f")]).errors
    assert error.path == str(tmp_path / "f")
    assert f"local: Disk quota exceeded: a file of {resume_journal.RESUMABLE_FROM + 1} bytes, and " in error.what
    assert error.hint == ""
    assert os.listdir(tmp_path) == []


def test_a_part_that_can_be_resumed_stays_on_a_full_disk(
    run: MakeRun, there: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size, half = resume_journal.RESUMABLE_FROM, resume_journal.RESUMABLE_FROM // 2
    content = os.urandom(1 << 16) * (size >> 16)
    there.write(F, Content(content))
    pwrite, landing = os.pwrite, DownloadTarget(there.info(F), tmp_path, (), "f")

    def full(fd: int, block: memoryview, offset: int) -> int:
        if offset + len(block) > half:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return pwrite(fd, block, offset)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        [error] = download(run(), [landing]).errors
    assert "goes on once there is room" in error.hint
    assert len(os.listdir(tmp_path)) == 2

    statvfs = os.fstatvfs(os.open(tmp_path, os.O_RDONLY))
    for room, done in ((half - statvfs.f_frsize, 0), (half, 1)):
        fields = list(statvfs)
        fields[4] = room // statvfs.f_frsize  # f_bavail: of this, half of the file is needed
        with monkeypatch.context() as patch:
            patch.setattr(os, "fstatvfs", lambda _, fields=fields: os.statvfs_result(fields))
            summary = download(run(), [landing])
        assert summary.done == done
        if not done:
            assert len(os.listdir(tmp_path)) == 2
    assert summary.resumed == half
    assert (tmp_path / "f").read_bytes() == content
