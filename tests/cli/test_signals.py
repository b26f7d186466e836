"""What a signal says, and when."""

from __future__ import annotations

import subprocess
import sys

MANY = """
import os, signal, sys
import typer
from ctadata.cli.output import say
from ctadata.cli.signals import stopping

sys.setswitchinterval(1e-6)
for _ in range(50):
    try:
        with stopping() as stop:
            os.kill(os.getpid(), signal.SIGINT)
            stop.wait()
            say("what the run has left")
    except typer.Exit:
        pass
"""


def test_that_it_stops_is_said_before_what_the_run_says_of_it() -> None:
    """Each thread may write at any moment: the order must not depend on which of them runs first."""
    argv = [sys.executable, "-c", MANY]
    ended = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=60)
    said = [line.partition(": ")[2] for line in ended.stderr.splitlines()]
    assert said == ["stopping; Ctrl-C again ends at once", "what the run has left", "stopped"] * 50
