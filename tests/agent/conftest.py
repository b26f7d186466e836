"""A sandbox whose tokens live for seconds, profiles for it, and the end of every agent that a test started."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest

from ctadata.agent import control
from ctadata.agent.instance import read_state
from ctadata.config.profile import Profile
from ctadata.errors import CtadataError
from ctadata.http.rest import JsonClient
from ctadata.sandbox import Sandbox
from ctadata.tokens.profile_files import ProfileFiles


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """A sandbox whose issuer approves at once; tokens live for 6 s, so that an agent refreshes every few seconds."""
    with Sandbox(approve=True, interval=0, token_lifetime=6) as box:
        yield box


@pytest.fixture
def profile_at() -> Iterator[Callable[..., Profile]]:
    """`profile_at(box, ...)`: a profile that logs in there. All their agents end with the test."""
    made: list[Profile] = []

    def make(box: Sandbox, **changes: object) -> Profile:
        place = {"name": "sandbox", "door": box.door, "frontend": box.frontend}
        settings = {**place, "issuer": box.issuer, "client_id": box.client_id, "ca": box.ca}
        made.append(Profile(**{**settings, **changes}))
        return made[-1]

    yield make
    for profile in made:
        try:
            control.stop(profile)
        except CtadataError:
            state = read_state(ProfileFiles.of(profile.name))
            with contextlib.suppress(ProcessLookupError):
                os.kill(state.pid, signal.SIGKILL)
            raise


@pytest.fixture
def profile(box: Sandbox, profile_at: Callable[..., Profile]) -> Profile:
    return profile_at(box)


@pytest.fixture
def files(profile: Profile) -> ProfileFiles:
    files = ProfileFiles.of(profile.name)
    files.prepare()
    return files


@pytest.fixture
def rest(box: Sandbox) -> JsonClient:
    return JsonClient(ca=box.ca, timeouts=(60, 60))


@pytest.fixture
def until() -> Callable[..., object]:
    """`until(probe)`: wait until the probe of another process returns something, and return it."""

    def wait(probe: Callable[[], object], timeout: float = 60.0) -> object:
        ends, pause = time.monotonic() + timeout, Event()
        while not (found := probe()):
            assert time.monotonic() < ends, f"not within {timeout} s"
            pause.wait(0.02)
        return found

    return wait


@pytest.fixture
def shown() -> list:
    """`shown.append` takes the logins that a user would see; nobody sees them."""
    return []


class Clock:
    """Local time that passes only when a test waits."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0
        self.waits: list[float] = []
        self.events: list[tuple[float, Callable[[], object]]] = []

    def now(self) -> float:
        return self.time

    def at(self, seconds: float, event: Callable[[], object]) -> None:
        """Do something after so many seconds."""
        self.events.append((self.time + seconds, event))

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.time += seconds
        due = [event for moment, event in self.events if moment <= self.time]
        self.events = [(moment, event) for moment, event in self.events if moment > self.time]
        for event in due:
            event()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def here() -> Path:
    """The directory of the package."""
    import ctadata

    return Path(ctadata.__file__).parent
