"""Parts of remote files, opened as users of h5py and fsspec write it.

python open_files.py WORK PEER URL CA [TOKEN_FILE API]

WORK is column, paged, branch, parquet, whole or many=COUNT; PEER is ours, webdav4, http, s3fs, dcachefs or libcurl.

A line says that all is imported, and how many processor seconds that took. Another one says that the work is done and
its result right; the process ends with it.
"""

import os
import ssl
import sys
import time
from pathlib import Path
from typing import Any

import fsspec
import h5py
from fsspec import register_implementation

DATASETS, ROWS, WHOLE, MANY, SMALL = 200, 91_000, 256 << 20, 600, 10_000
FOLDER = "/open"


def place(peer: str, url: str, ca: str, token: str, api: str) -> "tuple[str, dict[str, Any]]":
    """Return what URLs of fsspec begin with, and the options of the filesystem."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if peer == "ours":
        return "cta://" + FOLDER, {}
    if peer == "webdav4":
        import webdav4.fsspec  # it registers itself

        register_implementation("webdav", webdav4.fsspec.WebdavFileSystem, clobber=True)
        return "webdav://" + FOLDER, {"base_url": url, "verify": ca, "headers": headers}
    if peer == "http":
        return url + FOLDER, {"ssl": ssl.create_default_context(cafile=ca), "headers": headers}
    if peer == "dcachefs":  # it passes no context on to its files, so the CA's certificate comes by the environment
        from dcachefs import dCacheFileSystem

        register_implementation("dcache", dCacheFileSystem, clobber=True)
        return "dcache://" + FOLDER, {"api_url": f"{api}/api/v1", "webdav_url": url, "token": token}
    return "s3:/" + FOLDER, {"anon": True, "endpoint_url": url, "client_kwargs": {"verify": ca}}


def column(top: str, options: "dict[str, Any]") -> bool:
    """Read one of 200 columns of an HDF5 file."""
    with opened(top + "/table.h5", options) as file, h5py.File(file) as found:
        return bool((found["c117"][:] == 117).all())


def paged(top: str, options: "dict[str, Any]") -> bool:
    """Read the attributes of all 200 datasets of a paged file, and one column."""
    with opened(top + "/paged.h5", options) as file, h5py.File(file, page_buf_size=4 << 20) as found:
        units = [data.attrs["unit"] for data in found.values()]
        return units == ["TeV"] * DATASETS and bool((found["c117"][:] == 117).all())


def branch(top: str, options: "dict[str, Any]") -> bool:
    """Read one of 50 branches of a ROOT file."""
    import uproot
    from uproot.source.fsspec import FSSpecSource

    with uproot.open(top + "/events.root", handler=FSSpecSource, **options) as file:
        return bool((file["t/b7"].array(library="np") == 7).all())


def parquet(top: str, options: "dict[str, Any]") -> bool:
    """Read one of 20 columns of a Parquet file."""
    import pandas as pd

    files, path = fsspec.core.url_to_fs(top + "/t.parquet", **options)
    return bool((pd.read_parquet(path, columns=["c17"], filesystem=files)["c17"] == 17).all())


def whole(top: str, options: "dict[str, Any]") -> bool:
    """Read one long dataset."""
    with opened(top + "/whole.h5", options) as file, h5py.File(file) as found:
        return bool(found["x"][:].nbytes == WHOLE)


def many(top: str, options: "dict[str, Any]", count: int) -> bool:
    """Read many small files."""
    files, path = fsspec.core.url_to_fs(top, **options)
    found = files.cat([f"{path}/many/{number:04}" for number in range(count)])
    return sum(map(len, found.values())) == count * SMALL


def opened(url: str, options: "dict[str, Any]") -> Any:
    """Open a file as its filesystem opens it by default."""
    files, path = fsspec.core.url_to_fs(url, **options)
    return files.open(path)


def libcurl(url: str, ca: str) -> bool:
    """Read the file of the long dataset into memory, with libcurl alone."""
    import pycurl

    buffer, place = memoryview(bytearray(WHOLE + (1 << 20))), 0

    def take(block: bytes) -> None:
        nonlocal place
        buffer[place : place + len(block)] = block
        place += len(block)

    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, f"{url}{FOLDER}/whole.h5")
    curl.setopt(pycurl.CAINFO, ca)
    curl.setopt(pycurl.WRITEFUNCTION, take)
    print("ready", time.process_time(), flush=True)  # noqa: T201
    curl.perform()
    return place >= WHOLE


WORKS = {each.__name__: each for each in (column, paged, branch, parquet, whole)}


def main(work: str, peer: str, url: str, ca: str, token_file: str = "", api: str = "") -> None:
    """Do one piece of work."""
    work, _, count = work.partition("=")
    if peer == "libcurl":
        is_right = libcurl(url, ca)
    else:
        token = Path(token_file).read_text() if token_file else ""
        top, options = place(peer, url, ca, token, api)
        fsspec.core.url_to_fs(top, **options)
        import_of(work)
        print("ready", time.process_time(), flush=True)  # noqa: T201
        is_right = many(top, options, int(count)) if count else WORKS[work](top, options)
    if is_right:
        print("done", flush=True)  # noqa: T201
    os._exit(0 if is_right else 1)  # at once: how long threads take to end is not asked here


def import_of(work: str) -> None:
    """Import what a piece of work imports, before anybody looks at the clock."""
    if work == "branch":
        import uproot.source.fsspec  # noqa: F401
    elif work == "parquet":
        import pandas  # noqa: F401
        import pyarrow.dataset
        import pyarrow.parquet  # noqa: F401


if __name__ == "__main__":
    main(*sys.argv[1:])
