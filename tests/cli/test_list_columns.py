"""Which lines `list`, `tree` and `du` write, in which order, and with which columns."""

from __future__ import annotations

import re

import pytest


@pytest.fixture
def sized(box, place):
    """Three files whose orders by name, size and time differ."""
    for name, size, mtime in (("a", 20, 1000), ("b", 4000, 3000), ("c", 300, 2000)):
        box.files.put(f"/{place}/{name}", b"x" * size, mtime=mtime)
    box.files.put(f"/{place}/small/x", b"x", mtime=1)
    box.files.put(f"/{place}/zbig/x", b"x" * 9000, mtime=1)
    return place


def names(text):
    return [line.rstrip("/").rpartition("/")[2] for line in text.splitlines()]


@pytest.mark.parametrize(
    ("options", "files"),
    [
        ([], "abc"),
        (["--sort"], "abc"),
        (["--sort", "name"], "abc"),
        (["--sort", "size"], "bca"),
        (["--sort=time"], "bca"),
        (["--sort-by", "time"], "bca"),
    ],
)
def test_sort(at_box, sized, options, files):
    shown = names(at_box("list", *options, sized, check=0).out)
    assert [name for name in shown if len(name) == 1] == [*files]


def test_several_paths(at_box, sized):
    ended = at_box("list", f"{sized}/small", f"{sized}/none", f"{sized}/a", check=6)
    assert ended.out == f"{sized}/small/x\n{sized}/a\n"
    assert "no such file" in ended.err


def test_columns(at_box, sized):
    out = at_box("list", "--columns", "size,path", f"{sized}/b", check=0).out
    assert out == f"        4000  {sized}/b\n"
    assert at_box("find", sized, "--name", "b", "--columns", "path,kind", check=0).out == f"{sized}/b  -\n"


def test_a_terminal_aligns_columns_and_shows_local_times(at_box, sized):
    terminal = at_box.terminal("list", "-l", sized, columns=200, env={"TZ": "UTC-3"})
    assert terminal.end() == 0
    lines = [line for line in terminal.text.splitlines() if line[0] == "-"]
    assert [line.split()[4] for line in lines] == ["03:16:40", "03:50:00", "03:33:20"]
    assert [line[: line.index("1970")] for line in lines] == ["-     20 B  ", "-  3.9 KiB  ", "-    300 B  "]
    assert "T00:50:00Z" in at_box("list", "-l", sized, check=0, env={"TZ": "UTC-3"}).out


def test_tree_and_du_sort_by_size(at_box, sized):
    out = at_box("tree", "--sort", "size", "-L", "1", sized, check=0).out
    assert [line[-1] for line in out.splitlines() if line[-1] != "/"] == ["b", "c", "a"]
    assert names(at_box("du", "--sort", "size", sized, check=0).out)[:2] == ["zbig", "small"]
    assert names(at_box("du", sized, check=0).out)[:2] == ["small", "zbig"]
    assert "nothing can be sorted by 'time'" in at_box("du", "--sort", "time", sized, check=2).err


def test_du_draws_the_share_of_each_line(at_box, sized):
    shown = at_box("du", "--chart", sized, check=0).out.splitlines()
    assert shown[-1].endswith(f"{'█' * 16} 100%  {sized}/")
    assert all(re.search(r"^ *\d+  [█▏▎▍▌▋▊▉ ]{16} +\d+%  ", line) for line in shown)
    assert "leave one of them out" in at_box("du", "--chart", "--json", sized, check=2).err
