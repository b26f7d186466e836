"""A Parquet file is read from its end: the first request brings the footer, and tells the size."""

import random

import pytest
from filesystem.conftest import requests, wait_for_no_movers

from ctadata.errors import Unsupported
from ctadata.filesystem import CtaFileSystem
from ctadata.sandbox import Sandbox, faults

KIB, MIB = 1 << 10, 1 << 20
CONTENT = random.Random(6).randbytes(12 * MIB + 77)
PATH = "/lst/t.parquet"


@pytest.fixture(autouse=True)
def _file(box: Sandbox) -> None:
    box.files.put(PATH, CONTENT)


@pytest.mark.parametrize("path", [PATH, "/lst/T.PARQ", "/lst/t.pq"])
def test_the_footer_comes_with_the_opening(box: Sandbox, fs: CtaFileSystem, path: str) -> None:
    box.files.put(path, CONTENT)
    with fs.open(path) as file:
        assert file.size == len(CONTENT)
        for length in (8, 64 * KIB, 256 * KIB):
            file.seek(-length, 2)
            assert file.read() == CONTENT[-length:]
        assert requests(box) == {"door": 1, "pool": 1}
        file.seek(5 * MIB)
        assert file.read(1000) == CONTENT[5 * MIB : 5 * MIB + 1000]
    assert requests(box) == {"door": 1, "pool": 2}
    wait_for_no_movers(box)
    assert box.transfer_log.broken() == []


def test_other_files_are_read_from_their_beginning(box: Sandbox, fs: CtaFileSystem) -> None:
    box.files.put("/lst/parquet", CONTENT)
    with fs.open("/lst/parquet") as file:
        assert file.read(1000) == CONTENT[:1000]
    assert requests(box) == {"door": 1, "pool": 1}


def test_any_bytes_are_those_of_the_file(fs: CtaFileSystem, rng: random.Random) -> None:
    with fs.open(PATH, block_size=64 * KIB) as file:
        for _ in range(60):
            start, length = rng.randrange(len(CONTENT) + 100), rng.choice([1, 500, 70_000, 400_000, 9 * MIB])
            file.seek(start)
            assert file.read(length) == CONTENT[start : start + length]


def test_a_reader_that_goes_forward_gets_more_with_each_request(box: Sandbox, fs: CtaFileSystem) -> None:
    with fs.open(PATH) as file:
        assert b"".join(iter(lambda: file.read(100 * KIB), b"")) == CONTENT
    assert requests(box)["pool"] <= 8


@pytest.mark.parametrize("size", [0, 1, 1000, 512 * KIB, 512 * KIB + 1, 2 * MIB])
def test_a_small_file_comes_with_two_requests_at_most(box: Sandbox, fs: CtaFileSystem, size: int) -> None:
    box.files.put("/lst/s.parquet", CONTENT[:size])
    with fs.open("/lst/s.parquet") as file:
        for offset in range(0, size, 100_000):
            file.seek(offset)
            assert file.read(10) == CONTENT[offset : min(size, offset + 10)]
        file.seek(0)
        assert file.read() == CONTENT[:size]
    assert requests(box)["pool"] <= (1 if size <= 512 * KIB else 2)


def test_a_server_that_reads_suffixes_wrongly_is_asked_for_the_size(box: Sandbox, fs: CtaFileSystem) -> None:
    box.faults.add("pool", "GET", PATH, faults.WrongRange(), times=1)
    with fs.open(PATH) as file:
        file.seek(-1000, 2)
        assert file.read() == CONTENT[-1000:]


def test_a_server_that_ignores_ranges_is_an_error_and_no_bytes(box: Sandbox, fs: CtaFileSystem) -> None:
    box.faults.add("pool", "GET", PATH, faults.WholeFile())
    with pytest.raises(Unsupported, match="whole files"):
        fs.open(PATH)


def test_a_directory_with_such_a_name_and_a_missing_file_are_errors(fs: CtaFileSystem) -> None:
    fs.mkdir("/lst/d.parquet")
    with pytest.raises(IsADirectoryError):
        fs.open("/lst/d.parquet")
    with pytest.raises(FileNotFoundError):
        fs.open("/lst/none.parquet")
