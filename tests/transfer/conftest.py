"""An engine on the store in memory, and trees on disk."""

import dataclasses
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from stores.memory import MemoryStore
from transfer.trees import Recorder

from ctadata.transfer.plan import Rules
from ctadata.transfer.run import Run

MakeRun = Callable[..., Run]


@pytest.fixture(params=["atomic", "temporary and move"])
def store(request: pytest.FixtureRequest) -> MemoryStore:
    """Both ways of an upload: under its own name, and under a temporary one that is moved."""
    store = MemoryStore()
    store.features = dataclasses.replace(store.features, atomic_put=request.param == "atomic")
    return store


@pytest.fixture
def run(store: MemoryStore) -> MakeRun:
    def make(**rules: bool) -> Run:
        return Run(store, Rules(jobs=3, **rules), Recorder(), threading.Event(), pause=lambda seconds: None)

    return make


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with what trees have: depth, an empty file, an empty directory, odd names, a larger file."""
    root = tmp_path / "tree"
    (root / "a" / "b c").mkdir(parents=True)
    (root / "empty dir").mkdir()
    (root / "a" / "empty").write_bytes(b"")
    (root / "a" / "b c" / "100% #1?.txt").write_bytes(b"odd")
    (root / "a" / "größe ∑.bin").write_bytes(bytes(range(256)) * 5000)
    (root / "top").write_bytes(b"top")
    for i, file in enumerate(sorted(p for p in root.rglob("*") if p.is_file())):
        os.utime(file, (1_600_000_000 + i, 1_600_000_000 + i))
    return root
