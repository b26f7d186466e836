"""`cta-data` and `cta-data-direct`: one program with two names."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from servers.platform_site import Platform

from ctadata.cli import options

ROOT = Path(__file__).parents[2]
PATIENCE = 60

# one process for many command lines: a JSON object a line, in and out
DRIVER = """
import io, json, os, sys
program, talk = sys.argv[1], os.fdopen(os.dup(1), "w")
sys.argv = [f"/usr/bin/{program}"]
from ctadata.cli.main import run
for line in sys.stdin:
    request = json.loads(line)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv[1:] = request["argv"]
    sys.stdout, sys.stderr = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    code = run(request["argv"])
    out, err = (stream.buffer.getvalue().decode() for stream in (sys.stdout, sys.stderr))
    print(json.dumps([code, out, err]), file=talk, flush=True)
"""


@dataclass
class Ended:
    code: int
    out: str
    err: str


@contextmanager
def called(name: str) -> Iterator[Callable[..., Ended]]:
    """The program under a name: give it one command line after the other."""
    argv = [sys.executable, "-c", DRIVER, name]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def run(*arguments: str) -> Ended:
            asked = {"argv": arguments, "cwd": os.getcwd(), "env": dict(os.environ)}
            process.stdin.write(json.dumps(asked) + "\n")
            process.stdin.flush()
            ended = Ended(*json.loads(process.stdout.readline()))
            assert "Traceback" not in ended.err
            return ended

        try:
            yield run
        finally:
            process.stdin.close()
            process.wait(PATIENCE)


@pytest.fixture(scope="module")
def cta_data() -> Iterator[Callable[..., Ended]]:
    with called("cta-data") as run:
        yield run


def test_both_names_are_installed() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts["cta-data"] == scripts["ctadata"] == scripts["cta-data-direct"]


def test_the_other_name_is_the_same_program(tmp_path: Path) -> None:
    with called("ctadata") as run:
        assert run("list", "--help").out.startswith("Usage: cta-data list")


def test_help_is_of_the_name_it_is_called_by(cta_data) -> None:
    said = cta_data("--help")
    assert "JupyterHub" in said.out
    commands = set(re.findall(r"^  ([a-z-]+)  ", said.out.partition("-h, --help")[2], re.MULTILINE))
    assert commands >= options.AT_PLATFORM
    assert {"start-agent", "stop-agent", "print-token"} <= commands
    assert not {"mv", "rm", "sandbox"} & commands
    for command in ("get", "put", "list", "start-agent"):
        text = cta_data(command, "--help").out
        assert f"cta-data {command}" in text
        assert "cta-data-direct" not in text


def test_a_run_leaves_a_receipt_that_is_verified_and_tried_again(on_platform: Platform, cta_data) -> None:
    for name in ("a", "b"):
        on_platform.put(f"lst/d/{name}", name.encode())
    assert cta_data("get", "-r", "lst/d", "--receipt", "r").code == 0
    assert "cta-data: 2 files verified" in cta_data("verify", "r").err
    Path("lst/d/b").unlink()
    assert cta_data("verify", "r").code != 0
    assert cta_data("get", "--retry-failed", "r").code == 0
    assert Path("lst/d/b").read_bytes() == b"b"


def test_pipes_and_syncs_are_those_of_the_other_program(on_platform: Platform, cta_data) -> None:
    on_platform.put(f"{on_platform.home}/piped", b"out of a pipe")
    assert cta_data("cat", "home:piped").out == "out of a pipe"
    Path("tree").mkdir()
    Path("tree/f").write_text("f")
    os.utime("tree/f", (1e9, 1e9))  # a listing there tells whole seconds
    assert cta_data("sync", "tree", "home:tree").code == 0
    assert "1 file skipped" in cta_data("sync", "tree", "home:tree").err
    assert cta_data("sync", "--delete", "--yes", ":lst/users", "back").code == 0
    assert Path("back", on_platform.home.rpartition("/")[2], "tree", "f").read_text() == "f"


def test_what_is_there_is_sent_again_and_replaced(on_platform: Platform, cta_data) -> None:
    Path("f").write_text("same")
    assert cta_data("put", "f", "f").code == 0
    assert "1 file done" in cta_data("put", "f", "f").err
    (on_platform.files / on_platform.home / "f").write_text("SAME")
    assert cta_data("put", "f", "f").code == 0
    assert on_platform.read(f"{on_platform.home}/f") == b"same"


def test_patterns_keep_the_whole_path_too(on_platform: Platform, cta_data) -> None:
    for run in (1, 2):
        on_platform.put(f"lst/run{run}/f", b"f")
    assert cta_data("get", "-r", "lst/run*").code == 0
    assert Path("lst/run1/f").exists()
    assert Path("lst/run2/f").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-P", "cscs", "list"), "no profiles"),
        (("list", "cscs:lst"), "no profiles"),
        (("list", "--login", "lst"), "log in with cta-data-direct"),
        (("get", "-j", "0", "lst/f"), "--jobs"),
        (("list", "--token-file", "nothing"), "the token cannot be read"),
        (("list", "--token-file", "/dev/zero"), "at most 1 MiB"),
    ],
)
def test_what_makes_no_sense_there_is_refused_in_a_line(on_platform: Platform, cta_data, arguments, words) -> None:
    said = cta_data(*arguments)
    assert (said.code, said.out) == (2, "")
    assert words in said.err
    assert said.err.count("\n") == 1


def test_what_the_platform_refuses_is_in_no_help(cta_data) -> None:
    with called("cta-data-direct") as direct:
        assert all(
            f" {option} " in direct("get", "--help").out for option in ("--stage", "--login", "--profile", "--dev")
        )
    for command in options.AT_PLATFORM:
        said = cta_data(command, "--help").out
        refused = (
            "--stage",
            "--login",
            "--profile",
            "--dev",
            "--content-type",
            "--redirect-to",
            "cscs:",
            "cta-data rm",
        )
        assert [words for words in refused if words in said] == [], command
    assert "--dev" in cta_data("start-agent", "--help").out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("rm", "lst/f"), "no such command 'rm', but cta-data-direct has it (see"),
        (("xyzzy",), "no such command 'xyzzy' (see"),
        (("upload-personal-certificate",), "as in: upload-personal-certificate FILE KEY (see"),
        (("verify",), "as in: verify RECEIPT... (see"),
    ],
)
def test_a_command_line_that_is_none_is_told_what_to_do(cta_data, arguments, words) -> None:
    said = cta_data(*arguments)
    assert (said.code, said.out) == (2, "")
    assert words in said.err
    assert said.err.count("\n") == 1


def test_the_token_may_be_in_a_file(on_platform: Platform, cta_data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUPYTERHUB_API_TOKEN")
    Path("token").write_text(f"{on_platform.token}\n")
    assert cta_data("list", "--token-file", "token").code == 0


def test_certificates_are_told_of_and_files_that_are_none_in_a_line(on_platform: Platform, cta_data) -> None:
    Path("user.pem").write_bytes(on_platform.papers.certificate())
    said = cta_data("upload-personal-certificate", "--json", "user.pem", "lst")
    assert '"certificate_key": "lst"' in said.out
    assert '"lst": "good' in cta_data("certificate-status", "--json").out
    assert cta_data("upload-personal-certificate", "missing.pem", "lst").code == 3
    assert cta_data("upload-personal-certificate", ".", "lst").code == 11


def test_completion_offers_what_is_there(on_platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    on_platform.put("lst/run1/f")
    monkeypatch.setenv("_CTA_DATA_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "cta-data\nlist\nlst/r")  # as bash joins them
    monkeypatch.setenv("COMP_CWORD", "2")
    started = (  # with patience for a busy machine
        "import sys; sys.argv = ['cta-data']; from ctadata.cli import completion; completion.TIMEOUT = 60;"
        "from ctadata.__main__ import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", started], capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout.split() == ["lst/run1/", "lst/run1/f"]
