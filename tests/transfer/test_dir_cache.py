"""Folders that stay open, and what happens to them meanwhile."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ctadata.errors import LocalError
from ctadata.transfer.dir_cache import DirCache


def put(folders: DirCache, base: Path, parts: tuple[str, ...], name: str) -> None:
    with folders.borrow(base, parts) as folder:
        part = folder.create_part()
        part.write(name.encode(), 0)
        part.publish(name, mtime=None, replace=None)


def files(base: Path) -> list[str]:
    return sorted(str(path.relative_to(base)) for path in base.rglob("*") if path.is_file())


def opened(base: Path) -> list[str]:
    """What this process has open below `base`; what else it opens and closes meanwhile is not the folders' doing."""
    found = []
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # a descriptor of another thread, closed meanwhile
            found.append(os.readlink(f"/proc/self/fd/{fd}"))
    return [path for path in found if Path(path).is_relative_to(base)]


@pytest.fixture
def descriptors(tmp_path: Path) -> Iterator[None]:
    """None is left open at the end."""
    yield
    assert opened(tmp_path) == []


@pytest.mark.usefixtures("descriptors")
class TestWhatIsKept:
    def test_an_open_directory_is_used_again(self, tmp_path: Path) -> None:
        with DirCache() as folders:
            with folders.borrow(tmp_path, ("a",)) as first, folders.borrow(tmp_path, ("a",)) as second:
                assert first is second
            with folders.borrow(tmp_path, ("a",)) as third:
                assert third is first

    def test_no_more_directories_are_open_than_the_limit(self, tmp_path: Path) -> None:
        with DirCache(3) as folders:
            for i in range(20):
                put(folders, tmp_path, (f"d{i}",), "f")
                assert len(opened(tmp_path)) <= 3
            assert files(tmp_path) == sorted(f"d{i}/f" for i in range(20))

    def test_a_directory_in_use_stays_open_when_it_is_dropped_from_the_cache(self, tmp_path: Path) -> None:
        with DirCache(1) as folders:
            borrowed = folders.borrow(tmp_path, ("a",))
            folder = borrowed.__enter__()
            for i in range(3):
                put(folders, tmp_path, (f"d{i}",), "f")
        assert folder.stat("nothing") is None
        borrowed.__exit__(None, None, None)

    def test_a_closed_cache_has_no_open_directories(self, tmp_path: Path) -> None:
        with DirCache() as folders:
            pass
        put(folders, tmp_path, ("a",), "f")
        assert opened(tmp_path) == []

    def test_many_threads_use_the_cache(self, tmp_path: Path) -> None:
        with DirCache(2) as folders:

            def work(thread: int) -> None:
                for i in range(30):
                    put(folders, tmp_path, (f"d{i % 5}",), f"{thread}-{i}")

            crew = [threading.Thread(daemon=True, target=work, args=(i,)) for i in range(6)]
            for thread in crew:
                thread.start()
            for thread in crew:
                thread.join(60)
        assert len(files(tmp_path)) == 180


@pytest.mark.usefixtures("descriptors")
class TestMeanwhile:
    @pytest.fixture
    def folders(self, tmp_path: Path) -> Iterator[DirCache]:
        with DirCache() as folders:
            put(folders, tmp_path / "out", ("a", "b"), "first")
            yield folders

    def test_a_removed_directory_is_made_again(self, folders: DirCache, tmp_path: Path) -> None:
        (tmp_path / "out/a/b/first").unlink()
        (tmp_path / "out/a/b").rmdir()
        put(folders, tmp_path / "out", ("a", "b"), "second")
        assert files(tmp_path) == ["out/a/b/second"]

    @pytest.mark.parametrize("parts", [("a", "b"), ("c",)])
    @pytest.mark.parametrize("how", ["moved", "replaced", "link"])
    def test_the_named_directory_must_stay(
        self, folders: DirCache, tmp_path: Path, how: str, parts: tuple[str, ...]
    ) -> None:
        (tmp_path / "out").rename(tmp_path / "elsewhere")
        if how == "replaced":
            (tmp_path / "out").mkdir()
        elif how == "link":
            (tmp_path / "trap").mkdir()
            (tmp_path / "out").symlink_to("trap")
        with pytest.raises(LocalError, match="out: local: it was moved, removed or replaced while files went into it"):
            put(folders, tmp_path / "out", parts, "second")
        assert files(tmp_path) == ["elsewhere/a/b/first"]

    @pytest.mark.parametrize("moved", ["out/a", "out/a/b"])
    def test_nothing_is_written_into_a_renamed_directory(self, folders: DirCache, tmp_path: Path, moved: str) -> None:
        (tmp_path / moved).rename(tmp_path / "elsewhere")
        put(folders, tmp_path / "out", ("a", "b"), "second")
        assert [file for file in files(tmp_path) if file.endswith("second")] == ["out/a/b/second"]

    def test_a_directory_that_replaces_it_is_used(self, folders: DirCache, tmp_path: Path) -> None:
        (tmp_path / "out/a/b").rename(tmp_path / "elsewhere")
        (tmp_path / "out/a/b").mkdir()
        put(folders, tmp_path / "out", ("a", "b"), "second")
        assert files(tmp_path) == ["elsewhere/first", "out/a/b/second"]

    @pytest.mark.parametrize("planted", ["out/a", "out/a/b"])
    def test_a_link_that_replaces_it_is_not_followed(self, folders: DirCache, tmp_path: Path, planted: str) -> None:
        (tmp_path / planted).rename(tmp_path / "elsewhere")
        (tmp_path / "trap/b").mkdir(parents=True)
        (tmp_path / planted).symlink_to(tmp_path / "trap")
        with pytest.raises(LocalError, match="link"):
            put(folders, tmp_path / "out", ("a", "b"), "second")
        assert not [file for file in files(tmp_path) if file.endswith("second")]

    @pytest.mark.parametrize("in_the_way", ["out/a", "out/a/b"])
    def test_a_file_that_replaces_it_is_an_error(self, folders: DirCache, tmp_path: Path, in_the_way: str) -> None:
        (tmp_path / in_the_way).rename(tmp_path / "elsewhere")
        (tmp_path / in_the_way).write_text("a file")
        with pytest.raises(LocalError, match="not a directory"):
            put(folders, tmp_path / "out", ("a", "b"), "second")
        assert (tmp_path / in_the_way).read_text() == "a file"
