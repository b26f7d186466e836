"""Remote paths with patterns in them."""

import pytest
from stores.memory import MemoryStore
from transfer.trees import Content

from ctadata.namespace.globs import glob
from ctadata.paths import RemotePath

FILES = ["run_1/a.h5", "run_1/b.txt", "run_1/log/a.h5", "run_2/a.h5", "run_2/.ctadata-a-b-1-1-c", "other/a.h5", "a.h5"]


@pytest.fixture
def filled() -> MemoryStore:
    store = MemoryStore()
    for name in FILES:
        store.write(RemotePath.parse(f"/lst/{name}"), Content(b"x"))
    return store


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("run_*", ["run_1", "run_2"]),
        ("run_*/*.h5", ["run_1/a.h5", "run_2/a.h5"]),
        ("run_?/*", ["run_1/a.h5", "run_1/b.txt", "run_1/log", "run_2/a.h5"]),
        ("run_*/a.h5", ["run_1/a.h5", "run_2/a.h5"]),
        ("run_*/nothing", []),
        ("nothing/*", []),
        ("a.h5/*", []),
        ("**/a.h5", ["a.h5", "other/a.h5", "run_1/a.h5", "run_1/log/a.h5", "run_2/a.h5"]),
        ("run_1/**", ["run_1/a.h5", "run_1/b.txt", "run_1/log/a.h5"]),
        ("**/**/a.h5", ["a.h5", "other/a.h5", "run_1/a.h5", "run_1/log/a.h5", "run_2/a.h5"]),
        ("run_[!1]/*", ["run_2/a.h5"]),
    ],
)
def test_the_matches_of_a_pattern(filled: MemoryStore, pattern: str, expected: list[str]) -> None:
    found = glob(filled, RemotePath.parse(f"/lst/{pattern}"), threads=2)
    assert [str(entry.path).removeprefix("/lst/") for entry in found] == expected
