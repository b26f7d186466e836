"""`sandbox`: a test storage on this machine, from its start to its end."""

import os
import re
import signal
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest


def test_the_sandbox_serves_files_until_it_ends(cli):
    settings = cli.cwd / "sandbox.toml"
    process = cli.start("sandbox", "--approve", "--user", "grace", "--write-config", settings)
    first = process.stdout.readline()
    assert stat.S_IMODE(settings.stat().st_mode) == 0o600
    env = {"CTADATA_CONFIG": str(settings)}
    cli("start-agent", env=env, check=0)
    (cli.cwd / "a.txt").write_text("hello")
    cli("put", "a.txt", "home:", env=env, check=0)
    assert cli("list", "home:", env=env, check=0).out == "lst/users/grace/a.txt\n"
    cli("stop-agent", env=env, check=0)

    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    out, err = first + process.stdout.read(), process.stderr.read()
    assert f"export CTADATA_CONFIG={settings}" in err
    profile = tomllib.loads(out)["profiles"]["sandbox"]
    assert not Path(profile["ca"]).exists()
    assert not settings.exists()


def test_a_shell_in_which_the_examples_work(cli):
    script = (
        "cta-data-direct start-agent 2>/dev/null && cta-data-direct get lst/run1/events.h5 && cat events.h5\n"
        "cta-data-direct put -q results.txt plots/ && pwd >&2\n"
        "exit 7\n"
    )
    env = cli.environment({"SHELL": "/bin/sh", "BEARER_TOKEN": "x"})
    command = [sys.executable, "-m", "ctadata", "sandbox", "--shell"]
    ended = subprocess.run(command, input=script, env=env, cwd=cli.cwd, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (7, "events"), ended.stderr
    here = Path(ended.stderr.splitlines()[-1])
    assert here.name == "here"
    assert not here.exists()
    assert not (Path(os.environ["XDG_STATE_HOME"]) / "ctadata" / "tokens").exists()


def test_ctrl_c_ends_the_sandbox(cli):
    terminal = cli.terminal("sandbox", columns=200)
    path = Path(terminal.expect(r"export CTADATA_CONFIG=(\S+)\n")[1])
    terminal.expect("cta-data-direct list\n")
    assert "[profiles.sandbox]\n" in terminal.text
    assert tomllib.loads(path.read_text())["default"] == "sandbox"
    terminal.send("\x03")
    assert terminal.end() == 0
    assert "Traceback" not in terminal.text
    assert not path.parent.exists()


def test_settings_that_cannot_be_written(cli):
    ended = cli("sandbox", "--write-config", "/nowhere/x.toml")
    assert (ended.code, ended.out) == (11, "")
    assert ended.err == "cta-data-direct: /nowhere/x.toml: local: No such file or directory\n"


def test_settings_that_no_sandbox_wrote_stay(cli):
    mine = cli.cwd / "config.toml"
    mine.write_text('[profiles.mine]\ndoor = "https://d"\n')
    ended = cli("sandbox", "--write-config", mine)
    assert (ended.code, ended.out) == (8, "")
    assert ended.err == f"cta-data-direct: {mine}: the file exists, and no sandbox wrote it (choose another name)\n"
    assert mine.read_text() == '[profiles.mine]\ndoor = "https://d"\n'


def test_a_fifo_and_a_directory_are_no_file_of_a_sandbox(cli):
    os.mkfifo(cli.cwd / "fifo")
    (cli.cwd / "folder").mkdir()
    for name in ("fifo", "folder"):
        assert "no sandbox wrote it" in cli("sandbox", "--write-config", name, check=8).err


def test_settings_of_a_sandbox_that_was_killed_are_taken_over(cli):
    settings = cli.cwd / "sandbox.toml"
    for end in (signal.SIGKILL, signal.SIGTERM):
        process = cli.start("sandbox", "--write-config", settings)
        assert process.stdout.readline() == "[profiles.sandbox]\n"
        process.send_signal(end)
        process.wait(60)
        assert settings.exists() == (end == signal.SIGKILL)
    assert [path.name for path in cli.cwd.iterdir()] == []


def test_settings_that_were_changed_meanwhile_stay(cli):
    settings = cli.cwd / "sandbox.toml"
    process = cli.start("sandbox", "--write-config", settings)
    process.stdout.readline()
    settings.write_text("mine now")
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert settings.read_text() == "mine now"


@pytest.mark.parametrize("user", ["", "..", "a/b", "a\nb"])
def test_an_invalid_user_name_is_refused(cli, user):
    assert "is no user name" in cli("sandbox", "--user", user, check=2).err


@pytest.mark.parametrize("missing", ["trustme", "joserfc"])
def test_without_the_extra_it_says_what_to_install(cli, missing):
    code = (
        "import sys\nsys.modules[sys.argv.pop(1)] = None\nfrom ctadata.cli.main import run\nsys.exit(run(['sandbox']))"
    )
    done = subprocess.run([sys.executable, "-c", code, missing], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert re.fullmatch(rf"cta-data-direct: .*{missing}.* -m pip install trustme joserfc\)\n", done.stderr)


def test_help_names_every_step(cli):
    out = cli("sandbox", "--help").out
    for step in (
        "sandbox --shell",
        "start-agent",
        "get lst/run1/events.h5",
        "put events.h5 home:",
        "stop-agent",
        "export CTADATA_CONFIG=",
    ):
        assert step in out
