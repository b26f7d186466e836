"""Files that were stored at the same time are looked up by one request."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import pytest
from stores.memory import MemoryStore

from ctadata import fibers
from ctadata.entries import Entry
from ctadata.errors import Forbidden
from ctadata.paths import RemotePath
from ctadata.transfer.stored_files import ENTRIES_PER_FILE, LARGE, StoredFiles

FOLDER = RemotePath(("d",))
NAMES = [f"{i}.dat" for i in range(8)]


class CountingStore:
    """A store without digests that notes its requests; every other fiber runs before one is answered."""

    def __init__(self, store: MemoryStore, *, listed: bool = True) -> None:
        self.store, self.listed = store, listed
        self.features = dataclasses.replace(store.features, digests=())
        self.requests: list[str] = []

    def info(self, path: RemotePath) -> Entry:
        self.requests.append(f"info {path}")
        fibers.sleep(0)
        return self.store.info(path)

    def list(self, path: RemotePath) -> Iterator[Entry]:
        self.requests.append(f"list {path}")
        fibers.sleep(0)
        if not self.listed:
            raise Forbidden("you may not list it")
        return self.store.list(path)

    def digests(self, path: RemotePath) -> dict[str, str]:
        self.requests.append(f"digests {path}")
        return {}


class Run:
    def __init__(self, store: CountingStore) -> None:
        self.store = store

    def wait(self, seconds: float) -> None:
        fibers.sleep(0)


class Bytes:
    """A file to upload."""

    size, mtime = 3, None

    def __init__(self) -> None:
        self.left = b"abc"

    def read(self, limit: int) -> bytes:
        block, self.left = self.left, b""
        return block

    def rewind(self) -> None:
        self.left = b"abc"


@pytest.fixture
def memory() -> MemoryStore:
    store = MemoryStore()
    store.mkdir(FOLDER)
    for name in NAMES:
        store.write(FOLDER / name, Bytes())
    return store


def look_up(stored: StoredFiles, sizes: Sequence[int] = (3,) * len(NAMES)) -> list[int | None]:
    """The sizes that the server tells, asked by one fiber for each file."""
    found: dict[str, int | None] = {}

    def look(name: str, size: int) -> None:
        found[name] = stored.entry(FOLDER / name, size).size

    asks = [lambda name=name, size=size: look(name, size) for name, size in zip(NAMES, sizes, strict=True)]
    fibers.Fibers().run(asks)
    return [found[name] for name in NAMES]


def test_the_files_that_come_during_a_request_share_the_next_one(memory: MemoryStore) -> None:
    store = CountingStore(memory)
    assert look_up(StoredFiles(Run(store))) == [3] * 8
    assert store.requests == ["info /d/0.dat", "list /d"]


def test_a_file_of_another_size_is_looked_at_again_by_itself(memory: MemoryStore) -> None:
    store = CountingStore(memory)
    assert look_up(StoredFiles(Run(store)), [3, 3, 3, 4, 3, 3, 3, 3]) == [3] * 8
    assert set(store.requests[2:]) == {"info /d/3.dat"}


def test_a_directory_that_may_not_be_listed_is_looked_up_file_by_file(memory: MemoryStore) -> None:
    store = CountingStore(memory, listed=False)
    assert look_up(StoredFiles(Run(store))) == [3] * 8
    assert sorted(store.requests) == ["info /d/0.dat", *(f"info /d/{name}" for name in NAMES[1:]), "list /d"]


@pytest.mark.parametrize(("count", "listings"), [(LARGE, 0), (ENTRIES_PER_FILE * 7, 1)])
def test_a_large_directory_is_not_listed_for_a_few_files(memory: MemoryStore, count: int, listings: int) -> None:
    store = CountingStore(memory)
    stored = StoredFiles(Run(store))
    stored.note_entries(FOLDER, count)
    assert look_up(stored) == [3] * 8
    assert store.requests.count("list /d") == listings


def test_a_server_without_digests_is_asked_for_them_once(memory: MemoryStore) -> None:
    store = CountingStore(memory)
    stored = StoredFiles(Run(store))
    for name in NAMES:
        digests, entry = stored.look(FOLDER / name, 3)
        assert not digests
        assert entry is not None
    assert [request for request in store.requests if request.startswith("digests")] == ["digests /d/0.dat"]
