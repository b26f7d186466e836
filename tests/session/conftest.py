"""A sandbox, and sessions for it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ctadata.config.resolve import resolve_profile
from ctadata.sandbox import Sandbox
from ctadata.session import Session

OpenSession = Callable[..., Session]


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(approve=True) as box:
        yield box


@pytest.fixture
def open_session(box: Sandbox, tmp_path: Path) -> Iterator[OpenSession]:
    """`open_session(token=..., without=..., **keys)`: a session of the sandbox, with a token of five minutes."""
    sessions: list[Session] = []

    def make(token: str | None = None, without: str = "-", at_once: int = 1, **keys: str) -> Session:
        config = tmp_path / "config.toml"
        lines = box.profile_toml("sandbox").splitlines()
        config.write_text("\n".join(line for line in lines if not line.startswith(without)))
        token_file = tmp_path / "token"
        token_file.touch(mode=0o600)
        token_file.write_text(token or box.token())
        env = {**os.environ, "CTADATA_CONFIG": str(config)}
        resolved = resolve_profile("sandbox", overrides=keys, env=env)
        session = Session.open(resolved, token_file=token_file, env=env, at_once=at_once)
        sessions.append(session)
        return session

    yield make
    for session in sessions:
        session.close()


@pytest.fixture
def session(open_session: OpenSession) -> Session:
    return open_session()
