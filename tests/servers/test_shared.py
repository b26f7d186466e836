"""A real server starts once for everybody, and ends with the last of them, however that one ends."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from servers import shared as module
from servers.shared import NotStarted, shared

SERVER = """
import json, os, signal, sys
print("hello from the server", flush=True)
os.write(int(sys.argv[1]), json.dumps({"pid": str(os.getpid())}).encode() + b"\\n")
signal.pause()
"""
USER = """
import sys
from pathlib import Path
from servers.shared import shared
def start(start): return {**start.launch(sys.executable, "-c", sys.argv[2], "{ready}"), "folder": str(start.folder)}
with shared(Path(sys.argv[1]), "server", start) as state:
    print(state["pid"], state["folder"], flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def user(tmp_path):
    """Start processes that use the server: `user()` is one, with the server's pid and folder."""
    started = []
    path = os.pathsep.join([str(Path(module.__file__).parents[1]), os.environ["PYTHONPATH"]])

    def begin():
        process = subprocess.Popen(
            [sys.executable, "-c", USER, str(tmp_path), SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": path},
        )
        started.append(process)
        pid, folder = process.stdout.readline().split()
        return process, int(pid), Path(folder)

    yield begin
    for process in started:
        process.communicate(timeout=60)


def gone(pid):
    """Whether process `pid` ends within 10 s."""
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([watched], [], [], 10)[0])
    finally:
        os.close(watched)


def test_one_for_all_until_the_last_has_left(user):
    (first, pid, _), (second, same, _) = user(), user()
    assert pid == same
    first.communicate(timeout=60)
    os.kill(pid, 0)
    second.communicate(timeout=60)
    assert gone(pid)
    assert user()[1] != pid


def test_nobody_is_left_behind_by_a_kill(user):
    process, pid, _ = user()
    process.send_signal(signal.SIGKILL)
    assert gone(pid)


def test_one_that_does_not_come_up_says_why(tmp_path):
    folders = []

    def start(start):
        folders.append(start.folder)
        return start.launch(sys.executable, "-c", "raise SystemExit('no such luck')", "{ready}")

    with pytest.raises(NotStarted, match="no such luck"), shared(tmp_path, "server", start):
        pass
    assert not (tmp_path / "server.json").exists()
    assert not folders[0].exists()
