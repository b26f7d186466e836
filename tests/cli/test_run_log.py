"""The logs of a run: lines for people, JSON objects for programs, and no secret in either."""

import json
import os
import re
import stat
import types

import pytest

from ctadata.sandbox import faults

KEYS = {"schema", "time", "level", "event", "path", "bytes", "reason"}


def events(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_each_event_is_an_object_with_all_keys(at_box, box, place):
    box.files.put(f"/{place}/a", b"12345")
    box.files.put(f"/{place}/b\x1b", b"1")
    box.faults.add("pool", "GET", f"/{place}/a", faults.Flip(), times=1)  # damaged, and so fetched again
    box.faults.add("door", "GET", f"/{place}/b\x1b", faults.Status(403, "Forbidden"))
    ended = at_box("get", "-r", "--log-json", "n.{shard}.json", "--log-file", "night.log", place)
    log = events(at_box.cwd / "n.0.json")
    assert all(event.keys() == KEYS for event in log)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["time"]) for event in log)
    kinds = [(event["event"], event["level"]) for event in log]
    assert (kinds[0], kinds[-1]) == (("start", "info"), ("end", "error"))
    assert sorted(kinds[1:-1]) == [("done", "info"), ("failed", "error"), ("log", "info")]
    [done] = [event for event in log if event["event"] == "done"]
    assert (done["path"], done["bytes"], done["reason"]) == (f"{place}/a", 5, "size, adler32")
    [failed] = [event for event in log if event["event"] == "failed"]
    assert failed["path"] == f"{place}/b\x1b"
    assert "Forbidden" in failed["reason"]
    assert log[-1]["bytes"] == 5
    text = (at_box.cwd / "night.log").read_text()
    assert "\x1b" not in text
    assert re.search(rf"^\S+ INFO +done {place}/a \(5 B in", text, re.MULTILINE)
    assert re.search(r"^\S+ ERROR +failed ", text, re.MULTILINE)
    assert re.search(r"^\S+ INFO .*: again$", text, re.MULTILINE)
    assert ": again\n" not in ended.err  # what the log has is no reason to print it


def test_a_log_is_private_grows_and_has_no_secret(at_box, box, place):
    box.files.put(f"/{place}/a", b"1")
    token = at_box.env["BEARER_TOKEN"]
    umask = os.umask(0)
    try:
        for _ in range(2):
            at_box("get", "-vv", "--log-json", "n.json", "--log-file", "n.log", f"{place}/a?token={token}")
    finally:
        os.umask(umask)
    for name in ("n.json", "n.log"):
        file = at_box.cwd / name
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert token not in file.read_text()
        assert "***" in file.read_text()
    assert [event["event"] for event in events(at_box.cwd / "n.json")].count("start") == 2


def test_a_run_that_cannot_begin_ends_in_the_log(at_box, place):
    assert at_box("get", "--log-json", "n.json", "--token-file", "none", f"{place}/a").code != 0
    last = events(at_box.cwd / "n.json")[-1]
    assert (last["event"], last["level"]) == ("end", "error")


@pytest.mark.parametrize("kind", ["link", "fifo", "directory", "device", "both", "missing"])
def test_only_a_regular_file_of_the_user_is_a_log(run, tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    target = tmp_path / "n.log"
    if kind == "link":
        (tmp_path / "other").write_text("")
        target.symlink_to("other")
    elif kind == "fifo":
        os.mkfifo(target)
    elif kind == "directory":
        target.mkdir()
    names = {"device": "/dev/null", "missing": "none/n.log"}
    options = ["--log-file", names.get(kind, "n.log"), *(["--log-json", "./n.log"] if kind == "both" else [])]
    for arguments in (["get", "x"], ["put", __file__, "y"], ["sync", ":x", "y"], ["copy", ":x", ":y"]):
        ended = run(*arguments, *options, check=None)
        assert ended.code == (11 if kind == "missing" else 2), ended.err
        assert len(ended.err.splitlines()) == 1
    if kind == "link":
        assert (tmp_path / "other").read_text() == ""


def test_a_full_disk_costs_the_log_and_not_the_run(at_box, box, place, monkeypatch, run):
    from ctadata.cli import run_log

    def full(*_):
        raise OSError(28, "No space left on device")

    box.files.put(f"/{place}/a", b"1")
    for name, value in at_box.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(at_box.cwd)
    monkeypatch.setattr(run_log, "os", types.SimpleNamespace(**{**vars(os), "write": full}))
    ended = run("get", "--log-file", "n.log", f"{place}/a", check=0)
    assert ended.err.count("n.log: the log is not complete: No space left on device") == 1
    assert (at_box.cwd / "a").read_bytes() == b"1"
