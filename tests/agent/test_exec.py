"""A program that `exec` runs receives the signals meant for it, however early they arrive."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from ctadata.agent.exec import forward_signals


def test_an_early_signal_is_sent_to_the_program_later():
    with forward_signals() as forward_to:
        os.kill(os.getpid(), signal.SIGTERM)  # Python runs the handler before the next line
        program = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        forward_to(program)
        assert program.wait(60) == -signal.SIGTERM


def test_the_previous_handlers_are_restored():
    before = signal.getsignal(signal.SIGTERM)
    with forward_signals():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
