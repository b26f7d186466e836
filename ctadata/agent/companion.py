"""Run another program, and keep the token in its BEARER_TOKEN_FILE fresh for as long as it runs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from threading import Event
from types import FrameType

from ctadata.agent.loop import Beat, keep_fresh
from ctadata.agent.ways import open_way
from ctadata.config.profile import Profile
from ctadata.errors import LocalError, NotFound
from ctadata.tokens.kept import load_token
from ctadata.tokens.places import Places
from ctadata.tokens.token import Token

FORWARDED = (signal.SIGTERM, signal.SIGHUP)


def run(profile: Profile, command: Sequence[str], env: Mapping[str, str] = os.environ) -> int:
    """Run the command; its exit code, 128 and the signal's number where one has ended it, as shells have it.

    A token must be on disk. NotFound where there is no such program, LocalError where it cannot be run.
    """
    places = Places.of(profile.name)
    told = {name: value for name, value in env.items() if name != "BEARER_TOKEN"}  # it would beat the file
    try:
        process = subprocess.Popen(command, env={**told, "BEARER_TOKEN_FILE": str(places.token)})
    except FileNotFoundError:
        raise NotFound("there is no such program", path=command[0]) from None
    except OSError as error:
        raise LocalError((error.strerror or "it cannot be run").lower(), path=command[0]) from None
    with process, _forwarding(process), _kept_fresh(profile, places, load_token(places, profile)):
        code = process.wait()
    return code if code >= 0 else 128 - code


@contextlib.contextmanager
def _kept_fresh(profile: Profile, places: Places, token: Token | None) -> Iterator[None]:
    """Renew the token in a thread of its own; where an agent runs, whoever is first does it for both."""
    stop = Event()

    def work() -> None:
        assert token is not None
        with open_way(profile, places) as way:
            keep_fresh(token, way.renew, _say_nothing, stop)

    thread = threading.Thread(target=work, name="token", daemon=True)
    if token is not None:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        if token is not None:
            thread.join()  # a refresh is never broken off: its answer may hold the next login


def _say_nothing(beat: Beat) -> None:
    """The loop logs what happens."""


@contextlib.contextmanager
def _forwarding(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Signals that ask us to end go to the program; Ctrl-C reaches it by itself, from the terminal."""

    def forward(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        if number in FORWARDED:
            process.send_signal(number)

    before = {number: signal.signal(number, forward) for number in (*FORWARDED, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
