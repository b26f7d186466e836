"""The functions for names, as notebooks and scripts use them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest

from ctadata import direct
from ctadata.direct import changes, names, reads
from ctadata.errors import AlreadyExists, IntegrityError, NotFound, PartialFailure, Unsupported, UsageError
from ctadata.sandbox import Sandbox, faults

HOME = "lst/users/ada"
D = f"{HOME}/d"


@pytest.fixture(scope="module")
def site() -> Iterator[Sandbox]:
    with Sandbox() as box:
        yield box


@pytest.fixture
def box(site: Sandbox, use_sandbox: Callable[[Sandbox], None]) -> Sandbox:
    """The sandbox with a fresh `d`: `a.h5`, `run1/b.h5`, `run1/log/c.txt`; profile and token are in the environment."""
    use_sandbox(site)
    if site.files.exists(f"/{D}"):
        direct.rm(D, recursive=True)
    site.files.put(f"/{D}/a.h5", b"12345", mtime=1e9)
    site.files.put(f"/{D}/run1/b.h5", b"x" * 10)
    site.files.put(f"/{D}/run1/log/c.txt", b"")
    return site


def test_stat_returns_everything_about_a_file(box: Sandbox) -> None:
    told = direct.stat(f"{D}/a.h5")
    assert (told, told.kind, told.size) == (f"{D}/a.h5", "file", 5)
    assert told.mtime == datetime.fromtimestamp(1e9, UTC)
    assert (told.checksums, told.locality) == ({"adler32": "02f80100"}, "ONLINE")
    assert (told.etag or "").startswith('"0000')
    assert direct.stat(D) == f"{D}/"
    with pytest.raises(NotFound):
        direct.stat(f"{D}/nope")


def test_exists(box: Sandbox) -> None:
    assert direct.exists(f"{D}/a.h5")
    assert direct.exists(f"{D}/*.h5")
    assert not direct.exists(f"{D}/nope")
    assert not direct.exists(f"{D}/*.png")


def test_a_path_after_the_profile_in_use_is_the_path(box: Sandbox) -> None:
    assert direct.stat(f"sandbox:{D}/a.h5") == f"{D}/a.h5"
    assert direct.exists("sandbox:home:d/a.h5")


def test_a_path_of_another_profile_is_refused(box: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    for work in (
        lambda path: direct.upload_file(tmp_path / "x", path),
        direct.stat,
        direct.list_dir,
        lambda path: direct.mv(f"{D}/a.h5", path),
        lambda path: direct.get_many([path], tmp_path / "out"),
    ):
        with pytest.raises(
            UsageError, match="a path of the profile cscs-dev, and the profile in use is sandbox"
        ) as caught:
            work("cscs-dev:lst/x")
        assert "CTADATA_PROFILE=cscs-dev" in caught.value.hint
    assert box.files.read(f"/{D}/a.h5") == b"12345"
    assert not [path for path in box.files.tree("/lst") if "cscs" in path]
    direct.upload_file(tmp_path / "x", "./cscs-dev:x")
    assert box.files.read(f"/{HOME}/cscs-dev:x") == b"x"


def test_an_empty_path_is_refused(box: Sandbox) -> None:
    for work in (direct.stat, direct.exists, lambda path: direct.mv(f"{D}/a.h5", path), direct.rm):
        with pytest.raises(UsageError, match="a path is empty"):
            work("")
    for work in (
        direct.fetch_and_save_file,
        lambda path: direct.fetch_and_save_file(f"{D}/a.h5", path),
        lambda path: direct.upload_file(path, "x"),
    ):
        with pytest.raises(UsageError, match="a path is empty"):
            work("")


def test_found_paths_can_be_passed_to_the_next_call(box: Sandbox) -> None:
    found = direct.find(D, name="*.h5", size="-6")
    assert (found, found[0].size) == ([f"{D}/a.h5"], 5)
    assert set(direct.find(D, kind="directory")) == {f"{D}/run1/", f"{D}/run1/log/"}
    assert direct.find(D, kind="file", older=datetime(2002, 1, 1, tzinfo=UTC)) == [f"{D}/a.h5"]
    assert direct.find(D, name=["a*", "c*"], newer="1d") == [f"{D}/run1/log/c.txt"]
    assert direct.cat(direct.find(f"{D}/run*", size="10")[0]) == b"x" * 10


def test_tree_and_du(box: Sandbox) -> None:
    assert direct.tree(D, 1).splitlines() == [f"{D}/", "├── a.h5", "└── run1/"]
    assert direct.du(D) == {f"{D}/": 15}
    assert list(direct.du(D, None).items()) == [(f"{D}/run1/", 10), (f"{D}/run1/log/", 0), (f"{D}/", 15)]


def test_mkdir_creates_directories(box: Sandbox) -> None:
    with pytest.raises(NotFound):
        direct.mkdir(f"{D}/x/y")
    direct.mkdir(f"{D}/x/y", parents=True)
    with pytest.raises(AlreadyExists):
        direct.mkdir(f"{D}/x")
    direct.rmdir(f"{D}/x/y")
    with pytest.raises(UsageError):
        direct.rmdir(D)
    assert direct.exists(f"{D}/x")


def test_mv_moves_names(box: Sandbox) -> None:
    assert direct.mv(f"{D}/a.h5", f"{D}/z.h5") == [f"{D}/z.h5"]
    with pytest.raises(AlreadyExists):
        direct.mv(f"{D}/z.h5", f"{D}/run1/b.h5")
    direct.mv(f"{D}/z.h5", f"{D}/run1/b.h5", replace=True)
    assert box.files.read(f"/{D}/run1/b.h5") == b"12345"
    direct.mkdir(f"{D}/all")
    box.files.put(f"/{D}/all/log/kept", b"")
    with pytest.raises(PartialFailure) as caught:
        direct.mv([f"{D}/run1/b.h5", f"{D}/run1/log"], f"{D}/all/")
    assert caught.value.done == [f"{D}/all/b.h5"]
    assert [failure.path for failure in caught.value.failures] == [f"/{D}/all/log"]
    with pytest.raises(UsageError, match="is never deleted or moved"):
        direct.mv("home:", f"{D}/x")


def test_rm_deletes_names(box: Sandbox) -> None:
    with pytest.raises(UsageError, match="directory"):
        direct.rm(f"{D}/run1")
    assert direct.rm([f"{D}/*.h5", f"{D}/run1/log", f"{D}/run1"], recursive=True) == [f"{D}/a.h5", f"{D}/run1/"]
    assert direct.list_dir(D) == []
    for path in ("/", "home:", "lst"):
        with pytest.raises(UsageError, match="is never deleted or moved"):
            direct.rm(path, recursive=True)
    with pytest.raises(UsageError, match="is never deleted or moved"):
        direct.rmdir("home:")


def test_cat_verifies_the_bytes(box: Sandbox) -> None:
    assert direct.cat(f"{D}/a.h5") == b"12345"
    assert direct.cat(f"{D}/a.h5", 1, 3) == b"23"
    assert direct.cat(f"{D}/a.h5", 3) == b"45"
    for negative in ((-1,), (0, -1)):
        with pytest.raises(UsageError, match="must not be negative"):
            direct.cat(f"{D}/a.h5", *negative)
    rule = box.faults.add("pool", "GET", f"/{D}/a.h5", faults.Flip(at=2))
    with pytest.raises(IntegrityError):
        direct.cat(f"{D}/a.h5")
    rule.remove()


def test_the_storages_checksum(box: Sandbox) -> None:
    assert direct.checksum(f"{D}/a.h5") == ("adler32", "02f80100")
    with pytest.raises(Unsupported):
        direct.checksum(f"{D}/a.h5", "md5")


def test_home(box: Sandbox) -> None:
    assert direct.get_home() == f"{HOME}/"


@pytest.mark.parametrize("module", [names, changes, reads])
def test_every_function_is_documented_and_exported(module: ModuleType) -> None:
    functions = {
        name for name, each in inspect.getmembers(module, inspect.isfunction) if each.__module__ == module.__name__
    }
    public = {name for name in functions if not name.startswith("_")}
    assert public <= set(direct.__all__)
    assert all("Examples:" in str(inspect.getdoc(getattr(direct, name))) for name in public)
    assert all("dev_instance" in inspect.signature(getattr(direct, name)).parameters for name in public)
