"""An issuer in a sandbox, profiles for it, JWTs made here, and a clock that tests set."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ctadata.config.profile import Profile
from ctadata.sandbox import Sandbox

NOBODY = 65534


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """A sandbox that approves every login at once."""
    with Sandbox(approve=True, interval=0) as box:
        yield box


def profile_of(box: Sandbox, **changes: object) -> Profile:
    """A profile that logs in to the sandbox."""
    settings = {"name": "sandbox", "door": box.door, "issuer": box.issuer, "client_id": box.client_id, "ca": box.ca}
    return Profile(**{**settings, **changes})


@pytest.fixture
def profile_at() -> Callable[..., Profile]:
    return profile_of


@pytest.fixture
def profile(box: Sandbox) -> Profile:
    return profile_of(box)


@pytest.fixture
def jwt() -> Callable[..., str]:
    """`jwt(iss=..., exp=...)`: a token with these claims and a signature that nobody can check."""

    def make(**claims: object) -> str:
        payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
        return f"eyJhbGciOiJub25lIn0.{payload}.c2lnbmF0dXJl"

    return make


class Clock:
    """Local time that passes only when a test waits."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self.time = start
        self.waits: list[float] = []

    def now(self) -> float:
        return self.time

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.time += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_foreign(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Give a file to another user. Without that right, pretend from then on to be another user."""

    def make(path: Path) -> None:
        if os.geteuid() == 0:
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        else:
            monkeypatch.setattr(os, "geteuid", lambda: NOBODY)

    return make
