"""What the last lines of a run say: where the files went, and why some did not."""

from __future__ import annotations

import json

import pytest

from ctadata.sandbox import faults
from ctadata.transfer.report import CommonTop


@pytest.mark.parametrize(
    ("paths", "top"),
    [
        (["a/b/c"], "a/b/c"),
        (["a/b/c", "a/b/d"], "a/b"),
        (["a/b/c/d", "a/b/x", "e/b"], ""),
    ],
)
def test_the_common_top(paths, top):
    common = CommonTop()
    for path in paths:
        common.add(tuple(path.split("/")))
    assert common.parts == tuple(filter(None, top.split("/")))


def test_the_last_line_names_the_destination(at_box, place):
    for name in ("run/a", "run/sub/b"):
        (at_box.cwd / name).parent.mkdir(exist_ok=True, parents=True)
        (at_box.cwd / name).write_text(name)
    home = f"/{place}".rpartition("/")[0]
    assert at_box("put", "run/a", "plots/", check=0).err.endswith(f") to {home}/plots/a\n")
    assert at_box("put", "-r", "run", "plots", check=0).err.endswith(f") to {home}/plots/run\n")
    assert at_box("get", "home:plots/a", "here", check=0).err.endswith(f") to {at_box.cwd}/here\n")
    assert at_box("get", "-r", "home:plots", "out", check=0).err.endswith(f") to {at_box.cwd}/out/plots\n")
    assert " to " not in at_box("get", "home:plots/a", "-", check=0).err


def test_dry_runs_say_so_in_json(at_box, box, place):
    box.files.put(f"/{place}/a", b"content")
    [line] = at_box("get", "-n", "--json", f"{place}/a", check=0).out.splitlines()
    assert json.loads(line)["dry_run"] is True
    [line] = at_box("get", "--json", f"{place}/a", check=0).out.splitlines()
    assert "dry_run" not in json.loads(line)


def test_failures_of_one_reason_are_one_line_and_red_on_a_terminal(at_box, box, place):
    for name in "abcde":
        box.files.put(f"/{place}/{name}", b"content")
    box.faults.add("door", "GET", f"/{place}/*", faults.Status(403, "Forbidden"))
    ended = at_box("get", "-r", place, "out", check=4)
    [failed] = [line for line in ended.err.splitlines() if line.startswith("failed ")]
    assert failed.startswith("failed 5 files: ")
    assert failed.endswith(" and 2 more")
    assert "with --receipt FILE" in ended.err
    assert "\x1b" not in ended.err
    assert "with --receipt" not in at_box("get", "-r", "--receipt", "r", place, "out", check=4).err
    terminal = at_box.terminal("get", "-r", place, "out", columns=2000)
    assert terminal.end() == 4
    assert "\x1b[31mfailed 5 files: " in terminal.raw
