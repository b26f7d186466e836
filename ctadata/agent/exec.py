"""Run another program, and keep the token in its BEARER_TOKEN_FILE fresh while it runs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import Event
from types import FrameType

from ctadata.agent.loop import LoopStatus, keep_fresh
from ctadata.agent.token_backends import open_backend
from ctadata.config.profile import Profile
from ctadata.errors import LocalError, NotFound
from ctadata.system import ENDING_SIGNALS
from ctadata.tokens.login_store import load_token
from ctadata.tokens.profile_files import ProfileFiles
from ctadata.tokens.token import Token


def run(profile: Profile, command: Sequence[str], env: Mapping[str, str] = os.environ) -> int:
    """Run a command with the profile's token. A token must be on disk.

    Args:
        profile: The profile.
        command: The program and its arguments.
        env: The environment for the program. BEARER_TOKEN is left out, and BEARER_TOKEN_FILE is set.

    Returns:
        The exit code of the program; 128 plus the signal's number if a signal ended it, as in shells.

    Raises:
        NotFound: The program does not exist.
        LocalError: The program cannot be run.
    """
    files = ProfileFiles.of(profile.name)
    environment = {
        name: value for name, value in env.items() if name != "BEARER_TOKEN"
    }  # programs prefer it to the file
    with forward_signals() as set_target:
        process = _start(command, {**environment, "BEARER_TOKEN_FILE": str(files.token)})
        set_target(process)
        with process, _renew_in_thread(profile, files, load_token(files, profile)):
            code = process.wait()
    return code if code >= 0 else 128 - code


def _start(command: Sequence[str], env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(command, env=env)
    except FileNotFoundError:
        raise NotFound("there is no such program", path=command[0]) from None
    except OSError as error:
        raise LocalError((error.strerror or "it cannot be run").lower(), path=command[0]) from None


@contextlib.contextmanager
def _renew_in_thread(profile: Profile, files: ProfileFiles, token: Token | None) -> Iterator[None]:
    """Renew the token in a thread. If an agent runs too, the first of them renews it for both."""
    stop = Event()

    def work() -> None:
        assert token is not None
        with open_backend(profile, files) as backend:
            keep_fresh(token, backend.renew, _ignore_status, stop)

    thread = threading.Thread(target=work, name="token", daemon=True)
    if token is not None:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        if token is not None:
            thread.join()  # a refresh is never aborted, because its answer may hold the next refresh token


def _ignore_status(status: LoopStatus) -> None:
    """Do nothing: the loop writes a log of its own."""


@contextlib.contextmanager
def forward_signals() -> Iterator[Callable[[subprocess.Popen[bytes]], None]]:
    """Forward SIGTERM and SIGHUP to a program, and ignore Ctrl-C, which the terminal sends to the program itself.

    Yields a function that names the program. Signals that arrive before that call are sent to the program then.
    """
    programs: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def forward(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        if number in ENDING_SIGNALS and programs:
            programs[0].send_signal(number)
        elif number in ENDING_SIGNALS:
            early.append(number)

    def set_target(process: subprocess.Popen[bytes]) -> None:
        programs.append(process)
        for number in early:
            process.send_signal(number)

    before = {number: signal.signal(number, forward) for number in (*ENDING_SIGNALS, signal.SIGINT)}
    try:
        yield set_target
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
