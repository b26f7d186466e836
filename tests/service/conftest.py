"""The commands as they are installed, in the environment and the directory of the test."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from servers.forkserver import ForkServer

from ctadata.http.retries import Retries
from ctadata.transfer import run as runs


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


Run = Callable[..., Ended]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry at once, as often as usual."""
    pause = Retries.pause
    monkeypatch.setattr(Retries, "pause", lambda *given: None if pause(*given) is None else 0.0)
    monkeypatch.setattr(runs, "FIRST_PAUSE", 0.0)


PATIENCE = 60.0
COMMAND = str(Path(sys.executable).with_name("cta-data"))


@pytest.fixture(scope="session")
def forks_of_the_platform(pytestconfig: pytest.Config) -> Iterator[ForkServer]:
    """The quick suite forks for each run of `cta-data`; with --full a shell starts each one."""
    forks = ForkServer(COMMAND)
    forks.is_used = not pytestconfig.getoption("--full")
    yield forks
    forks.close()


@pytest.fixture
def run(forks_of_the_platform: ForkServer) -> Run:
    """`run("cta-data", "list", "lst", check=0)`: run the installed program in the test's own directory."""

    def program(name: str, *arguments: object, check: int | None = None) -> Ended:
        argv = [str(Path(sys.executable).with_name(name)), *map(str, arguments)]
        if argv[0] == COMMAND and forks_of_the_platform.may_run(os.environ):
            code, out, err = forks_of_the_platform.run(argv[1:], os.environ, Path.cwd(), None, PATIENCE)
            ended = Ended(code, out.decode(), err.decode())
        else:
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
            ended = Ended(done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in ended.err
        assert check is None or ended.code == check, ended
        return ended

    return program


@pytest.fixture
def python() -> Run:
    """`python(code)`: run code in another Python, with the test's environment."""

    def program(code: str, **environment: str) -> Ended:
        argv = [sys.executable, "-c", code]
        env = {**os.environ, **environment}
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, env=env)
        return Ended(done.returncode, done.stdout, done.stderr)

    return program


@pytest.fixture
def here(tmp_path: Path) -> Callable[[], list[str]]:
    """`here()`: the files in the test's working directory and below, without parts of unfinished downloads."""

    def files() -> list[str]:
        found = (file.relative_to(tmp_path / "here") for file in (tmp_path / "here").rglob("*"))
        return sorted(str(file) for file in found if not file.name.startswith(".") and not file.is_dir())

    (tmp_path / "here").mkdir(exist_ok=True)
    return files
