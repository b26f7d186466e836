"""Defects of older clients' commands, which must not come back."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from flask import request
from servers.platform_door import says, stuck
from servers.platform_site import Platform

ROOT = Path(__file__).parents[2]
COMMANDS = ("cta-data", "cta-data-direct", "ctadata")


def test_an_installed_package_has_the_commands(tmp_path):
    """The commands are in the wheel that a user installs, not only in this checkout."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=60)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        assert {name.split("/")[0].split("-")[0] for name in packed.namelist()} == {"ctadata"}  # and no tests
        (name,) = [name for name in packed.namelist() if name.endswith("entry_points.txt")]
        scripts = packed.read(name).decode()
    assert [command for command in COMMANDS if f"\n{command} = " not in scripts] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_starts(command):
    (script,) = entry_points(group="console_scripts", name=command)
    assert callable(script.load())


def test_a_directory_without_r_is_an_error_and_uploads_nothing(on_platform: Platform, run):
    Path("tree").mkdir()
    Path("tree/f").write_text("x")
    ended = run("cta-data", "put", "tree", "there")
    assert ended.code == 2
    assert "-r" in ended.err
    assert on_platform.tree(on_platform.home) == []


def test_failures_have_a_line_on_stderr_and_a_code_and_nothing_on_stdout(on_platform: Platform, run):
    ended = run("cta-data", "get", "lst/missing")
    assert (ended.code, ended.out) == (3, "")
    assert ended.err.count("\n") == 1
    assert "lst/missing" in ended.err


def test_without_a_token_the_code_is_that_of_a_missing_login(on_platform: Platform, run, monkeypatch):
    monkeypatch.delenv("JUPYTERHUB_API_TOKEN")
    ended = run("cta-data", "list", "lst")
    assert (ended.code, ended.out) == (4, "")
    assert "JUPYTERHUB_API_TOKEN" in ended.err


def test_a_listing_prints_names_and_with_json_objects(on_platform: Platform, run):
    on_platform.put("lst/d/a b", b"123")
    listed = run("cta-data", "list", "lst/d", check=0)
    assert "{" not in listed.out
    assert "a b" in listed.out
    assert "INFO" not in listed.err
    rows = [json.loads(line) for line in run("cta-data", "list", "--json", "lst/d", check=0).out.splitlines()]
    assert any("a b" in str(row) and "3" in str(row) for row in rows)


def test_it_prints_its_version_and_points_to_the_help(run):
    assert run("cta-data", "--version", check=0).out.strip()[-1].isdigit() or "dev" in run("cta-data", "--version").out
    said = run("cta-data", "--help", check=0).out
    for command in ("list", "get", "put", "upload-personal-certificate", "upload-shared-certificate"):
        assert command in said


def test_a_tree_that_failed_in_part_has_its_own_exit_code(on_platform: Platform, here: Callable, run):
    for name in ("good", "bad"):
        on_platform.put(f"lst/d/{name}", b"x" * 100)
    on_platform.door.fault("GET", "lst/d/bad", *[says("403 Forbidden")] * 20)
    ended = run("cta-data", "get", "-r", "lst/d")
    assert ended.code == 6
    assert "lst/d/bad" in ended.err
    assert here() == ["lst/d/good"]


def test_an_interrupted_download_leaves_the_old_copy(on_platform: Platform):
    reached = threading.Event()
    on_platform.put("lst/run.h5", b"x" * 1_000_000)
    on_platform.door.fault("GET", "lst/run.h5", stuck(500_000, reached, on_platform.state.released))
    Path("run.h5").write_bytes(b"the former copy")
    argv = [str(Path(sys.executable).with_name("cta-data")), "get", "lst/run.h5"]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert reached.wait(60)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, b"")
    assert b"Traceback" not in err
    assert Path("run.h5").read_bytes() == b"the former copy"


def test_an_interrupted_upload_warns_of_a_broken_file(on_platform: Platform):
    reached = threading.Event()

    def stuck_upload() -> None:
        request.stream.read(100_000)
        reached.set()
        on_platform.silence()

    on_platform.instead("POST", "downloadservice/upload/up/run.h5", stuck_upload)
    Path("run.h5").write_bytes(b"x" * 20_000_000)
    argv = [str(Path(sys.executable).with_name("cta-data")), "put", "run.h5", "up/"]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert reached.wait(60)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, b"")
    lines = err.decode().splitlines()
    lines.remove("cta-data: stopping; Ctrl-C again ends at once")  # printed by a thread that nobody waits for
    assert lines == [
        f"cta-data: /{on_platform.home}/up/run.h5 may be incomplete on the storage: its upload was stopped",
        "cta-data: the same command sends all files again; sync sends the missing ones",
        "cta-data: stopped",
    ]


@pytest.mark.parametrize("arguments", [("--dev", "list", "lst"), ("-d", "get", "lst/f")])
def test_the_service_refuses_the_development_site_with_a_reason(on_platform: Platform, run, arguments):
    ended = run("cta-data", *arguments)
    assert ended.code == 2
    assert "cta-data-direct" in ended.err
    assert on_platform.requests == []


def test_printing_the_token_without_a_login_is_an_error(on_platform: Platform, run):
    ended = run("cta-data", "print-token")
    assert (ended.code, ended.out) == (4, "")
    assert "start-agent" in ended.err


def test_stopping_without_an_agent_does_not_end_the_next_one(run):
    """In 0.7 a stop file that was never deleted ended the next agent at once."""
    for _ in range(2):
        assert run("cta-data", "stop-agent").code == 0
    assert list(Path.home().rglob("*stop*")) == []
