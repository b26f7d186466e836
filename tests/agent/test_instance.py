"""Presence: one agent per profile, and what it says of itself."""

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
def places(tmp_path):
    places = ProfileFiles.of("site", tmp_path)
    places.prepare()
    return places


def test_one_at_a_time(places):
    assert not is_claimed(places)
    with claim(places):
        assert is_claimed(places)
        assert claim(places) is None
    assert not is_claimed(places)
    with claim(places):
        pass


def test_a_look_does_not_keep_an_agent_out(places):
    """Who looks holds the lock for an instant; a claim in that instant tries again."""
    look = "import sys\nfrom pathlib import Path\nfrom ctadata.tokens.locks import is_locked\nprint(flush=True)\n"
    look += "while True: is_locked(Path(sys.argv[1]))"
    with claim(places):
        pass
    argv = [sys.executable, "-c", look, places.agent_lock]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as looker:
        looker.stdout.readline()
        try:
            for _ in range(20):
                with claim(places) as presence:
                    assert presence
        finally:
            looker.kill()


def test_what_it_says_is_read_back(places):
    assert read_state(places) is None
    with claim(places) as presence:
        presence.tell(STATE)
        assert read_state(places) == STATE
        assert places.agent_state.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"pid": 1, "future": 2}'])
def test_what_cannot_be_read_is_none(places, text):
    write_private(places.agent_state, text)
    assert read_state(places) is None


def test_it_knows_when_its_files_are_gone(places):
    with claim(places) as presence:
        assert not presence.is_lost()
        places.agent_lock.unlink()
        assert presence.is_lost()
        places.agent_lock.touch(mode=0o600)
        assert presence.is_lost()


def test_a_process_is_told_from_a_later_one_of_its_number():
    assert read_process_start(os.getpid()) == read_process_start(os.getpid()) is not None
    assert read_process_start(2**22 + 1) is None
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        assert read_process_start(other.pid) > read_process_start(os.getpid())


def test_this_host_has_a_name():
    assert host_name()
