"""The totals that a run tells: true as soon as the tree has been walked, and only about what is moved."""

import os
import threading
from pathlib import Path

import pytest
from stores.memory import MemoryStore
from transfer.trees import Content

from ctadata.errors import Interrupted
from ctadata.paths import RemotePath
from ctadata.shards import Shard
from ctadata.transfer import download_tree
from ctadata.transfer.download_target import DownloadTarget
from ctadata.transfer.download_tree import download
from ctadata.transfer.local_tree import UploadSource
from ctadata.transfer.plan import Rules
from ctadata.transfer.report import NullReporter, Reporter
from ctadata.transfer.run import Run
from ctadata.transfer.upload_tree import upload

FILES, SIZE = 40, 1000
TOP = RemotePath.parse("run")


class Totals(NullReporter):
    """What is planned; the first bytes that move wait until all of it is."""

    def __init__(self, expected: int = 0) -> None:
        self.expected = expected
        self.files = self.bytes = 0
        self.seen_early = False
        self.change = threading.Condition()

    def planned(self, files: int, size: int) -> None:
        with self.change:
            self.files += files
            self.bytes += size
            self.change.notify_all()

    def moved(self, name: str, size: int) -> None:
        with self.change:
            self.seen_early = self.change.wait_for(lambda: self.files >= self.expected, 10)


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    for i in range(FILES):
        store.write(TOP / str(i % 4) / str(i), Content(bytes(SIZE), mtime=1_600_000_000))
    return store


@pytest.fixture
def here(tmp_path: Path) -> Path:
    for i in range(FILES):
        (tmp_path / "run" / str(i % 4)).mkdir(parents=True, exist_ok=True)
        file = tmp_path / "run" / str(i % 4) / str(i)
        file.write_bytes(bytes(SIZE))
        os.utime(file, (1_600_000_000, 1_600_000_000))
    return tmp_path / "run"


def down(store: MemoryStore, target: Path, reporter: Reporter) -> Run:
    run = Run(store, Rules(jobs=2), reporter, threading.Event(), pause=lambda seconds: None)
    download(run, [DownloadTarget(store.info(TOP), target)])
    return run


def up(store: MemoryStore, source: Path, reporter: Reporter) -> Run:
    run = Run(store, Rules(jobs=2), reporter, threading.Event(), pause=lambda seconds: None)
    upload(run, [UploadSource(RemotePath.parse("copy"), source)])
    return run


def test_a_download_knows_its_totals_before_its_first_byte(store: MemoryStore, tmp_path: Path) -> None:
    totals = Totals(FILES)
    assert down(store, tmp_path / "got", totals).summary.done == FILES
    assert (totals.seen_early, totals.files, totals.bytes) == (True, FILES, FILES * SIZE)


def test_an_upload_knows_its_totals_before_its_first_byte(here: Path) -> None:
    totals = Totals(FILES)
    assert up(MemoryStore(), here, totals).summary.done == FILES
    assert (totals.seen_early, totals.files, totals.bytes) == (True, FILES, FILES * SIZE)


def test_an_equal_file_is_counted_without_bytes(store: MemoryStore, here: Path) -> None:
    (here / "0" / "0").write_bytes(b"other")
    totals = Totals()
    assert down(store, here, totals).summary.skipped == FILES - 1
    assert (totals.files, totals.bytes) == (FILES, SIZE)
    totals = Totals()
    up(MemoryStore(), here, totals)
    assert (totals.files, totals.bytes) == (FILES, FILES * SIZE)


def test_the_bytes_of_a_failed_file_are_no_longer_expected(
    store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = store.open

    def open_one(path: RemotePath) -> object:
        if path.name == "7":
            raise Interrupted("cut")
        return opened(path)

    monkeypatch.setattr(store, "open", open_one)
    totals = Totals()
    assert len(down(store, tmp_path / "got", totals).summary.failed) == 1
    assert (totals.files, totals.bytes) == (FILES, (FILES - 1) * SIZE)


def test_a_task_looks_at_no_directory_for_the_listed_files_of_other_tasks(
    store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, find_folder = list[object](), download_tree.find_folder
    monkeypatch.setattr(download_tree, "find_folder", lambda *where: looks.append(where) or find_folder(*where))
    entries = [store.info(TOP / str(i % 4) / str(i)) for i in range(FILES)]
    targets = [DownloadTarget(entry, tmp_path, (), entry.path.name, (entry.path.name,)) for entry in entries]
    counts = []
    for index in range(4):
        run = Run(store, Rules(jobs=2, shard=Shard(index, 4)), NullReporter(), threading.Event())
        download(run, targets)
        counts.append(run.summary.done)
    assert sum(counts) == FILES
    assert len(looks) <= FILES
