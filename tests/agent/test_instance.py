"""One agent for each profile, and the state that it writes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from ctadata.agent.instance import State, claim, is_claimed, read_state
from ctadata.process_identity import host_name, read_process_start
from ctadata.tokens.files import write_private
from ctadata.tokens.profile_files import ProfileFiles

STATE = State(
    pid=1, host="h", process_started=2, issuer="https://i", client_id="c", started=3.0, updated=4.0, last_error="ö"
)


@pytest.fixture
def files(tmp_path):
    files = ProfileFiles.of("site", tmp_path)
    files.prepare()
    return files


def test_one_agent_at_a_time(files):
    assert not is_claimed(files)
    with claim(files):
        assert is_claimed(files)
        assert claim(files) is None
    assert not is_claimed(files)
    with claim(files):
        pass


def test_a_check_does_not_keep_an_agent_from_starting(files):
    """A process that checks holds the lock for an instant; a claim in that instant tries again."""
    look = "import sys\nfrom pathlib import Path\nfrom ctadata.tokens.locks import is_locked\nprint(flush=True)\n"
    look += "while True: is_locked(Path(sys.argv[1]))"
    with claim(files):
        pass
    argv = [sys.executable, "-c", look, files.agent_lock]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as looker:
        looker.stdout.readline()
        try:
            for _ in range(20):
                with claim(files) as instance:
                    assert instance
        finally:
            looker.kill()


def test_the_state_is_read_back(files):
    assert read_state(files) is None
    with claim(files) as instance:
        instance.write_state(STATE)
        assert read_state(files) == STATE
        assert files.agent_state.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"pid": 1, "future": 2}'])
def test_an_unreadable_state_is_none(files, text):
    write_private(files.agent_state, text)
    assert read_state(files) is None


def test_it_notices_that_its_files_were_deleted(files):
    with claim(files) as instance:
        assert not instance.is_lost()
        files.agent_lock.unlink()
        assert instance.is_lost()
        files.agent_lock.touch(mode=0o600)
        assert instance.is_lost()


def test_a_later_process_of_the_same_number_is_recognised():
    assert read_process_start(os.getpid()) == read_process_start(os.getpid()) is not None
    assert read_process_start(2**22 + 1) is None
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        assert read_process_start(other.pid) > read_process_start(os.getpid())


def test_this_host_has_a_name():
    assert host_name()
