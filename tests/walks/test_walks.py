"""The walks of docs/design/walks.md, followed step by step."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from walks.places import PATIENCE, settings

from ctadata.agent import spawn
from ctadata.config.resolve import resolve_profile
from ctadata.sandbox import Sandbox
from ctadata.tokens.profile_files import ProfileFiles

WALKS = Path(__file__).parents[2] / "docs" / "design" / "walks.md"
FOLLOW = Path(__file__).with_name("follow.py")


def steps(begin: str) -> list[str]:
    """The functions in the table that follows the line `begin`."""
    after = WALKS.read_text().split(begin, 1)[1]
    table = re.search(r"\n\| function.*?\n\n|\n\| function.*", after + "\n\n", re.DOTALL)
    assert table
    return re.findall(r"^\| `([\w.]+)`", table.group(), re.MULTILINE)


def assert_follows(walk: list[str], log: Path) -> None:
    """Each step is entered, for the first time after the one before it was."""
    assert len(walk) >= 5
    entered = iter(log.read_text().splitlines())
    for step in walk:
        assert step in entered, f"{step} is not entered, or not in this place"


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(approve=True, token_lifetime=4) as box:
        box.files.put("/lst/a/f", b"content")
        yield box


@pytest.fixture
def env(box: Sandbox, tmp_path: Path) -> dict[str, str]:
    return settings(tmp_path / "user", box.profile_toml("sandbox"))


def follow(env: dict[str, str], log: Path, *words: str | Path) -> None:
    argv = [sys.executable, FOLLOW, log, "ctadata.__main__", *words]
    subprocess.run(argv, env=env, check=True, capture_output=True, timeout=PATIENCE)


def test_the_download_of_a_tree(box: Sandbox, env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "token").touch(mode=0o600)
    (tmp_path / "token").write_text(box.token())
    follow({**env, "BEARER_TOKEN_FILE": str(tmp_path / "token")}, tmp_path / "log", "get", "-r", "lst/a", tmp_path)
    assert (tmp_path / "a" / "f").read_bytes() == b"content"
    assert_follows(steps("## `cta-data-direct get -r lst/a out`"), tmp_path / "log")


def test_the_login_and_the_agent(
    box: Sandbox, env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow(env, tmp_path / "log", "start-agent")
    follow(env, tmp_path / "stop", "stop-agent")
    assert_follows(steps("## `cta-data-direct start-agent`"), tmp_path / "log")

    monkeypatch.setenv("XDG_STATE_HOME", env["XDG_STATE_HOME"])
    order = spawn._request(resolve_profile(env=env).profile, ProfileFiles.of("sandbox"))
    refreshes = sum(s.target.endswith("/token") for s in box.seen)
    argv = [sys.executable, FOLLOW, tmp_path / "daemon", "ctadata.agent.daemon", "sandbox"]
    alive, held = os.pipe()  # held by the agent as long as it lives
    subprocess.run(
        argv, env=env, input=json.dumps(order), check=True, stdout=subprocess.DEVNULL, text=True, pass_fds=[held]
    )
    os.close(held)
    box.wait_for(lambda _: sum(s.target.endswith("/token") for s in box.seen) > refreshes, timeout=60)
    follow(env, tmp_path / "stop", "stop-agent")
    with open(alive) as ended:
        assert ended.read() == ""
    assert_follows(steps("There the new interpreter begins"), tmp_path / "daemon")
