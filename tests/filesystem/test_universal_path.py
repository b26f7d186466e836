"""Paths of universal_pathlib, used as those of `pathlib`."""

from __future__ import annotations

import pickle

import pytest
from filesystem.conftest import requests
from upath import UPath

from ctadata.filesystem import CtaFileSystem
from ctadata.filesystem.universal_path import CtaPath
from ctadata.sandbox import Sandbox

HOME = "/lst/users/ada"


@pytest.fixture(autouse=True)
def _files(box: Sandbox, fs: CtaFileSystem) -> None:
    for path in (f"{HOME}/run1/a.h5", f"{HOME}/run1/b.txt"):
        box.files.put(path, b"abc")
    box.forget_seen()


def test_a_path_is_used_as_one_of_pathlib(box: Sandbox) -> None:
    run = UPath(f"cta://{HOME}/run1")
    assert isinstance(run, CtaPath)
    found = run / "a.h5"
    assert (found.name, found.suffix, found.parent, found.with_suffix(".z").name) == ("a.h5", ".h5", run, "a.z")
    assert requests(box).total() == 0
    assert sorted(run.iterdir()) == [found, run / "b.txt"]
    assert (found.is_file(), run.is_dir(), (run / "c").exists()) == (True, True, False)
    assert found.stat().st_size == 3
    assert found.read_bytes() == b"abc"
    assert list(run.glob("*.h5")) == list(run.parent.rglob("*.h5")) == [found]
    made = run.parent / "new" / "t.txt"
    made.parent.mkdir()
    made.write_text("text", encoding="utf-8")
    assert made.rename(run.parent / "u.txt").read_text(encoding="utf-8") == "text"


@pytest.mark.parametrize("url", ["cta:///~/run1/a.h5", "cta://sandbox/~/run1/a.h5", f"cta://sandbox{HOME}/run1/a.h5"])
def test_a_path_keeps_its_profile_and_its_home(url: str) -> None:
    path = UPath(url)
    assert str(path) == path.as_uri() == url
    assert UPath(str(path)) == pickle.loads(pickle.dumps(path)) == path
    assert str(path.parent / "b.txt") == url.replace("a.h5", "b.txt")
    assert (path.name, path.suffix) == ("a.h5", ".h5")
    assert sorted(each.name for each in path.parent.iterdir()) == ["a.h5", "b.txt"]
    assert [each.path for each in path.parent.glob("*.txt")] == [f"{HOME}/run1/b.txt"]
    assert str(path.relative_to(path.parent)) == "a.h5"
    assert repr(path) == f"CtaPath({url!r})"


def test_the_home_is_a_path_too() -> None:
    assert str(CtaPath.home()) == "cta:///~"
    assert (CtaPath.home() / "run1").expanduser() == UPath(f"cta://{HOME}/run1")
    assert UPath("cta:///lst").expanduser() == UPath("cta:///lst")
