"""Parts of remote files, opened as users of h5py and fsspec write it.

python open_files.py WORK PEER URL CA    (WORK: column, paged, whole, many; PEER: ours, webdav4, http, s3fs, libcurl)

A line says that all is imported, another one that the work is done and its result right; the process ends with it.
"""

import os
import ssl
import sys
from typing import Any

import h5py

DATASETS, ROWS, WHOLE, MANY, SMALL = 200, 91_000, 256 << 20, 100, 10_000
FOLDER = "/open"


def filesystem(peer: str, url: str, ca: str) -> "tuple[Any, str]":
    """Return the filesystem, and what its paths begin with."""
    if peer == "ours":
        from ctadata.filesystem import CtaFileSystem

        return CtaFileSystem(), FOLDER
    if peer == "webdav4":
        from webdav4.fsspec import WebdavFileSystem

        return WebdavFileSystem(url, verify=ca), FOLDER
    if peer == "http":
        from fsspec.implementations.http import HTTPFileSystem

        return HTTPFileSystem(ssl=ssl.create_default_context(cafile=ca)), url + FOLDER
    from s3fs import S3FileSystem

    return S3FileSystem(anon=True, endpoint_url=url, client_kwargs={"verify": ca}), FOLDER.strip("/")


def column(files: Any, top: str) -> bool:
    """Read one of 200 columns of an HDF5 file."""
    with files.open(top + "/table.h5") as file, h5py.File(file) as found:
        return bool((found["c117"][:] == 117).all())


def paged(files: Any, top: str) -> bool:
    """Read the attributes of all 200 datasets of a paged file, and one column."""
    with files.open(top + "/paged.h5") as file, h5py.File(file, page_buf_size=4 << 20) as found:
        units = [data.attrs["unit"] for data in found.values()]
        return units == ["TeV"] * DATASETS and bool((found["c117"][:] == 117).all())


def whole(files: Any, top: str) -> bool:
    """Read one long dataset."""
    with files.open(top + "/whole.h5") as file, h5py.File(file) as found:
        return bool(found["x"][:].nbytes == WHOLE)


def many(files: Any, top: str) -> bool:
    """Read many small files."""
    found = files.cat([f"{top}/many/{number:04}" for number in range(MANY)])
    return sum(map(len, found.values())) == MANY * SMALL


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
    print("ready", flush=True)  # noqa: T201
    curl.perform()
    return place >= WHOLE


def main(work: str, peer: str, url: str, ca: str) -> None:
    """Do one piece of work."""
    if peer == "libcurl":
        is_right = libcurl(url, ca)
    else:
        files, top = filesystem(peer, url, ca)
        print("ready", flush=True)  # noqa: T201
        is_right = {"column": column, "paged": paged, "whole": whole, "many": many}[work](files, top)
    if is_right:
        print("done", flush=True)  # noqa: T201
    os._exit(0 if is_right else 1)  # at once: how long threads take to end is not asked here


if __name__ == "__main__":
    main(*sys.argv[1:])
