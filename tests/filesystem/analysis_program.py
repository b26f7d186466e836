"""The work of analysis libraries, for a process of its own: `python analysis_program.py make|read NAME WHERE`.

`make` writes the files of a kind into the directory WHERE, and prints the values that are expected later. `read` does
one piece of work with the URL of that directory, and prints the value that came of it. Both print JSON. The libraries
are imported where they are used: each process imports those of its own work.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ctadata.stores import ranged_file

warnings.simplefilter("ignore")  # what libraries say of each other; a failure is an exception
ranged_file.PATIENCE = 600.0  # a busy machine answers late, and requests are counted

MIB = 1 << 20
ROWS, COLUMNS, CHUNK = 91_000, 200, 11_375
COLUMN = "dl2/event/table/c117"

MAKES: dict[str, Callable[[Path], dict[str, Any]]] = {}
READS: dict[str, Callable[[str], Any]] = {}


def make(kind: Callable[[Path], dict[str, Any]]) -> Callable[[Path], dict[str, Any]]:
    MAKES[kind.__name__] = kind
    return kind


def read(name: str) -> Callable[[Callable[[str], Any]], Callable[[str], Any]]:
    def add(work: Callable[[str], Any]) -> Callable[[str], Any]:
        READS[name] = work
        return work

    return add


def digest(values: Any) -> str:
    """A name for the values of an array, whatever its byte order."""
    array = np.ascontiguousarray(values)
    return hashlib.sha256(array.astype(array.dtype.newbyteorder("<")).tobytes()).hexdigest()[:16]


def numbers(seed: int, *shape: int) -> Any:
    return np.random.default_rng(seed).random(shape)


# --- HDF5 ---


def _write_table(path: Path, **layout: Any) -> str:
    """200 columns of 8 chunks with 91 kB each."""
    import h5py

    with h5py.File(path, "w", **layout) as file:
        group = file.create_group("dl2/event/table")
        for column in range(COLUMNS):
            data = group.create_dataset(f"c{column:03}", data=numbers(column, ROWS), chunks=(CHUNK,))
            data.attrs["unit"] = "TeV"
    return digest(numbers(117, ROWS))


@make
def table(to: Path) -> dict[str, Any]:
    return {"column": _write_table(to / "table.h5")}


@make
def paged(to: Path) -> dict[str, Any]:
    return {"column": _write_table(to / "paged.h5", fs_strategy="page", fs_page_size=MIB)}


@read("h5py")
def h5py_column(at: str) -> Any:
    import fsspec
    import h5py

    with fsspec.open(at + "/table.h5") as file, h5py.File(file) as found:
        return digest(found[COLUMN][:])


@read("h5py, paged file")
def h5py_paged(at: str) -> Any:
    import fsspec
    import h5py

    with fsspec.open(at + "/paged.h5") as file, h5py.File(file, page_buf_size=4 * MIB) as found:
        units = [data.attrs["unit"] for data in found["dl2/event/table"].values()]
        assert units == ["TeV"] * COLUMNS
        return digest(found[COLUMN][:])


@read("pyfive")
def pyfive_column(at: str) -> Any:
    import fsspec
    import pyfive

    with fsspec.open(at + "/table.h5") as file, pyfive.File(file) as found:
        return digest(found[COLUMN][:])


@read("UPath")
def upath_column(at: str) -> Any:
    import h5py
    from upath import UPath

    path = UPath(at) / "table.h5"
    assert path.is_file()
    assert path.name in [each.name for each in path.parent.iterdir()]
    with path.open("rb") as file, h5py.File(file) as found:
        return digest(found[COLUMN][:])


# --- tables of PyTables, as ctapipe writes them ---


@make
def events(to: Path) -> dict[str, Any]:
    import tables

    rows = np.zeros(200_000, dtype=[("energy", "f8"), ("alt", "f8"), ("az", "f8"), ("tel_id", "i8")])
    for number, name in enumerate(rows.dtype.names or ()):
        rows[name] = numbers(number, len(rows)) * 100
    filters = tables.Filters(complevel=5, complib="blosc:zstd", fletcher32=True)  # h5py has no such filter
    with tables.open_file(to / "events.h5", "w", filters=filters) as file:
        for telescope in range(12):
            place = f"/dl2/event/telescope/tel_{telescope:03}"
            file.create_table(place, "parameters", rows, createparents=True).attrs["telescope"] = telescope
    return {"energies": digest(rows["energy"])}


NODE = "/dl2/event/telescope/tel_007/parameters"


@read("PyTables, `direct.local`")
def tables_local(at: str) -> Any:
    import tables

    from ctadata import direct

    with tables.open_file(direct.local(_path(at) + "/events.h5")) as file:
        assert file.get_node(NODE).attrs["telescope"] == 7
        return digest(file.get_node(NODE).col("energy"))


@read("PyTables, `direct.subset`")
def tables_subset(at: str) -> Any:
    import tables

    from ctadata import direct

    with tables.open_file(direct.subset(_path(at) + "/events.h5", [NODE])) as file:
        table = file.get_node(NODE)
        assert table.attrs["telescope"] == 7
        assert len(table.read_where("energy < 50")) == (table.col("energy") < 50).sum()
        return digest(table.col("energy"))


@read("ctapipe, `direct.subset`")
def ctapipe_subset(at: str) -> Any:
    from ctapipe.io import read_table

    from ctadata import direct

    return digest(read_table(direct.subset(_path(at) + "/events.h5", [NODE]), NODE)["energy"])


@read("PyTables, `simplecache::`")
def simplecache(at: str) -> Any:
    import fsspec
    import tables

    local = fsspec.open_local(f"simplecache::{at}/events.h5", simplecache={"same_names": True})
    with tables.open_file(local) as file:
        return digest(file.get_node(NODE).col("energy"))


@read("PyTables, `filecache::`")
def filecache(at: str) -> Any:
    import fsspec
    import tables

    options = {"cache_storage": str(Path("cache").absolute()), "check_files": True}
    for _ in range(2):  # the second time from the cache
        local = fsspec.open_local(f"filecache::{at}/events.h5", filecache=options)
    with tables.open_file(local) as file:
        return digest(file.get_node(NODE).col("energy"))


def _path(at: str) -> str:
    return at.removeprefix("cta://")


# --- FITS ---


@make
def dl3(to: Path) -> dict[str, Any]:
    """An event list of 50 MB, and responses behind it."""
    from astropy.io import fits

    rows = 1_000_000
    columns = {"EVENT_ID": "K", "TIME": "D", "RA": "D", "DEC": "D", "ENERGY": "D", "X": "D", "Y": "E", "Z": "E"}
    made = [
        fits.Column(name, form, array=(numbers(n, rows) * 10).astype("i8" if form == "K" else "f8"))
        for n, (name, form) in enumerate(columns.items())
    ]
    psf = fits.Column("SIGMA", "3600E", array=numbers(99, 1, 3600).astype("f4"))
    hdus = [fits.PrimaryHDU(), fits.BinTableHDU.from_columns(made, name="EVENTS")]
    hdus += [fits.BinTableHDU.from_columns([psf], name=name) for name in ("GTI", "AEFF", "EDISP", "PSF")]
    fits.HDUList(hdus).writeto(to / "dl3.fits")
    return {"psf": digest(numbers(99, 1, 3600).astype("f4")), "energies": digest(numbers(4, rows) * 10)}


@read("astropy, one HDU")
def fits_psf(at: str) -> Any:
    from astropy.io import fits

    with fits.open(at + "/dl3.fits", use_fsspec=True) as hdus:
        return digest(hdus["PSF"].data["SIGMA"])


@read("astropy, Table.read")
def fits_table(at: str) -> Any:
    import fsspec
    from astropy.table import Table

    with fsspec.open(at + "/dl3.fits") as file:
        return digest(Table.read(file, hdu="EVENTS", format="fits")["ENERGY"])


@make
def image(to: Path) -> dict[str, Any]:
    """Rows of 28 kB."""
    from astropy.io import fits

    pixels = numbers(1, 2_000, 7_000).astype("f4")
    fits.ImageHDU(pixels).writeto(to / "image.fits")
    return {"section": digest(pixels[1200:1300, 4000:4100])}


@read("astropy, a section of an image")
def fits_section(at: str) -> Any:
    from astropy.io import fits

    with fits.open(at + "/image.fits", use_fsspec=True) as hdus:
        return digest(hdus[1].section[1200:1300, 4000:4100])


@make
def gadf(to: Path) -> dict[str, Any]:
    """An event list as gammapy reads it, compressed."""
    from astropy.table import Table

    energies = numbers(1, 20_000).astype("f4") + 1
    found = Table({"EVENT_ID": np.arange(20_000), "TIME": numbers(2, 20_000), "RA": numbers(3, 20_000)})
    found["DEC"], found["ENERGY"] = numbers(4, 20_000), energies
    for name, unit in {"TIME": "s", "RA": "deg", "DEC": "deg", "ENERGY": "TeV"}.items():
        found[name].unit = unit
    found.meta |= {"EXTNAME": "EVENTS", "HDUCLASS": "GADF", "HDUCLAS1": "EVENTS", "HDUVERS": "0.3", "OBS_ID": 1}
    found.meta |= {"MJDREFI": 51544, "MJDREFF": 0.5, "TIMEUNIT": "s", "TIMESYS": "TT", "TIMEREF": "LOCAL"}
    found.meta |= {"RA_PNT": 0.5, "DEC_PNT": 0.5, "TSTART": 0.0, "TSTOP": 1.0, "ONTIME": 1.0, "LIVETIME": 0.9}
    found.meta |= {"DEADC": 0.9, "TELESCOP": "CTA", "INSTRUME": "LST"}
    found.write(to / "gadf.fits.gz", format="fits")
    return {"energies": digest(energies)}


@read("gammapy, `direct.local`")
def gammapy_local(at: str) -> Any:
    from gammapy.data import EventList

    from ctadata import direct

    return digest(EventList.read(direct.local(_path(at) + "/gadf.fits.gz")).energy.to_value("TeV").astype("f4"))


# --- ROOT ---


@make
def root(to: Path) -> dict[str, Any]:
    """50 branches of 20 baskets with 64 kB each."""
    import uproot

    with uproot.recreate(to / "events.root", compression=None) as file:
        tree = file.mktree("t", {f"b{branch}": "f4" for branch in range(50)})
        for basket in range(20):
            tree.extend({f"b{branch}": _basket(branch, basket) for branch in range(50)})
    return {"branch": digest(np.concatenate([_basket(7, basket) for basket in range(20)]))}


def _basket(branch: int, basket: int) -> Any:
    return numbers(branch * 100 + basket, 16_000).astype("f4")


@read("uproot")
def uproot_branch(at: str) -> Any:
    import uproot

    with uproot.open(at + "/events.root") as file:
        return digest(file["t/b7"].array(library="np"))


# --- Parquet ---


@make
def parquet(to: Path) -> dict[str, Any]:
    """20 columns of ten chunks with 600 kB each."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {f"c{column:02}": numbers(column, 750_000) for column in range(20)}
    pq.write_table(pa.table(columns), to / "t.parquet", row_group_size=75_000, use_dictionary=False, compression=None)
    found = columns["c17"]
    return {"column": digest(found), "large": int((found > 0.5).sum())}


@read("pandas.read_parquet, an open file")
def pandas_file(at: str) -> Any:
    import fsspec
    import pandas as pd

    with fsspec.open(at + "/t.parquet") as file:
        return digest(pd.read_parquet(file, columns=["c17"])["c17"].to_numpy())


@read("pandas.read_parquet, by URL")
def pandas_url(at: str) -> Any:
    import pandas as pd

    return digest(pd.read_parquet(at + "/t.parquet", columns=["c17"])["c17"].to_numpy())


@read("fsspec.parquet")
def fsspec_parquet(at: str) -> Any:
    import pandas as pd
    from fsspec.parquet import open_parquet_file

    with open_parquet_file(at + "/t.parquet", columns=["c17"], engine="pyarrow") as file:
        return digest(pd.read_parquet(file, columns=["c17"])["c17"].to_numpy())


@read("pyarrow.dataset")
def pyarrow_dataset(at: str) -> Any:
    import fsspec
    import pyarrow.dataset as ds

    found = ds.dataset(_path(at) + "/t.parquet", filesystem=fsspec.filesystem("cta"))
    return found.to_table(columns=["c17"], filter=ds.field("c17") > 0.5).num_rows


@read("DuckDB, `register_filesystem`")
def duckdb_column(at: str) -> Any:
    import duckdb
    import fsspec

    with duckdb.connect() as connection:
        connection.register_filesystem(fsspec.filesystem("cta"))
        found = connection.execute(f"SELECT count(*) FROM read_parquet('{at}/t.parquet') WHERE c17 > 0.5").fetchone()
        return found[0]


# --- xarray, zarr, kerchunk ---


@make
def climate(to: Path) -> dict[str, Any]:
    """48 steps of 1.5 MB, each in chunks of 375 kB."""
    import h5py

    steps = numbers(1, 48, 375, 500).astype("f8")
    with h5py.File(to / "climate.nc", "w") as file:
        found = file.create_dataset("temperature", data=steps, chunks=(1, 188, 250))
        for place, (name, size) in enumerate({"time": 48, "y": 375, "x": 500}.items()):
            file[name] = np.arange(size, dtype="f8")
            file[name].make_scale(name)
            found.dims[place].attach_scale(file[name])
    return {"step": digest(steps[20])}


@read("xarray, h5netcdf by URL")
def xarray_step(at: str) -> Any:
    import xarray as xr

    with xr.open_dataset(at + "/climate.nc", engine="h5netcdf") as found:
        return digest(found["temperature"][20].to_numpy())


@read("kerchunk")
def kerchunk_step(at: str) -> Any:
    import fsspec
    import xarray as xr
    from kerchunk.hdf import SingleHdf5ToZarr

    with fsspec.open(at + "/climate.nc") as file:
        references = SingleHdf5ToZarr(file, at + "/climate.nc", inline_threshold=0).translate()
    found = xr.open_dataset(references, engine="kerchunk")
    return digest(found["temperature"][20].to_numpy())


@make
def chunks(to: Path) -> dict[str, Any]:
    """A zarr store of 512 chunks with 230 kB each."""
    import zarr

    values = numbers(1, 64, 8, 170, 170).astype("f8")
    group = zarr.open_group(to / "chunks.zarr", mode="w")
    group.create_array("signal", data=values, chunks=(1, 1, 170, 170), compressors=None)
    return {"part": digest(values[10:12])}


@read("zarr")
def zarr_part(at: str) -> Any:
    import zarr

    return digest(zarr.open_group(at + "/chunks.zarr", mode="r")["signal"][10:12])


@read("xarray, zarr by URL")
def xarray_zarr(at: str) -> Any:
    import xarray as xr

    values = xr.DataArray(numbers(1, 4, 100, 100), dims=("time", "y", "x"), name="signal")
    values.to_dataset().to_zarr(at + "/written.zarr", mode="w", consolidated=False)
    found = xr.open_zarr(at + "/written.zarr", consolidated=False)
    assert digest(found["signal"].to_numpy()) == digest(values.to_numpy())
    return True


# --- written by libraries ---


@make
def nothing(to: Path) -> dict[str, Any]:
    return {"equal": True}


@read("h5py, written")
def h5py_written(at: str) -> Any:
    import fsspec
    import h5py

    with fsspec.open(at + "/written.h5", "wb") as file, h5py.File(file, "w") as made:
        made["x"] = numbers(1, 100_000)
    with fsspec.open(at + "/written.h5") as file, h5py.File(file) as found:
        return digest(found["x"][:]) == digest(numbers(1, 100_000))


@read("uproot, written")
def uproot_written(at: str) -> Any:
    import fsspec
    import uproot

    with fsspec.open(at + "/written.root", "wb") as file, uproot.recreate(file) as made:
        made["t"] = {"x": numbers(1, 1000)}
    with uproot.open(at + "/written.root") as found:
        return digest(found["t/x"].array(library="np")) == digest(numbers(1, 1000))


@read("astropy, written")
def fits_written(at: str) -> Any:
    import fsspec
    from astropy.io import fits

    with fsspec.open(at + "/written.fits", "wb") as file:
        fits.ImageHDU(numbers(1, 100, 100)).writeto(file)
    with fits.open(at + "/written.fits", use_fsspec=True) as hdus:
        return digest(hdus[1].data) == digest(numbers(1, 100, 100))


@read("pandas, written")
def pandas_written(at: str) -> Any:
    import pandas as pd

    frame = pd.DataFrame({"x": numbers(1, 1000)})
    frame.to_parquet(at + "/written.parquet")
    frame.to_csv(at + "/written.csv", index=False)
    same = [pd.read_parquet(at + "/written.parquet"), pd.read_csv(at + "/written.csv", float_precision="round_trip")]
    return all(digest(each["x"].to_numpy()) == digest(numbers(1, 1000)) for each in same)


if __name__ == "__main__":
    verb, name, where = sys.argv[1:]
    print(json.dumps(MAKES[name](Path(where)) if verb == "make" else READS[name](where)), flush=True)
    if "pyarrow" in sys.modules:
        os._exit(0)  # its threads may abort a process that ends: https://github.com/apache/arrow/issues/39862
