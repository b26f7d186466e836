"""The command `runs`: what another terminal sees of the transfers that go on, and of the last ones."""

import dataclasses
import json
import os
import signal
import stat
import time

import pytest

from ctadata.cli import run_records
from ctadata.cli.run_records import KEPT, LOST, RUNNING, SILENT


@pytest.fixture
def runs(at_box, tmp_path):
    """Return what `runs --json` lists, with a state directory of its own."""
    at_box.env["XDG_STATE_HOME"] = str(tmp_path / "state")

    def lines():
        return [json.loads(line) for line in at_box("runs", "list", "--json", check=0).out.splitlines()]

    return lines


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return run_records.records_folder()


def recorded(folder, **changes):
    """Write the record of a run of this process, with these changes, as the run itself does."""
    record = run_records.begin_record("get", "cta-data-direct get x", "p")
    with run_records.record_run(record, run_records_snapshot):
        pass
    record = dataclasses.replace(record, **changes)
    (folder / f"{record.id}.json").write_text(json.dumps(dataclasses.asdict(record)))
    return record


def run_records_snapshot():
    from ctadata.progress.tally import Tally

    return Tally().snapshot()


def test_a_run_is_listed_while_it_goes_on_and_after_its_end(at_box, place, stalled, runs):
    process = at_box.start("get", f"{place}/big", "there", "--receipt", "r.jsonl", "--log-json", "n.json")
    assert stalled.reached.wait(60)
    [running] = runs()
    assert running["state"] == "running"
    assert running["command"].endswith(f"get {place}/big there --receipt r.jsonl --log-json n.json")
    assert (running["pid"], running["action"], running["ended"]) == (process.pid, "get", None)
    shown = at_box("runs", "show", running["id"][:5], check=0).out
    assert f"to stop it  kill {process.pid}\n" in shown
    assert f"directory   {at_box.cwd}\n" in shown
    stalled.release()
    assert process.wait(60) == 0
    [done] = runs()
    assert (done["id"], done["state"], done["exit_code"], done["percent"]) == (running["id"], "done", 0, 100)
    assert (done["files"], done["files_done"], done["size"], done["moved"]) == (1, 1, 2 << 20, 2 << 20)
    assert done["receipt"] == str(at_box.cwd / "r.jsonl")
    assert done["log"] == str(at_box.cwd / "n.json")
    assert done["destination"] == str(at_box.cwd / "there")
    line = at_box("runs", check=0).out
    assert line.startswith(done["id"])
    assert f"receipt {at_box.cwd}/r.jsonl" in line
    shown = at_box("runs", "show", done["id"], check=0).out
    assert "kill" not in shown
    assert f"destination {at_box.cwd}/there\n" in shown


def test_a_killed_run_has_ended_without_a_word(at_box, place, stalled, runs):
    process = at_box.start("get", f"{place}/big")
    assert stalled.reached.wait(60)
    os.kill(process.pid, signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # nobody has asked for its end: it is a zombie
    [record] = runs()
    assert (record["state"], record["exit_code"]) == ("ended without a word", None)
    assert "the same command continues" in at_box("runs", "show", record["id"], check=0).out


def test_a_stopped_run_a_failed_run_and_a_dry_run(at_box, box, place, stalled, runs):
    process = at_box.start("get", f"{place}/big")
    assert stalled.reached.wait(60)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 143
    stalled.release()
    assert at_box("get", f"{place}/none").code == 3
    at_box("get", "-n", f"{place}/big", check=0)
    failed, stopped = runs()
    assert (stopped["state"], stopped["exit_code"]) == ("stopped", None)
    assert (failed["state"], failed["exit_code"]) == ("failed", 3)
    assert "none" in failed["message"]


def test_only_the_owner_can_read_a_record(at_box, box, place, runs, tmp_path):
    box.files.put(f"/{place}/a", b"1")
    umask = os.umask(0)
    try:
        at_box("get", f"{place}/a?token={at_box.env['BEARER_TOKEN']}")
    finally:
        os.umask(umask)
    [file] = (tmp_path / "state" / "ctadata" / "runs").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert at_box.env["BEARER_TOKEN"] not in file.read_text()


def test_a_run_needs_no_record(at_box, box, place, tmp_path):
    box.files.put(f"/{place}/a", b"1")
    (tmp_path / "state").write_text("no directory")
    ended = at_box("get", f"{place}/a", env={"XDG_STATE_HOME": str(tmp_path / "state")}, check=0)
    assert len(ended.err.splitlines()) == 1


def test_a_run_of_another_machine_counts_until_it_is_silent(folder):
    elsewhere = recorded(folder, process=".ctadata-00000000-00000000-1-1-0", updated=time.time())
    own = recorded(folder, began=time.time() + 1)
    earlier = recorded(folder, process=own.process.replace(own.process.split("-")[2], "00000000"), began=0.0)
    now = elsewhere.updated

    def states(now):
        return {record.id: record.state for record in run_records.read_records(now)}

    assert states(now + SILENT - 1) == {elsewhere.id: RUNNING, own.id: RUNNING, earlier.id: LOST}
    assert states(now + SILENT + 1) == {elsewhere.id: LOST, own.id: RUNNING, earlier.id: LOST}


def test_the_number_of_records_is_bounded_and_broken_ones_are_left_out(folder):
    first = recorded(folder)
    os.utime(folder / f"{first.id}.json", (0, 0))
    for number in range(KEPT + 20):
        (folder / f"{number}.json").write_text("{" if number % 2 else '{"id": 1}')
    last = recorded(folder)
    assert len(list(folder.iterdir())) == KEPT
    assert [record.id for record in run_records.read_records()] == [last.id]


@pytest.mark.parametrize(("arguments", "code"), [(["show", "zz"], 3), (["show", ""], 3), (["show"], 2), (["x"], 2)])
def test_a_run_that_is_not_there_is_one_line(run, folder, arguments, code):
    assert len(run("runs", *arguments, check=code).err.splitlines()) == 1


def test_no_record_is_no_error(run, folder):
    assert run("runs").err == "cta-data-direct: there is no record of a run\n"
    assert run("runs", "--json").out == ""
    assert "stands after runs list" in run("runs", "--json", "list", check=2).err
    assert run("runs", "list", "--json").out == ""
    assert "show" in run("runs", "--help").out
