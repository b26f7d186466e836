"""HDF5 by h5py; what travels to other processes, and what forked children and threads do."""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import pickle
import threading
import traceback
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import fsspec
import h5py
import numpy as np
import pytest
from filesystem.conftest import requests, wait_for_no_movers
from upath import UPath

from ctadata import direct
from ctadata.errors import Changed, NotFound
from ctadata.filesystem import CtaFileSystem
from ctadata.sandbox import Sandbox, faults

ROWS, COLUMNS, CHUNKS = 91_000, 200, 8
ROW_BYTES = 8


@pytest.fixture(scope="module")
def table() -> bytes:
    """An HDF5 file of 145 MB: 200 columns of 8 chunks with 91 kB each."""
    import io

    made = io.BytesIO()
    numbers = np.random.default_rng(1).integers(0, 1 << 60, ROWS)
    with h5py.File(made, "w") as file:
        group = file.create_group("dl2/event/table")
        for column in range(COLUMNS):
            data = group.create_dataset(f"c{column:03}", data=numbers + column, chunks=(ROWS // CHUNKS,))
            data.attrs["unit"] = "TeV"
    return made.getvalue()


@pytest.fixture
def url(box: Sandbox, table: bytes) -> str:
    if not box.files.exists("/lst/table.h5"):
        box.files.put("/lst/table.h5", table)
    box.forget_seen()
    return "cta:///lst/table.h5"


def test_one_of_200_columns_takes_12_requests_and_3_megabytes(box: Sandbox, fs: CtaFileSystem, url: str) -> None:
    with fsspec.open(url) as file, h5py.File(file) as found:
        assert found["dl2/event/table/c117"].shape == (ROWS,)
        column = found["dl2/event/table/c117"][:]
    assert (column - column[0] != 0).any()
    assert requests(box).total() <= 12
    assert requests(box)["door"] == 1
    assert sum(asked.last + 1 - asked.first for asked in box.transfer_log.requested()) <= 3_000_000
    wait_for_no_movers(box)


def test_a_paged_file_is_listed_and_one_of_200_columns_read_with_8_requests(
    box: Sandbox, fs: CtaFileSystem, tmp_path: Path
) -> None:
    with h5py.File(tmp_path / "paged.h5", "w", fs_strategy="page", fs_page_size=1 << 20) as file:
        for column in range(COLUMNS):
            data = file.create_dataset(f"t/c{column:03}", data=np.full(8000, column), chunks=(1000,))
            data.attrs["unit"] = "TeV"
    box.files.put("/lst/paged.h5", (tmp_path / "paged.h5").read_bytes())
    box.forget_seen()
    with fs.open("/lst/paged.h5") as file, h5py.File(file, page_buf_size=16 << 20) as found:
        assert {data.attrs["unit"] for data in found["t"].values()} == {"TeV"}
        assert (found["t/c117"][:] == 117).all()
    assert requests(box).total() <= 8


@pytest.mark.parametrize("number", [0, 199])
def test_the_column_is_the_one_that_was_written(fs: CtaFileSystem, url: str, number: int) -> None:
    with fsspec.open(url) as file, h5py.File(file) as found:
        expected = np.random.default_rng(1).integers(0, 1 << 60, ROWS) + number
        assert (found[f"dl2/event/table/c{number:03}"][:] == expected).all()


def test_h5py_reads_in_four_threads_while_objects_of_h5py_are_collected(fs: CtaFileSystem, url: str) -> None:
    over = threading.Event()

    def litter() -> None:
        """Leave objects of h5py in circles, and collect them in this thread."""
        while not over.is_set():
            with h5py.File.in_memory() as file:
                circle = [file.create_group(str(n)) for n in range(5)]
                circle.append(circle)  # type: ignore[arg-type]
                del circle
            gc.collect()

    def read(number: int) -> int:
        with fs.open(url) as file, h5py.File(file) as found:
            return int(found[f"dl2/event/table/c{number:03}"][:].sum() & 0xFFFF)

    collector = threading.Thread(target=litter, daemon=True)
    collector.start()
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(read, range(12)))
    over.set()
    collector.join()
    assert found == [read(number) for number in range(12)]


# --- pickles ---


def secrets_in(box: Sandbox, *texts: bytes) -> list[bytes]:
    token = direct_token().encode()
    return [text for text in texts if token in text or token.split(b".")[-1] in text]


def direct_token() -> str:
    return direct.APIClient().token


def test_no_secret_is_in_what_travels_or_is_shown_or_logged(
    box: Sandbox, fs: CtaFileSystem, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    opened, path = fsspec.open(url), UPath(url)
    with opened as file:
        file.read(10)
        travelling = [pickle.dumps(each) for each in (fs, opened, file, path, path.stat())]
        shown = [repr(each) + str(each) for each in (fs, opened, file, path, fs.__dict__, fs.storage_options, fs.fsid)]
        shown += [file._repr_html_(), fs.info(url)._repr_html_()]
        written = [fs.to_json(), json.dumps(fs.to_dict()), json.dumps(fs.info(url))]
        fs.cat_file(url, 0, 5)
    with pytest.raises(FileNotFoundError) as raised:
        fs.cat_file("/lst/none")
    travelling.append(pickle.dumps(raised.value))
    shown.append(str(raised.getrepr(showlocals=True)))
    box.faults.add("pool", "GET", "/lst/table.h5", faults.Status(403, "Forbidden", b"not you"))
    with pytest.raises(PermissionError) as refused, fs.open(url) as file:
        file.read()
    travelling.append(pickle.dumps(refused.value))
    shown += ["".join(traceback.format_exception(refused.value)), caplog.text]
    assert "GET https" in caplog.text
    assert secrets_in(box, *travelling, *(text.encode() for text in shown + written)) == []
    assert b"uuid" not in b"".join(travelling)
    assert max(map(len, travelling)) < 800


def test_a_file_and_its_filesystem_come_out_as_they_went_in(fs: CtaFileSystem, url: str) -> None:
    with fs.open(url) as file:
        file.seek(1000)
        with pickle.loads(pickle.dumps(file)) as again:
            assert again.tell() == 1000
            assert again.read(100) == file.read(100)
    assert pickle.loads(pickle.dumps(fs)) is fs
    assert CtaFileSystem.from_json(fs.to_json()) is fs


@pytest.mark.parametrize("now", [b"abcd", b"abd"])
def test_a_file_that_became_another_one_on_the_way_is_an_error(box: Sandbox, fs: CtaFileSystem, now: bytes) -> None:
    box.files.put("/lst/p", b"abc")
    with fs.open("/lst/p") as file:
        travelling = pickle.dumps(file)
    box.files.put("/lst/p", now)
    with pytest.raises(Changed):
        pickle.loads(travelling)


def test_errors_come_out_of_other_processes(fs: CtaFileSystem) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        fs.info("/lst/none")
    found = pickle.loads(pickle.dumps(raised.value))
    assert isinstance(found, NotFound)
    assert isinstance(found, FileNotFoundError)
    assert (str(found), found.errno) == (str(raised.value), raised.value.errno)


# --- forks ---


def _checksum(url: str, number: int) -> int:
    with fsspec.open(url) as file, h5py.File(file) as found:
        return int(found[f"dl2/event/table/c{number:03}"][:].sum() & 0xFFFF)


def test_spawned_processes_find_the_token_themselves(fs: CtaFileSystem, url: str) -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as processes:
        assert processes.submit(_checksum, url, 3).result() == _checksum(url, 3)


def _in_a_fork(work: object) -> bytes:
    """What `work` gives in a forked child, which ends as an interpreter ends."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(write, work())  # type: ignore[operator]
        finally:
            gc.collect()
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_reads_on_connections_of_its_own(
    box: Sandbox, fs: CtaFileSystem, url: str, table: bytes
) -> None:
    with fs.open(url) as file:
        file.seek(50_000_000)
        assert file.read(10) == table[50_000_000:50_000_010]

        def work() -> bytes:
            file.seek(70_000_000)
            own = fs.cat_file(url, 90_000_000, 90_000_010)
            found = file.read(10) + own
            file.close()
            return found

        assert _in_a_fork(work) == table[70_000_000:70_000_010] + table[90_000_000:90_000_010]
        file.seek(60_000_000)
        assert file.read(10) == table[60_000_000:60_000_010]
        assert requests(box)["door"] == 3  # the parent's one, and two of the child
    assert box.transfer_log.broken() == box.transfer_log.failed == []


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_while_another_thread_opens_a_session_does_not_wait(fs: CtaFileSystem, url: str) -> None:
    from ctadata.filesystem import sessions

    with sessions._places.lock:
        assert _in_a_fork(lambda: fs.cat_file(url, 0, 8)) == b"\x89HDF\r\n\x1a\n"
