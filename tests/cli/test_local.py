"""`local`: verified copies for programs that take local paths, and what `cache` shows of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


@pytest.fixture
def files(at_box, box, place):
    box.files.put(f"/{place}/a.h5", b"a" * 1000)
    box.files.put(f"/{place}/b.h5", b"b" * 10)
    return at_box


def test_the_paths_of_the_copies_are_printed(files, place):
    done = files("local", f"{place}/a.h5", f"{place}/b.h5")
    a, b = map(Path, done.out.splitlines())
    assert (done.code, a.name, a.read_bytes(), b.read_bytes()) == (0, "a.h5", b"a" * 1000, b"b" * 10)
    again = files("-q", "local", f"{place}/b.h5")
    assert (again.out, again.err) == (f"{b}\n", "")


def test_what_fails_is_said_and_the_others_are_copied(files, place):
    done = files("local", f"{place}/nope", f"{place}/a.h5")
    assert (done.code, done.out.count("\n")) == (6, 1)
    assert "nope" in done.err
    assert files("local", place).code == 2


def test_a_limit_that_is_no_size_is_refused(files, place):
    files.env["CTADATA_CACHE_SIZE"] = "much"
    done = files("local", f"{place}/a.h5")
    assert (done.code, done.out) == (2, "")
    assert "CTADATA_CACHE_SIZE" in done.err


def test_cache_lists_and_clears_the_copies(files, place):
    (path,) = files("local", f"{place}/a.h5").out.splitlines()
    done = files("cache", "list")
    assert path in done.out
    assert "1 copy, 1000 B" in done.err
    (row,) = (json.loads(line) for line in files("-q", "cache", "list", "--json").out.splitlines())
    assert (row["kind"], row["file"], row["size"]) == ("copy", path, 1000)
    assert "1 copy, 1000 B" in files("cache", "clear").err
    assert not Path(path).exists()
    assert "0 copies, 0 B" in files("cache", "list").err
