"""Keeps one server alive for as long as somebody uses it, whatever becomes of the one who started it.

    python keeper.py USERS STATE FOLDER READY-FD COMMAND...

Everyone who uses the server holds a shared lock on the file USERS; the kernel drops it when they end, by `kill -9` too.
The keeper waits in the background for the exclusive lock: once it has it, nobody is left. Then it removes STATE (what
the next user would read), stops COMMAND and removes FOLDER. COMMAND inherits READY-FD to say that it is up; its output
goes to FOLDER/log.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(users: Path, state: Path, folder: Path, ready: int, command: list[str]) -> None:
    """Start `command` and leave the keeper behind in the background."""
    if os.fork():
        return
    os.setsid()
    with open(folder / "log", "ab") as log, open(users) as lock:
        server = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[ready], preexec_fn=_end_with_parent
        )
        os.close(ready)
        _let_go_of_output(log.fileno())
        fcntl.flock(lock, fcntl.LOCK_EX)
        state.unlink(missing_ok=True)
        _stop(server)
    shutil.rmtree(folder, ignore_errors=True)


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _let_go_of_output(log: int) -> None:
    """Nobody who reads our starter's output to its end waits for us."""
    for stream in (1, 2):
        os.dup2(log, stream)


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(60)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), sys.argv[5:])
