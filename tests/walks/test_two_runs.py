"""Two runs on one target at the same moment: they may fetch twice, and never mix; also where locks lie."""

import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from walks.conftest import sandbox_place
from walks.places import COMMAND, PATIENCE

from ctadata.sandbox import Sandbox, faults

JOURNALLED, DIVIDED = 20 << 20, 72 << 20
"""Bytes of files that have a journal; that several streams fetch."""

LYING = """
import fcntl, sys
fcntl.flock = lambda fd, operation: None
from ctadata.__main__ import main
main()
"""


@pytest.mark.parametrize("command", [COMMAND, [sys.executable, "-c", LYING]], ids=["with locks", "where locks lie"])
@pytest.mark.parametrize("changing", [pytest.param(False, marks=pytest.mark.full("matrix")), True])
def test_two_downloads_to_one_name(
    sandbox_box: Sandbox,
    tmp_path: Path,
    command: list[str],
    changing: bool,
    rng: random.Random,
    count: Callable[..., int],
) -> None:
    """Both ask the door at the same moment; the file may change when the second one is about to be answered."""
    size = count(JOURNALLED, DIVIDED, full=DIVIDED)
    place = sandbox_place(sandbox_box, tmp_path / "user")
    versions = [rng.randbytes(size), rng.randbytes(size)]
    path, target = f"{place.home}/large", tmp_path / "back" / "large"
    sandbox_box.files.put(path, versions[0], mtime=1e9)
    meeting = threading.Barrier(2, timeout=PATIENCE)
    sandbox_box.faults.add("door", "GET", path, faults.Meanwhile(meeting.wait), times=2)
    if changing:
        change = faults.Meanwhile(lambda: sandbox_box.files.put(path, versions[1], mtime=1.1e9))
        sandbox_box.faults.add("door", "GET", path, change, times=1, skip=1)
    env = {**place.env, "BEARER_TOKEN": sandbox_box.token()}
    words = [*command, "get", "-j", "4", path, str(target)]
    runs = [subprocess.Popen(words, env=env, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [run.communicate(timeout=PATIENCE)[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    assert target.read_bytes() in versions
    assert changing or target.read_bytes() == versions[0]
    assert os.listdir(target.parent) == ["large"]
