"""A file that is written appears whole and verified, or not at all."""

from __future__ import annotations

import contextlib
import gc
import gzip
import io
import logging
import math
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import h5py
import numpy as np
import pytest
from fsspec.callbacks import Callback
from servers.agent_token import give_token

from ctadata.errors import AlreadyExists, IntegrityError, Unsupported, UsageError
from ctadata.filesystem import CtaFileSystem
from ctadata.sandbox import Sandbox, faults

PATH = "/lst/w/f"


class Wrong(Exception):
    """What the block raises."""


def names(box: Sandbox) -> list[str]:
    """What lies in the directory, temporaries included."""
    return box.files.tree("/lst/w") if box.files.exists("/lst/w") else []


@pytest.fixture(autouse=True)
def _empty(box: Sandbox) -> None:
    if box.files.exists("/lst/w"):
        box.files.remove("/lst/w")


def test_a_file_appears_when_it_is_closed(box: Sandbox, fs: CtaFileSystem) -> None:
    with fs.open(PATH, "wb") as file:
        assert file.write(b"abc") == 3
        file.flush()
        assert names(box) == []
        file.seek(1)
        assert file.read() == b"bc"
        file.truncate(2)
    assert box.files.read(PATH) == b"ab"
    assert names(box) == [PATH]
    assert fs.info(PATH)["adler32"] == "012600c4"


def test_a_write_replaces_a_file_of_the_same_size_and_second(box: Sandbox, fs: CtaFileSystem) -> None:
    with fs.open(PATH, "wb") as file:
        file.write(b"step 002")
        file.flush()
        box.files.put(PATH, b"step 001", mtime=math.floor(os.fstat(file._spool.fileno()).st_mtime))
    assert box.files.read(PATH) == b"step 002"
    for content in (b"step 003", b"step 004", b"step 004"):
        fs.pipe_file(PATH, content)
        assert box.files.read(PATH) == content
    fs.pipe_file("/lst/w/g", b"step 005")
    fs.cp_file("/lst/w/g", PATH)
    assert box.files.read(PATH) == b"step 005"


def test_it_is_compared_with_what_the_storage_has(box: Sandbox, fs: CtaFileSystem) -> None:
    box.faults.add("pool", "PUT", "/lst/w/*", faults.Flip())
    file = fs.open(PATH, "wb")
    file.write(b"abc")
    with pytest.raises(IntegrityError):
        file.close()
    assert names(box) == []
    box.faults.clear()
    file.close()  # once the trouble is over
    assert box.files.read(PATH) == b"abc"


def _bytes(fs: CtaFileSystem) -> Any:
    return fs.open(PATH, "wb")


def _text(fs: CtaFileSystem) -> Any:
    return fs.open(PATH, "w")


def _compressed(fs: CtaFileSystem) -> Any:
    return fs.open(PATH, "wb", compression="gzip")


def _compressed_text(fs: CtaFileSystem) -> Any:
    return fs.open(PATH, "wt", compression="gzip")


def _by_url(fs: CtaFileSystem) -> Any:
    return fsspec.open(f"cta://{PATH}", "wb")


def _text_by_url(fs: CtaFileSystem) -> Any:
    return fsspec.open(f"cta://{PATH}", "w")


def _compressed_by_url(fs: CtaFileSystem) -> Any:
    return fsspec.open(f"cta://{PATH}", "w", compression="gzip")


WAYS = [_bytes, _text, _compressed, _compressed_text, _by_url, _text_by_url, _compressed_by_url]


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_published_if_the_block_raised(
    box: Sandbox, fs: CtaFileSystem, way: Callable[[CtaFileSystem], Any]
) -> None:
    box.files.put(PATH, b"good")
    with pytest.raises(Wrong), way(fs) as file:
        file.write("half" if "text" in way.__name__ or way is _compressed_by_url else b"half")
        raise Wrong
    assert box.files.read(PATH) == b"good"
    assert names(box) == [PATH]


@pytest.mark.parametrize("way", WAYS)
def test_a_block_that_ends_well_publishes(box: Sandbox, fs: CtaFileSystem, way: Callable[[CtaFileSystem], Any]) -> None:
    try:
        raise Wrong
    except Wrong:  # somebody handles an error meanwhile, which is none of the block
        with way(fs) as file:
            file.write("whole" if "text" in way.__name__ or way is _compressed_by_url else b"whole")
    content = box.files.read(PATH)
    assert (gzip.decompress(content) if "compressed" in way.__name__ else content) == b"whole"


def test_a_file_that_is_opened_while_a_block_is_left_by_an_error_is_published(box: Sandbox, fs: CtaFileSystem) -> None:
    class Notes:
        def __enter__(self) -> None:
            pass

        def __exit__(self, *error: object) -> None:
            file = fs.open(PATH, "wb")
            file.write(b"what went wrong")
            file.close()

    with pytest.raises(Wrong), Notes():
        raise Wrong
    assert box.files.read(PATH) == b"what went wrong"


def test_a_file_whose_upload_failed_does_not_count_as_never_closed(
    box: Sandbox, fs: CtaFileSystem, caplog: pytest.LogCaptureFixture
) -> None:
    box.files.put(f"{PATH}/below", b"")
    with caplog.at_level(logging.WARNING):
        with pytest.raises(AlreadyExists):
            fs.pipe(PATH, b"1")
        gc.collect()
    assert caplog.text == ""


@pytest.mark.parametrize("way", [_bytes, _text, _compressed])
def test_a_file_that_was_never_closed_is_thrown_away_and_said_so(
    box: Sandbox, fs: CtaFileSystem, way: Callable[[CtaFileSystem], Any], caplog: pytest.LogCaptureFixture
) -> None:
    file = way(fs)
    file.write("half" if way is _text else b"half")
    with caplog.at_level(logging.WARNING):
        del file
        gc.collect()
    assert names(box) == []
    assert caplog.text.count("never closed") == 1


def test_a_wrapper_of_c_publishes_nothing_if_its_block_raised(box: Sandbox, fs: CtaFileSystem) -> None:
    box.files.put(PATH, b"good")
    for options in ({}, {"compression": "gzip"}):
        with pytest.raises(Wrong), fs.open(PATH, "wb", **options) as file, io.BufferedWriter(file) as wrapper:
            wrapper.write(b"half")
            raise Wrong
        with pytest.raises(Wrong), io.TextIOWrapper(fs.open(PATH, "wb", **options)) as text:
            text.write("half")
            raise Wrong
    assert box.files.read(PATH) == b"good"
    with io.TextIOWrapper(fs.open(PATH, "wb")) as text:
        text.write("whole")
    assert box.files.read(PATH) == b"whole"
    file = fs.open(PATH, "wb")
    try:
        raise Wrong
    except Wrong:  # it is handled, so what is written then counts
        file.write(b"what went wrong")
        file.close()
    assert box.files.read(PATH) == b"what went wrong"


@pytest.mark.parametrize("end", [lambda file: None, lambda file: file.close(), lambda file: file.write(b"child")])
@pytest.mark.parametrize("way", [_bytes, _text, _compressed])
def test_only_the_process_that_opened_a_file_publishes_it(
    box: Sandbox, fs: CtaFileSystem, way: Callable[[CtaFileSystem], Any], end: Callable[[Any], Any]
) -> None:
    file = way(fs)
    file.write("once" if way is _text else b"once")
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            end(file)
            del file
            gc.collect()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert names(box) == []
    file.close()
    content = box.files.read(PATH)
    assert (gzip.decompress(content) if way is _compressed else content) == b"once"


@pytest.mark.parametrize("mode", ["", "w+", "w+b", "ab", "r+", "bogus", None])
def test_a_mode_that_is_not_possible_is_refused_in_words(fs: CtaFileSystem, mode: Any) -> None:
    with pytest.raises(Unsupported, match="is not possible: a file is read, or written anew"):
        fs.open(PATH, mode)


def test_an_encoding_that_does_not_exist_leaves_no_file_open(
    fs: CtaFileSystem, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for options, error in (({"encoding": "bogus"}, LookupError), ({"compression": "bogus"}, ValueError)):
            with pytest.raises(error):
                fs.open(PATH, "w", **options)
            gc.collect()
    assert caplog.text == ""


def test_two_sources_of_one_target_are_refused(box: Sandbox, fs: CtaFileSystem, tmp_path: Path) -> None:
    box.files.put("/lst/w/a/f", b"one")
    box.files.put("/lst/w/b/f", b"two")
    with pytest.raises(UsageError, match="two sources have this target"):
        fs.get(["/lst/w/a/f", "/lst/w/b/f"], f"{tmp_path}/into/")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "f").write_bytes(name.encode())
    with pytest.raises(UsageError, match="two sources have this target"):
        fs.put([f"{tmp_path}/a/f", f"{tmp_path}/b/f"], "/lst/w/into/")
    assert not box.files.exists("/lst/w/into/f")


def test_exclusive_writing_is_refused_by_the_server_too(box: Sandbox, fs: CtaFileSystem) -> None:
    with pytest.raises(FileExistsError), fs.open(PATH, "xb") as file:
        file.write(b"mine")
        box.files.put(PATH, b"theirs")
    assert box.files.read(PATH) == b"theirs"
    assert names(box) == [PATH]
    with pytest.raises(FileExistsError):
        fs.open(PATH, "x")


def test_a_directory_is_not_replaced(box: Sandbox, fs: CtaFileSystem) -> None:
    fs.mkdir(PATH)
    with pytest.raises(FileExistsError):
        fs.pipe_file(PATH, b"")


def test_a_transaction_publishes_all_or_nothing(box: Sandbox, fs: CtaFileSystem) -> None:
    with fs.transaction:
        for name in "ab":
            with fs.open(f"/lst/w/{name}", "wb") as file:
                file.write(name.encode())
        fs.pipe_file("/lst/w/c", b"c")
        assert names(box) == []
    assert names(box) == ["/lst/w/a", "/lst/w/b", "/lst/w/c"]
    with pytest.raises(Wrong), fs.transaction:
        with fs.open("/lst/w/d", "wb") as file:
            file.write(b"d")
        raise Wrong
    assert "/lst/w/d" not in names(box)
    fs.pipe_file("/lst/w/e", b"e")
    assert "/lst/w/e" in names(box)


def test_a_refused_token_leaves_what_was_there(box: Sandbox, fs: CtaFileSystem) -> None:
    box.files.put(PATH, b"good")
    give_token("sandbox", box.token(lifetime=-60))
    with pytest.raises(PermissionError):
        fs.pipe_file(PATH, b"new")
    assert box.files.read(PATH) == b"good"


# --- libraries ---


def test_h5py_numpy_and_zip_write(box: Sandbox, fs: CtaFileSystem) -> None:
    with fs.open("/lst/w/a.h5", "wb") as file, h5py.File(file, "w") as made:
        made["x"] = np.arange(1000)
    with h5py.File(io.BytesIO(box.files.read("/lst/w/a.h5"))) as found:
        assert found["x"][:].sum() == 499500
    with fs.open("/lst/w/a.npy", "wb") as file:
        np.save(file, np.arange(10))
    with fs.open("/lst/w/a.npy") as file:
        assert np.load(file).sum() == 45
    with fs.open("/lst/w/a.zip", "wb") as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a", "abc")
    with fs.open("/lst/w/a.zip") as file, zipfile.ZipFile(file) as archive:
        assert archive.read("a") == b"abc"


# --- get and put ---


class Counting(Callback):
    """Keeps what it is given, and that of its branches."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.branches: dict[str, Counting] = {}

    def branched(self, path_1: str, path_2: str, **kwargs: Any) -> Callback:
        return self.branches.setdefault(path_1, Counting())


def test_trees_go_up_and_down_with_callbacks(box: Sandbox, fs: CtaFileSystem, tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / "up" / str(number % 3)).mkdir(parents=True, exist_ok=True)
        (tmp_path / "up" / str(number % 3) / f"{number}.txt").write_bytes(b"x" * number)
    up, down = Counting(), Counting()
    fs.put(f"{tmp_path}/up/", "/lst/w/", recursive=True, callback=up)
    assert len(fs.find("/lst/w")) == 12
    fs.get("/lst/w/", f"{tmp_path}/down/", recursive=True, callback=down)
    assert {path.name: path.stat().st_size for path in (tmp_path / "down").rglob("*.txt")} == {
        f"{number}.txt": number for number in range(12)
    }
    for callback in (up, down):
        assert callback.value == 12
        assert {(each.size, each.value) for each in callback.branches.values()} == {(n, n) for n in range(12)}
    assert not list(tmp_path.rglob(".ctadata-*"))


def test_one_file_goes_up_and_down(box: Sandbox, fs: CtaFileSystem, tmp_path: Path) -> None:
    callback = Callback()
    (tmp_path / "a").write_bytes(b"abc")
    fs.put_file(tmp_path / "a", PATH, callback=callback)
    assert (callback.size, callback.value) == (3, 3)
    with pytest.raises(FileExistsError):
        fs.put_file(tmp_path / "a", PATH, mode="create")
    fs.get_file(PATH, tmp_path / "deep" / "er" / "b", callback=(callback := Callback()))
    assert (callback.size, callback.value) == (3, 3)
    assert (tmp_path / "deep" / "er" / "b").read_bytes() == b"abc"
    fs.get_file(PATH, outfile=(memory := io.BytesIO()))
    assert memory.getvalue() == b"abc"


def test_a_broken_download_replaces_nothing(box: Sandbox, fs: CtaFileSystem, tmp_path: Path) -> None:
    box.files.put(PATH, b"abc" * 1000)
    (tmp_path / "a").write_bytes(b"good")
    box.faults.add("pool", "GET", PATH, faults.Flip())
    with pytest.raises(IntegrityError):
        fs.get_file(PATH, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"good"


@pytest.mark.filterwarnings("ignore:unclosed file")  # fsspec up to 2026.1 leaves its copies open
def test_simplecache_and_filecache_work(box: Sandbox, fs: CtaFileSystem, tmp_path: Path) -> None:
    box.files.put("/lst/w/a.txt", b"first")
    url = "cta:///lst/w/a.txt"
    assert (
        Path(fsspec.open_local(f"simplecache::{url}", simplecache={"cache_storage": f"{tmp_path}/s"})).read_bytes()
        == b"first"
    )
    options = {"cache_storage": f"{tmp_path}/f", "check_files": True}
    for content in (b"first", b"other"):
        box.files.put("/lst/w/a.txt", content)
        with fsspec.open(f"filecache::{url}", filecache=options) as file:
            assert file.read() == content
