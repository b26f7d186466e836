"""What runs another program hears the signals meant for it, however early they come."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from ctadata.agent.exec import forward_signals


def test_a_signal_before_the_program_is_there_waits_for_it():
    with forward_signals() as forward_to:
        os.kill(os.getpid(), signal.SIGTERM)  # Python runs the handler before the next line
        program = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        forward_to(program)
        assert program.wait(60) == -signal.SIGTERM


def test_the_handlers_of_before_come_back():
    before = signal.getsignal(signal.SIGTERM)
    with forward_signals():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
