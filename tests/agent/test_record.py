"""A record that an agent or a lease left on disk is read as a whole, or counts as none."""

import json
import time

import pytest

from ctadata.agent.instance import State, read_state
from ctadata.agent.lease import read_lease
from ctadata.agent.status import read_status
from ctadata.config.profile import Profile
from ctadata.tokens.files import write_private
from ctadata.tokens.profile_files import ProfileFiles

NOW = time.time()
STATE = {"pid": 1, "host": "h", "process_started": 5, "issuer": "i", "client_id": "c", "started": NOW, "updated": NOW}
LEASE = {"host": "h", "boot": "b", "pid": 1, "process_started": None, "lasting": True, "until": NOW + 50}
ODD = [None, [], {}, "x", "x\0", "x" * 5000, True, -1.5, float("inf"), float("nan"), 10**400, 1e300]


@pytest.fixture
def files(tmp_path):
    files = ProfileFiles.of("site", tmp_path)
    files.prepare()
    return files


def test_state_and_lease_are_read_back(files):
    write_private(files.agent_state, json.dumps({**STATE, "expires_at": None, "next_refresh": 5}))
    write_private(files.lease, json.dumps(LEASE))
    assert read_state(files) == State(1, "h", 5, "i", "c", NOW, NOW, None, 5)
    assert read_lease(files).until == LEASE["until"]


@pytest.mark.parametrize("text", ["", "[", "null", "[]", "[" * 100_000, '{"a":' * 50_000, "9" * 5000, "{}", '"x"'])
def test_broken_records_are_none(files, text):
    for path in (files.agent_state, files.lease):
        write_private(path, text)
    assert (read_state(files), read_lease(files)) == (None, None)


@pytest.mark.parametrize("field", [*STATE, "expires_at", "next_refresh", "published", "login_needed", "unheard_of"])
@pytest.mark.parametrize("value", ODD, ids=lambda value: str(value)[:20])
def test_odd_fields_of_a_state_are_no_crash(files, field, value):
    write_private(files.agent_state, json.dumps({**STATE, field: value}))
    site = Profile("site", "https://door", issuer="i", client_id="c")
    assert read_status(site, files).as_json()["running"] is False


@pytest.mark.parametrize("field", LEASE)
@pytest.mark.parametrize("value", ODD, ids=lambda value: str(value)[:20])
def test_odd_fields_of_a_lease_are_no_crash(files, field, value):
    write_private(files.lease, json.dumps({**LEASE, field: value}))
    found = read_lease(files)
    assert found is None or found.until <= NOW + 300
