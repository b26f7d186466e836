"""litmus against the sandbox: it passes what a dCache door passes, and fails where dCache does.

litmus knows no bearer tokens and follows no redirects: a server beside it adds the token, the door carries all itself.
Its `props` and `locks` are left out: dCache answers 501 to LOCK and to PROPPATCH of other people's properties.
"""

from __future__ import annotations

import os
import re
import subprocess

import pytest
from peers.bearer import with_bearer

from ctadata.sandbox import Sandbox

AS_DCACHE = {
    "basic": {"mkcol_with_body"},  # as the sandbox does it; not looked up at a dCache
    # no copies within: an absolute Destination is a copy to another server, which wants a token of its own
    "copymove": {"copy_simple", "copy_overwrite", "copy_coll", "copy_shallow", "move_coll"},
    "http": set(),
}
"""The tests that fail at a dCache door too."""


@pytest.mark.parametrize("program", AS_DCACHE)
def test_fails_where_dcache_does_and_nowhere_else(litmus, tmp_path, program):
    with (
        Sandbox(write_anywhere=True, redirect=False) as box,
        with_bearer(box.door, box.ca, box.token()) as address,
    ):
        box.files.put("/lst/a", b"x")
        env = os.environ | {"TESTS": program}
        command = [litmus, "-k", f"{address}/lst/"]
        ran = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    told = re.findall(
        r"^ *\d+\. (\w+)\.+ (?:.*\r)?.*?(pass|FAIL|SKIPPED)", ran.stdout.replace("\r\n", "\n"), re.MULTILINE
    )
    assert "summary for" in ran.stdout, ran.stderr
    assert {name for name, result in told if result != "pass"} == AS_DCACHE[program], ran.stdout
    assert len(told) > 3
