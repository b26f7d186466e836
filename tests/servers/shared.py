"""One real server per run of the suite, however many workers the run has."""

from __future__ import annotations

import fcntl
import json
import os
import random
import select
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import IO

KEEPER = Path(__file__).with_name("keeper.py")
PATIENCE = 120.0  # seconds for a server to come up; most need well under one

State = dict[str, str]


class NotStarted(Exception):
    """A real server did not come up; the text ends with what it said."""


@dataclass(frozen=True)
class Start:
    """What the start-up code of a server gets: a folder of its own, and somebody to keep the process."""

    folder: Path
    users: Path
    state: Path

    def launch(
        self, *command: str | Path, answers: Callable[[], bool] | None = None, patience: float = PATIENCE
    ) -> State:
        """Run `command` under a keeper until its last user has left, and return what it says once it is up.

        A `{ready}` in the command becomes the number of the descriptor to write one line of JSON to; a server that
        cannot do so is asked by `answers` instead. Raises NotStarted when it ends early or stays silent.
        """
        hear, say = os.pipe()
        argv = [str(word).replace("{ready}", str(say)) for word in command]
        keeper = [sys.executable, "-I", KEEPER, self.users, self.state, self.folder, str(say)]
        with open(hear, encoding="utf-8") as heard:
            try:
                subprocess.run([*keeper, *argv], check=True, pass_fds=[say], timeout=PATIENCE)
            finally:
                os.close(say)
            said = _wait(heard, answers, patience)
        if not said:
            log = (self.folder / "log").read_text(errors="replace")
            raise NotStarted(f"{argv[0]} did not come up; it said:\n{log[-3000:]}")
        return json.loads(said)


@contextmanager
def shared(root: Path, name: str, start: Callable[[Start], State]) -> Iterator[State]:
    """The state of the server `name`, which `start` brought up for the first who asked in this run.

    `root` is the folder that all workers of the run share.
    """
    state, users = root / f"{name}.json", root / f"{name}.users"
    with users.open("a") as use:
        with (root / f"{name}.start").open("a") as starting:
            fcntl.flock(starting, fcntl.LOCK_EX)
            fcntl.flock(use, fcntl.LOCK_SH)
            if not state.exists():
                state.write_text(json.dumps(_started(start, users, state)))
        yield json.loads(state.read_text())


def _started(start: Callable[[Start], State], users: Path, state: Path) -> State:
    folder = Path(tempfile.mkdtemp(prefix="ctadata-", dir="/tmp"))  # short, and not below a 0700 folder
    folder.chmod(0o755)
    try:
        return start(Start(folder, users, state))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def free_port() -> int:
    """A free port of 127.0.0.1, for servers that cannot choose one themselves.

    It lies below Linux's range for connections and for port 0, so that no other test is given it in the meantime; and
    an abstract socket named after it, which ends with this process, keeps all other callers off it.
    """
    while True:
        port = random.randrange(20_000, 32_768)
        with socket.socket() as probe, socket.socket(socket.AF_UNIX) as taken, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            taken.bind(f"\0ctadata-tests-port-{port}")
            taken.detach()  # stays open
            return port


def listens(port: int) -> bool:
    """Whether somebody accepts connections at `port` of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait(heard: IO[str], answers: Callable[[], bool] | None, patience: float) -> str:
    """The server's line; `{}` when it answers; nothing when it has ended or time is up."""
    end = monotonic() + patience
    while monotonic() < end:
        if select.select([heard], [], [], 0.02)[0]:
            return heard.readline()
        if answers and answers():
            return "{}"
    return ""
