"""Memory does not grow with the tree: neither down nor up, nor in one crowded directory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from memory import peak, stays_below

from ctadata.entries import Entry, Kind
from ctadata.errors import NotFound
from ctadata.namespace.listing import list_tree
from ctadata.paths import RemotePath
from ctadata.stores.base import Delivery, Features, Sink, Source, Written
from ctadata.transfer.download_target import DownloadTarget
from ctadata.transfer.download_tree import download
from ctadata.transfer.local_tree import UploadSource
from ctadata.transfer.plan import Rules
from ctadata.transfer.report import NullReporter, Outcome
from ctadata.transfer.run import Run
from ctadata.transfer.upload_tree import upload

WIDTH = 100
"""Files in a directory."""

GROWTH = 900_000
"""Bytes that the peak may differ by between a tree and one that is many times as large: up to 32 directories are listed
at the same time, which are 3,200 files on a loaded machine, and the small tree has fewer."""

Shape = tuple[int, int]
"""Directories at the top, and in each of them; in each of those are `WIDTH` files."""


@pytest.fixture(autouse=True)
def _few_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what waits at most is waiting in a small tree already."""
    monkeypatch.setattr("ctadata.namespace.walk.WAITING", 50)


@pytest.fixture
def few(count: Callable[[int, int], int]) -> Shape:
    return count(1, 10), count(3, 10)


@pytest.fixture
def many(count: Callable[[int, int], int]) -> Shape:
    """With `--soak` a million files."""
    return count(2, 100), count(6, 100)


def files_in(shape: Shape) -> int:
    return shape[0] * shape[1] * WIDTH


class Endless:
    """A store with a tree of that shape, made up as it is asked for; what goes up is counted and forgotten."""

    features = Features(atomic_put=True)

    def __init__(self, *widths: int) -> None:
        """So many entries in each collection of a level; files in those of the last."""
        self.widths = widths
        self.written = 0
        self._lock = threading.Lock()

    def list(self, path: RemotePath) -> Iterator[Entry]:
        if not self.widths:
            raise NotFound("nothing", path=str(path))
        depth = len(path.parts)
        for i in range(self.widths[depth]):
            if depth + 1 == len(self.widths):
                yield Entry(path / f"file_{i:07}", Kind.FILE, 4, 1e9)
            else:
                yield Entry(path / f"d{i:07}", Kind.DIRECTORY)

    def info(self, path: RemotePath) -> Entry:
        return Entry(path, Kind.FILE, 4, 1e9)

    def open(self, path: RemotePath) -> Endless:
        return self

    def send(self, sink: Sink, start: int = 0, stop: int | None = None) -> Delivery:
        delivery = Delivery(0, 4, stop=4)
        sink.begin(delivery)
        sink.write(b"data")
        return delivery

    def write(self, path: RemotePath, source: Source, *, new: bool = False) -> Written:
        while source.read(1 << 16):
            pass
        with self._lock:
            self.written += 1
        return Written()

    def digests(self, path: RemotePath) -> dict[str, str]:
        return {}

    def mkdir(self, path: RemotePath) -> None:
        pass

    def close(self) -> None:
        pass


class Removing(NullReporter):
    """A reporter who removes what has come down, so that the disk is not what is tested."""

    def ended(self, outcome: Outcome) -> None:
        assert outcome.local is not None, outcome
        outcome.local.unlink()


def assert_flat(large: Callable[[], object], small: Callable[[], object]) -> None:
    """Assert that the peak of the one is that of the other."""
    assert stays_below(peak(small) + GROWTH, large)


def a_run(store: Endless, reporter: NullReporter) -> Run:
    return Run(store, Rules(jobs=4), reporter, threading.Event())  # type: ignore[arg-type]


@pytest.mark.soak
def test_a_download_of_a_large_tree(tmp_path: Path, few: Shape, many: Shape) -> None:
    def get(shape: Shape) -> None:
        run = a_run(Endless(*shape, WIDTH), Removing())
        summary = download(run, [DownloadTarget(Entry(RemotePath(), Kind.DIRECTORY), tmp_path)])
        assert (summary.done, summary.failed) == (files_in(shape), [])

    get((1, 1))  # what is imported and cached at the first time
    assert_flat(lambda: get(many), lambda: get(few))


@pytest.mark.soak
def test_an_upload_of_a_large_tree(tmp_path: Path, few: Shape, many: Shape) -> None:
    for shape, top in ((few, tmp_path / "few"), (many, tmp_path / "many")):
        for i in range(shape[0] * shape[1]):
            folder = top / f"d{i // shape[1]}" / f"d{i % shape[1]}"
            folder.mkdir(parents=True)
            for j in range(WIDTH):
                (folder / f"file_{j}").write_bytes(b"data")

    def put(tree: Path, shape: Shape) -> None:
        store = Endless()
        summary = upload(a_run(store, NullReporter()), [UploadSource(RemotePath(("up",)), tree)])
        assert (summary.done, store.written, summary.failed) == (files_in(shape), files_in(shape), [])

    put(tmp_path / "few" / "d0" / "d0", (1, 1))
    assert_flat(lambda: put(tmp_path / "many", many), lambda: put(tmp_path / "few", few))


@pytest.mark.soak
def test_a_crowded_directory_is_listed_as_it_arrives(count: Callable[[int, int], int]) -> None:
    entries = count(20_000, 1_000_000)

    def read() -> None:
        rows = list_tree(Endless(0, entries), RemotePath(("d",)))  # type: ignore[arg-type]
        assert next(rows).path.name == "file_0000000"
        assert sum(1 for _ in rows) == entries - 1

    assert peak(read) < 1_000_000
