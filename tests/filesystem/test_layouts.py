"""The table of the guide about file layouts: what h5py asks for, by how the writer has laid the file out.

`CTADATA_WRITE_LAYOUTS=1 .venv/bin/python -m pytest -n0 --full tests/filesystem/test_layouts.py` writes the table.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from filesystem.conftest import traffic, wait_for_no_movers
from filesystem.page_table import PageTable

from ctadata.filesystem import CtaFileSystem
from ctadata.sandbox import Sandbox

WRITE = bool(os.environ.pop("CTADATA_WRITE_LAYOUTS", ""))
SLACK = 2
"""Requests that a busy machine may add: a server that answers late is asked whether the file is on tape."""
COLUMNS, ROWS = 200, 25_000
KIB, MIB = 1 << 10, 1 << 20


@dataclass(frozen=True)
class Layout:
    """A way to write 200 columns of 200 kB.

    Attributes:
        name: What the table says.
        chunk: Rows of a chunk.
        file: Options of `h5py.File` for writing.
        read: Options of `h5py.File` for reading.
        listing: The largest number of requests for all attributes.
    """

    name: str
    chunk: int = 3125
    file: dict[str, Any] = field(default_factory=dict)
    read: dict[str, Any] = field(default_factory=dict)
    listing: int = 20


PAGES = {"fs_strategy": "page", "fs_page_size": 64 * KIB}
LAYOUTS = [
    Layout("h5py's default, chunks of 25 kB", listing=130),
    Layout("chunks of 1.6 kB", chunk=200, listing=130),
    Layout("one chunk for each column, 200 kB", chunk=ROWS, listing=130),
    Layout('`libver="latest"`', file={"libver": "latest"}, listing=130),
    Layout("`meta_block_size=4 << 20`", file={"meta_block_size": 4 * MIB}),
    Layout("pages of 64 KiB", file=PAGES, read={"page_buf_size": MIB}),
    Layout("pages of 1 MiB", file=PAGES | {"fs_page_size": MIB}, read={"page_buf_size": 4 * MIB}),
]
TABLE = PageTable(
    Path(__file__).parents[2] / "docs" / "guides" / "analysis.md",
    ("the file is written with", "list 200 columns", "MB", "read one column", "MB"),
    tuple(layout.name for layout in LAYOUTS),
)


def written(layout: Layout, made: Path) -> bytes:
    """A file of this layout."""
    with h5py.File(made, "w", **layout.file) as file:
        for column in range(COLUMNS):
            values = np.random.default_rng(column).random(ROWS)
            data = file.create_dataset(f"dl2/c{column:03}", data=values, chunks=(layout.chunk,))
            data.attrs["unit"] = "TeV"
    return made.read_bytes()


def measured(box: Sandbox, work: Callable[[], Any]) -> tuple[int, float]:
    """The requests of the work, and the megabytes that it asks for."""
    wait_for_no_movers(box)
    box.forget_seen()
    work()
    wait_for_no_movers(box)
    return traffic(box)


@pytest.mark.full("layouts")
@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_a_layout_costs_what_the_guide_says(layout: Layout, box: Sandbox, fs: CtaFileSystem, tmp_path: Path) -> None:
    box.files.put("/lst/layout.h5", written(layout, tmp_path / "layout.h5"))

    def list_columns() -> None:
        with fs.open("/lst/layout.h5") as file, h5py.File(file, **layout.read) as found:
            assert [data.attrs["unit"] for data in found["dl2"].values()] == ["TeV"] * COLUMNS

    def read_column() -> None:
        with fs.open("/lst/layout.h5") as file, h5py.File(file, **layout.read) as found:
            assert np.array_equal(found["dl2/c117"][:], np.random.default_rng(117).random(ROWS))

    listing, reading = measured(box, list_columns), measured(box, read_column)
    assert listing[0] <= layout.listing
    row = [layout.name, str(listing[0]), f"{listing[1]:.1f}", str(reading[0]), f"{reading[1]:.1f}"]
    if WRITE:
        TABLE.write(*row)
    said = TABLE.rows()[layout.name]
    for place in (1, 3):
        assert abs(int(said[place]) - int(row[place])) <= SLACK
        assert abs(float(said[place + 1]) - float(row[place + 1])) <= 0.6


def test_the_guide_has_a_line_for_each_layout() -> None:
    assert list(TABLE.rows()) == [layout.name for layout in LAYOUTS]
