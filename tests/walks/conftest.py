"""The places of the main job, and a tree to send there."""

import contextlib
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from servers.real import RealServer
from walks.places import LONG_AGO, Place, files_below, fill_folder, settings

from ctadata.sandbox import Sandbox
from ctadata.sandbox.namespace import NotFound


def sandbox_place(box: Sandbox, folder: Path) -> Place:
    def stored(path: str) -> dict[str, bytes]:
        if not box.files.exists(path):
            return {}
        found = {}
        for name in box.files.tree(path):
            with contextlib.suppress(NotFound):  # the server may still be at what a killed command has asked for
                if not name.endswith("/"):
                    found[name.removeprefix(path).lstrip("/")] = box.files.read(name)
        return found

    def fill(path: str, files: dict[str, bytes]) -> None:
        for name, content in files.items():
            box.files.put(f"{path}/{name}", content, mtime=LONG_AGO)

    env = settings(folder, box.profile_toml("sandbox"))
    return Place("sandbox", env, "/lst/users/ada", stored, fill, box=box)


def real_place(server: RealServer, folder: Path, name: str) -> Place:
    home = f"users-{uuid4().hex[:8]}"
    (server.data / home).mkdir(mode=0o777)
    (server.data / home).chmod(0o777)
    toml = server.profile_toml(name).replace('"users/{user}"', f'"{home}"')

    def stored(path: str) -> dict[str, bytes]:
        return files_below(server.data / path.lstrip("/"))

    def fill(path: str, files: dict[str, bytes]) -> None:
        fill_folder(server.data / path.lstrip("/"), files)

    return Place(name, settings(folder, toml), f"/{home}", stored, fill, server.approve)


@pytest.fixture(autouse=True)
def _forked(forks: None) -> None:
    """Commands that run to their end may be forks."""


@pytest.fixture
def sandbox_box() -> Iterator[Sandbox]:
    with Sandbox(approve=True) as box:
        yield box


ELSEWHERE = [
    pytest.param("wsgidav", marks=pytest.mark.full("wsgidav")),
    pytest.param("apache", marks=pytest.mark.full("apache", "provider")),
]


@pytest.fixture(params=["sandbox", *ELSEWHERE])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Each place in turn, with a person logged in; the agent is stopped at the end."""
    place = place_of(request, tmp_path)
    place.log_in()
    yield place
    place.run("stop-agent")


def place_of(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    folder = tmp_path / "user"
    if request.param == "sandbox":
        return sandbox_place(request.getfixturevalue("sandbox_box"), folder)
    return real_place(request.getfixturevalue(request.param), folder, request.param)


@pytest.fixture(params=["sandbox", pytest.param("wsgidav", marks=pytest.mark.full("matrix"))])
def busy_place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A place where many commands will run; with a token for the whole day where that can be had."""
    place = place_of(request, tmp_path)
    if place.box:
        place.env["BEARER_TOKEN"] = place.box.token(lifetime=86400)
        yield place
        return
    place.log_in()
    yield place
    place.run("stop-agent")


@pytest.fixture
def kills(count: Callable[..., int]) -> int:
    """How often to kill."""
    return count(2, 200, full=25)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with depth, odd names, an empty file, an empty directory and a file of some megabytes."""
    root = tmp_path / "night 1"
    (root / "sub" / "deeper").mkdir(parents=True)
    (root / "empty directory").mkdir()
    contents = {
        "empty": b"",
        "plain.txt": b"plain\n",
        "sub/größe ∑ 日本.txt": b"unicode",
        "sub/100% [a+b] #1 c&d=e,f@g.txt": b"odd",  # no ? and ;: wsgidav cuts the target of a MOVE there
        'sub/deeper/it\'s "quoted" $(x) `y` *.txt': b"quoted",
        "large.bin": random.Random(7).randbytes(3_000_000),
    }
    contents |= {f"sub/deeper/{i:03d}": random.Random(i).randbytes(i * 37) for i in range(60)}
    for name, content in contents.items():
        (root / name).write_bytes(content)
        os.utime(root / name, (1_700_000_000, 1_700_000_000))
    return root
