"""Run another program, and keep the token in its BEARER_TOKEN_FILE fresh for as long as it runs."""

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
from ctadata.tokens.login_store import load_token
from ctadata.tokens.profile_files import ProfileFiles
from ctadata.tokens.token import Token

FORWARDED = (signal.SIGTERM, signal.SIGHUP)


def run(profile: Profile, command: Sequence[str], env: Mapping[str, str] = os.environ) -> int:
    """Run the command; its exit code, 128 and the signal's number where one has ended it, as shells have it.

    A token must be on disk. NotFound where there is no such program, LocalError where it cannot be run.
    """
    files = ProfileFiles.of(profile.name)
    told = {name: value for name, value in env.items() if name != "BEARER_TOKEN"}  # it would beat the file
    with forwarded_signals() as forward_to:
        process = _start(command, {**told, "BEARER_TOKEN_FILE": str(files.token)})
        forward_to(process)
        with process, _kept_fresh(profile, files, load_token(files, profile)):
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
def _kept_fresh(profile: Profile, files: ProfileFiles, token: Token | None) -> Iterator[None]:
    """Renew the token in a thread of its own; where an agent runs, whoever is first does it for both."""
    stop = Event()

    def work() -> None:
        assert token is not None
        with open_backend(profile, files) as backend:
            keep_fresh(token, backend.renew, _say_nothing, stop)

    thread = threading.Thread(target=work, name="token", daemon=True)
    if token is not None:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        if token is not None:
            thread.join()  # a refresh is never broken off: its answer may hold the next login


def _say_nothing(beat: LoopStatus) -> None:
    """The loop logs what happens."""


@contextlib.contextmanager
def forwarded_signals() -> Iterator[Callable[[subprocess.Popen[bytes]], None]]:
    """Signals that ask us to end go to the program, once it is named; Ctrl-C reaches it by itself, from the terminal.

    They are caught before the program starts: what comes in between waits for it.
    """
    programs: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def forward(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        if number in FORWARDED and programs:
            programs[0].send_signal(number)
        elif number in FORWARDED:
            early.append(number)

    def forward_to(process: subprocess.Popen[bytes]) -> None:
        programs.append(process)
        for number in early:
            process.send_signal(number)

    before = {number: signal.signal(number, forward) for number in (*FORWARDED, signal.SIGINT)}
    try:
        yield forward_to
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
