"""Two nodes download into one shared directory: files are whole, and no node removes what the other one writes."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from servers.node import Node, build_library

from ctadata.sandbox import Sandbox, faults
from ctadata.transfer.resume_journal import RESUMABLE_FROM

LARGE = RESUMABLE_FROM + (1 << 20) + 7
"""Bytes of a file whose part has a journal."""

pytestmark = pytest.mark.full("two nodes")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_library(tmp_path_factory.mktemp("node"))


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    content = random.Random(1)
    with Sandbox(approve=True) as box:
        for i in range(30):
            box.files.put(f"/lst/run/{i % 3}/{i:02}", content.randbytes(5000 * i))
        for i in range(2):
            box.files.put(f"/lst/run/large{i}", content.randbytes(LARGE + i))
        yield box


@pytest.fixture
def env(box: Sandbox, tmp_path: Path) -> dict[str, str]:
    (tmp_path / "config.toml").write_text(f'default = "sandbox"\n{box.profile_toml()}')
    caches = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "XDG_STATE_HOME": str(tmp_path / "state")}
    return {**os.environ, **caches, "CTADATA_CONFIG": str(tmp_path / "config.toml"), "BEARER_TOKEN": box.token()}


GET = ("get", "-r", "lst/run/", "out")


def check_whole(box: Sandbox, out: Path) -> None:
    for name in box.files.tree("/lst/run"):
        if not name.endswith("/"):
            assert (out / name.removeprefix("/lst/run/")).read_bytes() == box.files.read(name), name


def hidden(out: Path) -> list[str]:
    return sorted(path.name for path in out.rglob(".ctadata-*"))


def test_a_simulated_node_is_one(library: Path, tmp_path: Path, env: dict[str, str]) -> None:
    """The name of a part tells nodes apart, and a lock of one node is free on the other."""
    code = (
        "import fcntl, os, sys; from ctadata.transfer import temp_names; fd = os.open('f', os.O_RDWR | os.O_CREAT);"
        "fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB); print(temp_names.new_name());"
        "second = os.open('f', os.O_RDWR)\n"
        "try: fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB); sys.exit('no lock')\n"
        "except BlockingIOError: pass\n"
        "try: os.open('.', os.O_TMPFILE | os.O_RDWR); sys.exit('nameless')\n"
        "except OSError: pass\n"
        "sys.stdin.read()"
    )
    assert code
    with Node("node1", tmp_path, library) as one, Node("node2", tmp_path, library) as two:
        held = [node.hold(code, cwd=tmp_path, env=env) for node in (one, two)]
        (host1, boot1, *_), (host2, boot2, *_) = (name.split("-")[1:] for name in held)
    assert host1 != host2
    assert boot1 != boot2


def test_a_killed_node_and_a_living_one(
    box: Sandbox, library: Path, tmp_path: Path, env: dict[str, str], rng: random.Random, count: Callable[..., int]
) -> None:
    """Both get the same tree at the same time, and one process is killed in the middle of a large file."""
    with Node("node1", tmp_path, library) as one, Node("node2", tmp_path, library) as two:
        for i in range(count(3, 20)):
            here = tmp_path / str(i)
            here.mkdir()
            dying = one.start(*GET, cwd=here, env=env)
            rule = box.faults.add(
                "pool", "GET", f"/lst/run/large{rng.randrange(2)}",
                faults.Meanwhile(dying.kill, after=rng.randrange(LARGE)), times=1,
            )  # fmt: skip
            living = two.start(*GET, cwd=here, env=env)
            assert dying.wait_for_end()[0] != 0 or not rule.hits
            code, words = living.wait_for_end()
            assert code == 0, words
            rule.remove()
            again = [node.start(*GET, "--receipt", f"r.{node.name}", cwd=here, env=env) for node in (one, two)]
            for process in again:
                code, words = process.wait_for_end()
                assert code == 0, words
            check_whole(box, here / "out")
            assert hidden(here / "out") == []
            states = {json.loads(line)["state"] for file in here.glob("r.*") for line in file.read_text().splitlines()}
            assert states == {"skipped"}


def test_a_part_of_a_dead_node_is_taken_up_when_it_is_a_day_old(
    box: Sandbox, library: Path, tmp_path: Path, env: dict[str, str]
) -> None:
    with Node("node1", tmp_path, library) as one, Node("node2", tmp_path, library) as two:
        rule = box.faults.add("pool", "GET", "/lst/run/large0", faults.Meanwhile(one.die, after=LARGE - 1000), times=1)
        one.start("get", "lst/run/large0", "-j", "1", cwd=tmp_path, env=env).wait_for_end()
        rule.remove()
        files = list(tmp_path.glob(".ctadata-*"))
        assert len(files) == 2
        for age, resumed in ((0, False), (2 * 86400, True)):
            for file in files:
                os.utime(file, (file.stat().st_mtime - age,) * 2)
            (tmp_path / "large0").unlink(missing_ok=True)
            code, words = two.start("get", "lst/run/large0", cwd=tmp_path, env=env).wait_for_end()
            assert code == 0, words
            assert ("already here" in words) is resumed
            assert (tmp_path / "large0").read_bytes() == box.files.read("/lst/run/large0")
        assert list(tmp_path.glob(".ctadata-*")) == []
