"""The ownership of curl's handles: the garbage collector frees none that another thread uses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("collector.py")


def test_the_collector_may_run_at_any_moment_in_any_thread(answering, ca, tls, count):
    """With a threshold of 1 the collector runs at nearly every allocation; freed memory is overwritten."""
    peer = answering(lambda wire, request: wire.answer("200 OK", b"x" * 100_000), tls)
    ran = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "ignore", SCRIPT, str(count(3, 3000)), peer.url, ca, str(count(20, 1))],
        env={**os.environ, "PYTHONMALLOC": "debug"},
        capture_output=True,
        text=True,
    )
    assert (ran.returncode, ran.stdout) == (0, "well\n"), ran.stderr[-5000:]
