"""The main job on systems that lack what only Linux has; a `sitecustomize` hides it, since no macOS is at hand."""

import os
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import run

import pytest
from walks.conftest import sandbox_place
from walks.places import files_below

from ctadata.sandbox import Sandbox
from ctadata.transfer import temp_names

HIDING = Path(__file__).parents[1] / "guard" / "other_systems"
LINUX_ONLY = ("pipe2", "O_TMPFILE", "proc", "prctl", "posix_fadvise", "getrandom", "pidfd_open")
BACKENDS = Path(__file__).parents[1] / "tokens" / "backends"
COMMAND = Path(sysconfig.get_path("scripts")) / "cta-data-direct"


@pytest.fixture
def command(sandbox_box: Sandbox, tmp_path: Path) -> Callable[..., str]:
    """`command(hidden, *arguments)`: run the program as a process from which some parts of Linux are hidden."""
    place, python = sandbox_place(sandbox_box, tmp_path), tmp_path / "python"

    def ran(hidden: str, *arguments: object) -> str:
        python.write_text(
            f"#!/bin/sh\nexport PYTHONPATH='{HIDING}:{BACKENDS}' HIDDEN_PYTHON='{python}' HIDDEN_PARTS='{hidden}'\n"
            f"exec '{sys.executable}' \"$@\"\n"
        )
        python.chmod(0o700)
        line = [python, COMMAND, *map(str, arguments)]
        ended = run(line, env=place.env, capture_output=True, text=True, timeout=300, cwd=tmp_path)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout + ended.stderr

    return ran


@pytest.mark.parametrize(
    "hidden", [" ".join(LINUX_ONLY), *(pytest.param(part, marks=pytest.mark.full("others")) for part in LINUX_ONLY)]
)
def test_the_main_job_needs_nothing_that_only_linux_has(
    command: Callable[..., str], hidden: str, tree: Path, tmp_path: Path
) -> None:
    command(hidden, "start-agent", "-q")
    try:
        command(hidden, "put", "-r", tree, "data")
        command(hidden, "get", "-r", "home:data/night 1", tmp_path / "back")
        assert files_below(tmp_path / "back" / "night 1") == files_below(tree)
        assert "66 files skipped" in command(hidden, "get", "-r", "home:data/night 1", tmp_path / "back")
        assert "running" in command(hidden, "agent-status")
    finally:
        command(hidden, "stop-agent", "-q")
    assert [path.name for path in (tmp_path / "back").rglob(".ctadata*")] == []


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of a keyring that keeps the login of each command."""
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "locked_box.LockedBox")
    monkeypatch.setenv("CTADATA_LOGIN_STORE", "keyring")
    return tmp_path / "box"


def test_the_keyring_keeps_the_login(keyring: Path, command: Callable[..., str], tmp_path: Path) -> None:
    hidden = " ".join(LINUX_ONLY)
    command(hidden, "start-agent", "-q")
    try:
        assert "login         kept in the system's keyring" in command(hidden, "agent-status")
        assert len(list(keyring.iterdir())) == 1
        assert list(tmp_path.rglob("login.json")) == []
    finally:
        command(hidden, "stop-agent", "-q")


@pytest.fixture
def no_proc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hide /proc from the names of temporaries, which remember what they have read there."""

    def forget() -> None:
        for remembered in (temp_names._prefix_of, temp_names._host, temp_names.this_boot):
            remembered.cache_clear()

    forget()
    with monkeypatch.context() as patched:
        patched.setattr(temp_names, "_text", lambda path: "")
        yield
    forget()


@pytest.mark.usefixtures("no_proc")
def test_without_proc_a_signal_tells_whether_the_process_of_a_part_has_ended() -> None:
    ended = run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True).stdout.strip()
    own = temp_names.new_name()
    assert not temp_names.has_ended(own)
    assert temp_names.has_ended(own.replace(f"-{os.getpid()}-", f"-{ended}-"))
