"""The store in memory passes the suite; it is the reference for the others."""

import pytest
from stores.memory import MemoryStore
from stores.suite import Basket, Bytes, StoreSuite, put, read

from ctadata.errors import Changed, Interrupted, NotFound
from ctadata.paths import RemotePath


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


class TestMemory(StoreSuite):
    """All of it."""


def test_a_short_upload_leaves_nothing(store: MemoryStore) -> None:
    path = RemotePath(("a",))
    with pytest.raises(Interrupted):
        store.write(path, Bytes(b"x", size=2))
    with pytest.raises(NotFound):
        store.info(path)


def test_an_entry_has_every_digest(store: MemoryStore) -> None:
    put(store, RemotePath(("a",)), b"")
    assert store.info(RemotePath(("a",))).checksums["md5"] == "d41d8cd98f00b204e9800998ecf8427e"


def test_another_version_of_the_same_size_is_noticed(store: MemoryStore) -> None:
    path = RemotePath(("a",))
    put(store, path, b"same size")
    with store.open(path) as reading:
        assert read(reading, 5, 9) == b"size"
        put(store, path, b"SAME SIZE")
        with pytest.raises(Changed):
            reading.send(Basket(), 0, 4)
