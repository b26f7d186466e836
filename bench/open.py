"""Parts of remote files, opened through fsspec. The files are made by h5py, in the environment of this client."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from bench.door_and_pools import door_and_pools
from bench.far import far
from bench.figures import Row, Target, missing
from bench.loops.open_files import DATASETS, MANY, ROWS, SMALL, WHOLE
from bench.measure import Took
from bench.peers import Peers
from bench.setting import Setting
from bench.work import against, bound, mb

FSSPEC = ("webdav4", "http", "s3fs")
AT_POOLS = ("webdav4", "http", "dcachefs")
DISTANCE = 20
LIBRARIES = {"branch": ("uproot",), "parquet": ("pandas", "pyarrow")}
"""The libraries of a work that the tests of the benchmark do not install."""


def after_imports(took: Took) -> float:
    """Return the seconds from the first line of output, which says that all is imported."""
    return took.seconds - took.first


def cpu_after_imports(took: Took) -> float:
    """Return the processor seconds from that line on."""
    return took.cpu - took.first_cpu


def open_far(at: Setting) -> Iterator[Row]:
    """Parts of HDF5 files, and small files, 20 ms away, through fsspec."""
    count = min(MANY, at.sizes.small)
    make_files(at.server.data / "open", count)
    works = {
        "column": f"h5py, one of {DATASETS} columns",
        "paged": f"h5py, paged file: {DATASETS} attributes and a column",
        f"many={count}": f"fsspec, cat of {count} files of {SMALL // 1000} kB",
    }
    for work, name in works.items():
        with far(at.server.port, DISTANCE) as port:
            peers = Peers(at, port)
            results = at.rounds({peer: peers.opened(work, peer) for peer in ("ours", *FSSPEC)})
        targets = dict.fromkeys(FSSPEC, Target(1.0))
        yield from against(f"{name}, at {DISTANCE} ms", results, targets, figure=after_imports)
        if work == "column":
            yield bound(f"{name}, at {DISTANCE} ms", results["ours"], "s", after_imports, Target(0.25, most=True))


def open_at_pools(at: Setting) -> Iterator[Row]:
    """Parts of files at a door with pools, each of whose requests takes 20 ms, through fsspec."""
    count = min(MANY, at.sizes.small)
    works = {
        "column": (f"h5py, one of {DATASETS} columns", Target(0.25, most=True)),
        "branch": ("uproot, one of 50 branches", Target(0.25, most=True)),
        "parquet": ("pandas, one of 20 columns of Parquet", None),
        f"many={count}": (f"fsspec, cat of {count} files of {SMALL // 1000} kB", None),
    }
    peers = Peers(at, at.server.port)
    with door_and_pools(at.server.data / "open", at.folder / "site", DISTANCE) as site:
        for work, (name, ceiling) in works.items():
            title = f"{name}, door and pools at {DISTANCE} ms"
            if why := lacks(*LIBRARIES.get(work, ())):
                yield missing(title, "-", "s", ceiling, why)
                continue
            results = at.rounds({peer: peers.opened(work, peer, site) for peer in ("ours", *AT_POOLS)})
            targets = dict.fromkeys(AT_POOLS, Target(1.0))
            yield from against(title, results, targets, figure=after_imports)
            if ceiling:
                yield bound(title, results["ours"], "s", after_imports, ceiling)


def open_whole(at: Setting) -> Iterator[Row]:
    """One long dataset, through h5py and fsspec; libcurl alone is the measure."""
    peers = Peers(at, at.server.port)
    results = at.rounds({peer: peers.opened("whole", peer) for peer in ("ours", "libcurl", *FSSPEC)})
    targets = {"libcurl": Target(0.9)} | dict.fromkeys(FSSPEC, Target(1.0))
    name = f"h5py, a dataset of {mb(WHOLE)}"
    yield from against(name, results, targets, figure=after_imports)
    yield bound(f"{name}: CPU", results["ours"], "s", cpu_after_imports, Target(0.4, most=True))
    shutil.rmtree(at.server.data / "open")


def make_files(folder: Path, count: int) -> None:
    """Make what `bench/loops/open_files.py` reads."""
    (folder / "many").mkdir(parents=True)
    numbers = np.random.default_rng(1).integers(0, 256, SMALL, dtype="u1").tobytes()
    for number in range(count):
        (folder / "many" / f"{number:04}").write_bytes(numbers)
    for name, layout in {"table.h5": {}, "paged.h5": {"fs_strategy": "page", "fs_page_size": 1 << 20}}.items():
        with h5py.File(folder / name, "w", **layout) as file:
            for column in range(DATASETS):
                data = file.create_dataset(f"c{column:03}", data=np.full(ROWS, column, "f8"), chunks=(ROWS // 8,))
                data.attrs["unit"] = "TeV"
    with h5py.File(folder / "whole.h5", "w") as file:
        file["x"] = np.arange(WHOLE // 8)
    if not lacks(*LIBRARIES["parquet"]):
        make_parquet(folder / "t.parquet")
    if not lacks(*LIBRARIES["branch"]):
        make_root(folder / "events.root")


def lacks(*libraries: str) -> str:
    """Return which of the libraries is not installed, in words; empty if all are."""
    return ", ".join(f"{name} is not installed" for name in libraries if importlib.util.find_spec(name) is None)


def make_parquet(path: Path) -> None:
    """Make a file of 20 columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pieces = {f"c{column:02}": np.full(750_000, column, "f8") for column in range(20)}
    pq.write_table(pa.table(pieces), path, row_group_size=75_000, use_dictionary=False, compression=None)


def make_root(path: Path) -> None:
    """Make a tree of 50 branches."""
    import uproot

    with uproot.recreate(path, compression=None) as root:
        tree = root.mktree("t", {f"b{branch}": "f4" for branch in range(50)})
        for _ in range(20):
            tree.extend({f"b{branch}": np.full(16_000, branch, "f4") for branch in range(50)})
