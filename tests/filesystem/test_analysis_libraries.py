"""What the libraries of analysis do with the filesystem, each in a process of its own: docs/reference/libraries.md.

`CTADATA_WRITE_LIBRARIES=1 .venv/bin/python -m pytest -n0 --full tests/filesystem/test_analysis_libraries.py` writes the
lines of the page; without it, a page that says something else than what was measured is a failure.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from filesystem.conftest import requests, traffic, wait_for_no_movers
from filesystem.page_table import PageTable

from ctadata.filesystem import CtaFileSystem
from ctadata.sandbox import Sandbox
from ctadata.tokens.profile_files import ProfileFiles

PROGRAM = Path(__file__).with_name("analysis_program.py")
WRITE = bool(os.environ.pop("CTADATA_WRITE_LIBRARIES", ""))
PATIENCE = 300
SLACK = 2
"""Requests that a busy machine may add: a file that was not read for 10 s asks the door again."""
SHARE = 8
"""A library that asks from several threads may send one request in this many more, or fewer, than the page says: what
one of its threads has learnt in time, another need not ask."""


@dataclass(frozen=True)
class Work:
    """A piece of work of a library.

    Attributes:
        name: Its name in `analysis_program.READS`.
        kind: The files that it reads, in `analysis_program.MAKES`.
        value: The name of the value that it has to find.
        does: What it does, as the page says it.
        requests: The largest number of requests.
        megabytes: The largest number of bytes that it may ask for, in millions.
    """

    name: str
    kind: str
    value: str
    does: str
    requests: int
    megabytes: float


WORKS = [
    Work("h5py", "table", "column", "one of 200 columns, 0.7 of 146 MB", 12, 3),
    Work("h5py, paged file", "paged", "column", "the attributes of 200 datasets, and one column", 8, 6),
    Work("UPath", "table", "column", "one of 200 columns, after `iterdir`", 16, 3),
    Work("pyfive", "table", "column", "one of 200 columns", 60, 16),
    Work("astropy, one HDU", "dl3", "psf", "the last HDU of an event file of 56 MB", 4, 1),
    Work("astropy, a section of an image", "image", "section", "100 x 100 pixels of 56 MB", 10, 4),
    Work("astropy, Table.read", "dl3", "energies", "an event table, which astropy reads whole", 14, 57),
    Work("uproot", "root", "branch", "one of 50 branches, 1.3 of 64 MB", 25, 1.6),
    Work("pandas.read_parquet, an open file", "parquet", "column", "one of 20 columns, 6 of 120 MB", 12, 10),
    Work("pandas.read_parquet, by URL", "parquet", "column", "one of 20 columns, 6 of 120 MB", 19, 10),
    Work("fsspec.parquet", "parquet", "column", "one of 20 columns", 16, 10),
    Work("pyarrow.dataset", "parquet", "large", "one of 20 columns, with a filter", 19, 11),
    Work("DuckDB, `register_filesystem`", "parquet", "large", "one of 20 columns, with a filter", 28, 11),
    Work("xarray, h5netcdf by URL", "climate", "step", "one of 48 steps, 1.5 of 72 MB", 16, 6),
    Work("kerchunk", "climate", "step", "make the references, and read one step through them", 60, 12),
    Work("zarr", "chunks", "part", "16 of 512 chunks, 3.7 of 118 MB", 44, 4),
    Work("xarray, zarr by URL", "nothing", "equal", "write a dataset, and read it back", 60, 1),
    Work("PyTables, `direct.subset`", "events", "energies", "one of 12 compressed tables, 4.4 of 53 MB", 10, 6),
    Work("PyTables, `direct.local`", "events", "energies", "a verified copy of the file, 53 MB", 12, 54),
    Work("PyTables, `simplecache::`", "events", "energies", "a copy of the file", 16, 54),
    Work("PyTables, `filecache::`", "events", "energies", "a copy of the file, used twice", 18, 54),
    Work("ctapipe, `direct.subset`", "events", "energies", "`read_table` of one of 12 tables", 10, 6),
    Work("gammapy, `direct.local`", "gadf", "energies", "a compressed event list", 6, 1),
    Work("h5py, written", "nothing", "equal", "write a file, and read it back", 16, 1),
    Work("uproot, written", "nothing", "equal", "write a file, and read it back", 20, 1),
    Work("astropy, written", "nothing", "equal", "write an image, and read it back", 14, 1),
    Work("pandas, written", "nothing", "equal", "write Parquet and CSV, and read them back", 28, 1),
]
TABLE = PageTable(
    Path(__file__).parents[2] / "docs" / "reference" / "libraries.md",
    ("library", "what it does", "requests", "MB"),
    tuple(work.name for work in WORKS),
)

DASK = Path(__file__).with_name("dask_program.py")

Run = Callable[..., Any]


@pytest.fixture
def run(analysis: Path, tmp_path: Path) -> Run:
    """`run(verb, name, where)`: what the program prints, in an environment that has the libraries."""

    def call(*words: str, program: Path = PROGRAM) -> Any:
        ran = subprocess.run(
            [analysis, program, *words], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert ran.returncode == 0, ran.stderr[-4000:]
        return json.loads(ran.stdout.splitlines()[-1])

    return call


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    """The values that are expected of the files that were made so far."""
    return {}


def make(kind: str, box: Sandbox, run: Run, folder: Path, made: dict[str, Any]) -> dict[str, Any]:
    """Bring files of a kind to the sandbox, once, and return the expected values."""
    if kind not in made:
        (folder / "made").mkdir()
        values = run("make", kind, str(folder / "made"))
        for path in (folder / "made").rglob("*"):
            if path.is_file():
                box.files.put(f"/lst/analysis/{path.relative_to(folder / 'made')}", path.read_bytes())
                path.unlink()
        made[kind] = values
    box.forget_seen()
    return made[kind]


@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.name)
def test_a_library_reads_what_it_wants_and_not_much_more(
    work: Work, box: Sandbox, fs: CtaFileSystem, run: Run, tmp_path: Path, made: dict[str, Any]
) -> None:
    fs.makedirs("/lst/analysis", exist_ok=True)
    expected = make(work.kind, box, run, tmp_path, made)
    assert run("read", work.name, "cta:///lst/analysis") == expected[work.value]
    wait_for_no_movers(box)
    seen, megabytes = traffic(box)
    print(f"{work.name}: {dict(requests(box))}, {megabytes:.1f} MB")
    assert seen <= work.requests
    assert megabytes <= work.megabytes
    assert box.transfer_log.broken() == []
    compare_with_page(work, seen, megabytes)


def compare_with_page(work: Work, seen: int, megabytes: float) -> None:
    if WRITE:
        TABLE.write(work.name, work.does, str(seen), f"{megabytes:.1f}")
    name, does, said, size = TABLE.rows()[work.name]
    assert (name, does) == (work.name, work.does)
    assert abs(int(said) - seen) <= max(SLACK, int(said) // SHARE)
    assert abs(float(size) - megabytes) <= 0.6


def test_the_page_has_a_line_for_each_library() -> None:
    assert list(TABLE.rows()) == [work.name for work in WORKS]
    named = re.findall(r'^@read\("(.*)"\)$', PROGRAM.read_text(), re.MULTILINE)
    assert sorted(named) == sorted(work.name for work in WORKS)


@contextlib.contextmanager
def short_lived_tokens(box: Sandbox, file: Path, lifetime: float) -> Iterator[list[str]]:
    """Renew the token in `file` three times in its lifetime, as the agent does; the tokens so far."""
    given: list[str] = []
    over = threading.Event()

    def renew() -> None:
        given.append(box.token(exp=time.time() + lifetime))
        new = file.with_name("new")
        new.touch(mode=0o600)
        new.write_text(given[-1])
        new.replace(file)

    def go_on() -> None:
        while not over.wait(lifetime / 3):
            renew()

    renew()
    renewing = threading.Thread(target=go_on)
    renewing.start()
    try:
        yield given
    finally:
        over.set()
        renewing.join()


@pytest.mark.parametrize("lifetime", [6, 1.5])
def test_workers_of_dask_find_short_lived_tokens_themselves(
    box: Sandbox, fs: CtaFileSystem, run: Run, lifetime: float
) -> None:
    values = np.random.default_rng(1).random(5_000)
    for number in range(200):
        made = io.BytesIO()
        with h5py.File(made, "w") as file:
            file["energy"] = values + number
        box.files.put(f"/lst/dask/{number:03}.h5", made.getvalue())
    file = ProfileFiles.of("sandbox").token
    with short_lived_tokens(box, file, lifetime) as tokens:
        found = run("cta:///lst/dask", "600", str(file), "3", program=DASK)
    expected = 3 * sum((values + number).sum() for number in range(200))
    assert found["sums"] == [pytest.approx(expected)] * len(found["sums"])
    travelled = "".join(found["travelled"])
    assert "total" in travelled
    assert not [token for token in tokens if token in travelled or token.split(".")[-1] in travelled]
    wait_for_no_movers(box)
    assert box.transfer_log.broken() == []
