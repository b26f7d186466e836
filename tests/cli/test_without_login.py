"""Messages and files of the agent's commands without a login."""

import json
import os
import signal
from pathlib import Path

import pytest

from ctadata.sandbox import Sandbox


@pytest.fixture(scope="module")
def box():
    """A sandbox in which nobody approves a login."""
    with Sandbox() as box:
        yield box


@pytest.fixture
def at_site(cli, box, tmp_path):
    """The command, with the sandbox as its site and without a login."""
    settings = tmp_path / "settings.toml"
    settings.write_text(f'default = "sandbox"\n{box.profile_toml()}')
    cli.env = {"CTADATA_CONFIG": str(settings)}
    return cli


def files_of_home():
    return [path for path in Path(os.environ["HOME"]).rglob("*") if path.is_file() and not path.name.endswith(".lock")]


def test_status_names_no_file_that_is_not_there(at_site):
    lines = at_site("agent-status", check=4).out.splitlines()
    assert [word for line in lines for word in line.split() if word.startswith("/")] == []
    fields = json.loads(at_site("agent-status", "--json", check=4).out)
    assert [value for value in fields.values() if isinstance(value, str) and value.startswith("/")] == []


@pytest.mark.parametrize("foreground", [[], ["--foreground"]])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_start_agent_that_is_killed_while_it_waits_leaves_nothing(at_site, how, foreground):
    before = {process for process in os.listdir("/proc") if process.isdigit()}
    terminal = at_site.terminal("start-agent", *foreground)
    terminal.expect("Waiting for you")
    os.kill(terminal.process.pid, how)
    assert terminal.end() == -how
    assert files_of_home() == []
    left = {process for process in os.listdir("/proc") if process.isdigit()} - before
    assert [process for process in left if os.environ["HOME"] in environment(process)] == []


def environment(process):
    try:
        return Path("/proc", process, "environ").read_bytes().decode(errors="replace")
    except OSError:
        return ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["start-agent"],
        ["start-agent", "--foreground"],
        ["start-agent", "-s", "-"],
        ["get-token"],
        ["list", "--login"],
        ["put", "-", "home:x"],
    ],
    ids=" ".join,
)
def test_no_input_never_waits_for_a_person(at_site, arguments):
    terminal = at_site.terminal("--no-input", *arguments)
    assert terminal.end() in (2, 4), terminal.text
    assert "Waiting for you" not in terminal.text


def test_no_input_does_not_wait_for_the_person_that_another_process_waits_for(at_site):
    waiting = at_site.terminal("start-agent")
    waiting.expect("Waiting for you")
    assert "another process waits" in at_site("--no-input", "get-token", check=4).err


def test_stop_agent_says_that_commands_renew_too(run):
    text = " ".join(run("stop-agent", "--help").out.split())
    assert "renews it itself" in text
    assert "logout" in text
