"""The messages after a signal, and their order."""

from __future__ import annotations

import subprocess
import sys

MANY = """
import os, signal, sys
import typer
from ctadata.cli.output import say
from ctadata.cli.signals import stop_on_signals

sys.setswitchinterval(1e-6)
for _ in range(50):
    try:
        with stop_on_signals() as stop:
            os.kill(os.getpid(), signal.SIGINT)
            stop.wait()
            say("what the run has left")
    except typer.Exit:
        pass
"""


def test_the_stop_message_comes_before_the_summary() -> None:
    """The order must not depend on the thread that runs first."""
    argv = [sys.executable, "-c", MANY]
    ended = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=60)
    messages = [line.partition(": ")[2] for line in ended.stderr.splitlines()]
    assert messages == ["stopping; Ctrl-C again ends at once", "what the run has left", "stopped"] * 50
