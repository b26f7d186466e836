"""Open files over stores of every kind, beside what `tests/filesystem` tests at a door with pools."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest
from stores.memory import MemoryStore

from ctadata import fibers, resources
from ctadata.config.request_limit import ELSEWHERE
from ctadata.errors import NotFound
from ctadata.http.messages import InMemory
from ctadata.paths import RemotePath
from ctadata.stores.idle_movers import OPEN_FILES, IdleMovers
from ctadata.stores.ranged_file import RangedFile
from ctadata.stores.read_pieces import GAP, Piece, read_pieces
from ctadata.stores.side_by_side import run_in_fibers

CONTENT = bytes(range(256)) * 1000
PATH = RemotePath.parse("/lst/a")


class Content(InMemory):
    """An upload."""

    mtime = None


@pytest.fixture
def store() -> MemoryStore:
    made = MemoryStore()
    made.mkdir(PATH.parent)
    made.write(PATH, Content(CONTENT))
    return made


@pytest.fixture
def file(store: MemoryStore) -> Iterator[RangedFile]:
    made = RangedFile(lambda: store, PATH)
    yield made
    made.close()


def test_a_store_without_suffixes_is_asked_for_the_size(file: RangedFile) -> None:
    assert file.read_suffix(5) == CONTENT[-5:]
    assert file.size == len(CONTENT)
    assert file.read_suffix(10 * len(CONTENT)) == CONTENT


def test_bytes_go_into_the_memory_of_the_caller(file: RangedFile) -> None:
    buffer = bytearray(20)
    assert file.read_into(1000, memoryview(buffer)[5:15]) == 10
    assert buffer == bytes(5) + CONTENT[1000:1010] + bytes(5)
    assert file.read_into(len(CONTENT) - 3, memoryview(buffer)) == 3
    assert file.read_into(len(CONTENT) + 3, memoryview(buffer)) == 0


def test_pieces_of_all_kinds_are_read_at_once(store: MemoryStore, file: RangedFile) -> None:
    missing = RangedFile(lambda: store, RemotePath.parse("/lst/none"))
    limits = [(0, 10), (5, 7), (GAP + 20, GAP + 30), (-3, None), (0, None), (100, 50), (10, -10)]
    found = read_pieces([*(Piece(file, *each) for each in limits), Piece(missing, 0, 5), Piece(missing)])
    assert found[:-2] == [CONTENT[start:stop] for start, stop in limits]
    assert [type(each) for each in found[-2:]] == [NotFound, NotFound]


def most_under_way(works: int) -> int:
    """The largest number of functions that were under way at a time."""
    under_way, most = 0, 0

    def work() -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        fibers.sleep(0)
        under_way -= 1

    run_in_fibers([work] * works)
    return most


def test_as_many_functions_are_under_way_as_a_server_may_get_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    assert most_under_way(100) == 100
    assert most_under_way(3 * ELSEWHERE) == ELSEWHERE
    monkeypatch.setattr(resources, "open_file_limit", lambda: resources.BASE_FILES + 5 * resources.FILES_PER_WORKER)
    assert most_under_way(100) == 3


def test_what_nobody_holds_is_not_watched(store: MemoryStore) -> None:
    file = RangedFile(lambda: store, PATH)
    assert file.read(0, 5) == CONTENT[:5]
    seen, known = weakref.ref(file), len(OPEN_FILES._files)
    del file
    gc.collect()
    assert seen() is None
    assert len(OPEN_FILES._files) < known


def test_a_file_whose_end_was_read_is_watched(file: RangedFile) -> None:
    file.read_suffix(5)
    assert file in [reference() for reference in OPEN_FILES._files.values()]


def test_an_idle_file_gives_its_mover_back_once(store: MemoryStore) -> None:
    now = [0.0]
    watch = IdleMovers(lambda: now[0])

    class File:
        last_read = 0.0
        is_idle = True

        def close_movers(self) -> None:
            self.is_idle = False

    file = File()
    watch.add(file)
    watch.end_idle()
    assert file.is_idle
    now[0] = 11.0
    watch.end_idle(file)
    assert file.is_idle  # it is about to be read
    watch.end_idle()
    assert not file.is_idle
