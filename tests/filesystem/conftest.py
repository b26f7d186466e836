"""A sandbox as the default profile of the filesystem, with a token that the agent could have left."""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers.agent_token import give_token

from ctadata.filesystem import CtaFileSystem
from ctadata.filesystem.sessions import place_of
from ctadata.sandbox import Sandbox
from ctadata.stores import ranged_file


def use(profile: str, toml: str, token: str, folder: Path, env: pytest.MonkeyPatch) -> None:
    """Make the profile in `toml` the default, with a token as the agent leaves it."""
    (folder / "config.toml").write_text(toml)
    env.setenv("CTADATA_CONFIG", str(folder / "config.toml"))
    env.setenv("CTADATA_PROFILE", profile)
    give_token(profile, token)


@pytest.fixture
def sandbox_fs(box: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CtaFileSystem]:
    """The filesystem of the sandbox."""
    use("sandbox", box.profile_toml("sandbox"), box.token(), tmp_path, monkeypatch)
    # A busy machine answers late. A request that is given up for that leaves a mover that nobody asks.
    monkeypatch.setattr(ranged_file, "PATIENCE", 600.0)
    CtaFileSystem.clear_instance_cache()
    yield CtaFileSystem()
    place_of(None).kept.clear()
    gc.collect()  # a file that only a circle of references holds, as of a failed test, keeps its mover
    place_of(None).session.close()


@pytest.fixture
def fs(sandbox_fs: CtaFileSystem) -> CtaFileSystem:
    """The filesystem of the sandbox."""
    return sandbox_fs


def requests(box: Sandbox) -> Counter[str]:
    """How many requests the door and the pools have seen."""
    return Counter(seen.server.rstrip("0123456789") for seen in box.seen)


def traffic(box: Sandbox) -> tuple[int, float]:
    """How many requests the door and the pools have seen, and the megabytes that the pools were asked for."""
    return requests(box).total(), sum(asked.last + 1 - asked.first for asked in box.transfer_log.requested()) / 1e6


def movers(box: Sandbox) -> int:
    """Movers that the pools keep."""
    return sum(len(pool.movers._movers) for pool in box._pools)


def wait_for_movers(box: Sandbox, count: int) -> None:
    """Wait until the pools keep so many movers: they hear late that a connection is closed."""
    while movers(box) != count:
        os.sched_yield()


def wait_for_no_movers(box: Sandbox) -> None:
    """Wait until the pools have heard that all connections are closed."""
    wait_for_movers(box, 0)
