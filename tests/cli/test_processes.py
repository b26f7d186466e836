"""`--processes`: the files of a run are moved by several processes of this machine."""

import json
import os
import select
import signal
from pathlib import Path

import pytest
from transfer.trees import files_below

from ctadata.sandbox import faults

COUNT = 60


@pytest.fixture
def files(box, place):
    content = {f"{number % 3}/{number}": b"%d" % number for number in range(COUNT)}
    for name, data in content.items():
        box.files.put(f"/{place}/run/{name}", data)
    return content


@pytest.mark.full("processes")
def test_processes_download_and_upload_a_tree_with_one_receipt_and_one_summary(at_box, box, place, files):
    got = at_box("get", "-r", "--processes", "2", f"{place}/run/", "out", "--receipt", "r.jsonl", check=0)
    assert f"cta-data-direct: {COUNT} files done (" in got.err
    assert files_below(at_box.cwd / "out") == files
    lines = [json.loads(line) for line in (at_box.cwd / "r.jsonl").read_text().splitlines()]
    assert sorted(line["path"] for line in lines) == sorted(f"{place}/run/{name}" for name in files)
    assert {line["local"] for line in lines} == {str(at_box.cwd / "out" / name) for name in files}
    again = at_box("get", "-r", f"{place}/run/", "out", check=0)
    assert f"cta-data-direct: {COUNT} files skipped, equal already\n" in again.err
    put = at_box("put", "-r", "--processes", "2", "out/", f"/{place}/back", check=0)
    assert f"cta-data-direct: {COUNT} files done (" in put.err
    assert {name: box.files.read(f"/{place}/back/{name}") for name in files} == files


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["get", "a", "-", "--processes", "2"], "- as the target allows"),
        (["put", "-", "a", "--processes", "2"], "--processes allows no pipe"),
        (["put", "a", "b", "--processes", "2", "--content-type", "text/plain"], "--processes allows no pipe"),
        (["get", "a", "--processes", "0"], "--processes"),
    ],
)
def test_what_processes_cannot_do_is_refused(run, words, why):
    assert why in run(*words, check=2).err


def children_of(pid):
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


@pytest.mark.full("processes")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_process_stays_when_the_command_is_stopped_or_killed(at_box, box, place, files, number):
    rule = box.faults.add("pool", "GET", "*", faults.Delay(), times=2)
    process = at_box.start("get", "-r", "--processes", "2", f"{place}/run/", "out", "--receipt", "r.jsonl")
    assert rule.reached.wait(60)
    children = [os.pidfd_open(child) for child in children_of(process.pid)]
    assert len(children) >= 2
    os.kill(process.pid, number)
    assert process.wait(60) == (143 if number == signal.SIGTERM else -signal.SIGKILL)
    for child in children:
        assert select.select([child], [], [], 60)[0], "a process stays"
        os.close(child)
    rule.remove()
    at_box("get", "-r", f"{place}/run/", "out", check=0)
    assert files_below(at_box.cwd / "out") == files
