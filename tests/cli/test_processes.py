"""`--processes`: the files of a run are moved by several processes of this machine."""

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from transfer.trees import files_below

from ctadata.sandbox import faults

COUNT = 200
"""More files than the first process takes in advance (`worker_pool.AHEAD`)."""

HELPED = Path(__file__).with_name("helped.py")
PATIENCE = 300


def start(at_box, *words):
    """Start the command as on an idle machine. It has one file in transfer at a time in each process."""
    at_box.started.append(
        subprocess.Popen(
            [sys.executable, HELPED, *words, "-j", "1", "--processes", "2"], cwd=at_box.cwd, env=at_box.environment({}),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
    )  # fmt: skip
    return at_box.started[-1]


def run_helped(at_box, box, method, *words):
    """Run the command; its first process waits in its first request until another process sends one."""
    first = box.faults.add("pool", method, "*", faults.Delay(), times=1)
    second = box.faults.add("pool", method, "*", faults.Meanwhile(first.release), times=1, skip=1)
    process = start(at_box, *words)
    said = process.communicate(timeout=PATIENCE)[1]
    assert (process.returncode, first.hits, second.hits) == (0, 1, 1), said
    return said


@pytest.fixture
def files(box, place):
    content = {f"{number % 3}/{number}": b"%d" % number for number in range(COUNT)}
    for name, data in content.items():
        box.files.put(f"/{place}/run/{name}", data)
    return content


@pytest.mark.full("processes")
def test_processes_download_and_upload_a_tree_with_one_receipt_and_one_summary(at_box, box, place, files):
    got = run_helped(at_box, box, "GET", "get", "-r", f"{place}/run/", "out", "--receipt", "r.jsonl")
    assert f"cta-data-direct: {COUNT} files done (" in got
    assert files_below(at_box.cwd / "out") == files
    lines = [json.loads(line) for line in (at_box.cwd / "r.jsonl").read_text().splitlines()]
    assert sorted(line["path"] for line in lines) == sorted(f"{place}/run/{name}" for name in files)
    assert {line["local"] for line in lines} == {str(at_box.cwd / "out" / name) for name in files}
    again = at_box("get", "-r", f"{place}/run/", "out", check=0)
    assert f"cta-data-direct: {COUNT} files skipped, equal already\n" in again.err
    put = run_helped(at_box, box, "PUT", "put", "-r", "out/", f"/{place}/back")
    assert f"cta-data-direct: {COUNT} files done (" in put
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
    rules = [box.faults.add("pool", "GET", "*", faults.Delay(), times=1, skip=skip) for skip in (0, 1)]
    process = start(at_box, "get", "-r", f"{place}/run/", "out", "--receipt", "r.jsonl")
    assert rules[1].reached.wait(PATIENCE)
    children = [os.pidfd_open(child) for child in children_of(process.pid)]
    assert len(children) >= 2
    os.kill(process.pid, number)
    assert process.wait(PATIENCE) == (143 if number == signal.SIGTERM else -signal.SIGKILL)
    for child in children:
        assert select.select([child], [], [], PATIENCE)[0], "a process stays"
        os.close(child)
    for rule in rules:
        rule.remove()
    again = at_box.start("get", "-r", f"{place}/run/", "out")
    assert again.communicate(timeout=PATIENCE)[1]
    assert again.returncode == 0
    assert files_below(at_box.cwd / "out") == files
