"""The commands of the agent: login, status, token and stop."""

import json
import os
import re
import subprocess
import sys

import pytest

from ctadata.sandbox import Sandbox


@pytest.fixture
def fresh(cli, tmp_path):
    """`fresh(**options)` starts a sandbox for this test, without a login; its agent is stopped after the test."""
    boxes = []

    def start(**options):
        box = Sandbox(**{"approve": True, **options}).start()
        boxes.append(box)
        settings = tmp_path / "settings.toml"
        settings.write_text(f'default = "sandbox"\n{box.profile_toml()}')
        cli.env = {"CTADATA_CONFIG": str(settings)}
        return box

    yield start
    if cli.env:
        cli("stop-agent", env={"CTADATA_CLIENT_SECRET": ""})
    for box in boxes:
        box.close()


def test_start_status_and_stop(cli, fresh):
    box = fresh()
    begun = cli("start-agent", check=0)
    assert begun.out == ""
    assert re.search(rf"^  {re.escape(box.issuer)}/device\?user_code=\S+$", begun.err, re.MULTILINE)
    assert re.search(r"it shows the code  \S+", begun.err)
    number = re.search(r"logged in as ada at sandbox; process (\d+) keeps the login fresh\n$", begun.err)[1]

    status = cli("agent-status", check=0)
    assert status.err == ""
    fields = dict(re.split(r"  +", line, maxsplit=1) for line in status.out.splitlines())
    assert fields["agent"].startswith(f"running, process {number}")
    assert fields["user"] == "ada"
    assert re.fullmatch(r"good until \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ, .*", fields["token"])
    assert oct(os.stat(fields["token file"]).st_mode & 0o777) == "0o600"

    assert "lst/" in cli("list", "-v", check=0).out
    assert "token from the agent" in cli("list", "-v", check=0).err
    assert "the agent of sandbox has ended" in cli("stop-agent", check=0).err
    assert "no agent of sandbox is running" in cli("stop-agent", check=0).err
    assert "not running" in cli("agent-status", check=0).out


def test_a_second_start_leaves_the_first_alone(cli, fresh):
    fresh()
    first = cli("start-agent", check=0).err.splitlines()[-1]
    second = cli("start-agent", check=0).err
    assert second == first + "\n"


def test_status_for_programs(cli, fresh):
    fresh()
    before = cli("agent-status", "--json")
    assert before.code == 4
    fields = json.loads(before.out)
    assert (fields["schema"], fields["running"], fields["login_needed"]) == (1, False, True)
    cli("start-agent", "-q", check=0)
    fields = json.loads(cli("agent-status", "--json", check=0).out)
    assert (fields["running"], fields["user"], fields["login_needed"]) == (True, "ada", False)


def test_status_without_a_login_exits_with_4(cli, fresh):
    fresh()
    status = cli("agent-status", check=4)
    assert "log in: cta-data-direct start-agent -P sandbox" in status.out
    assert cli("agent-status", "-q", check=4).out == ""
    listing = cli("list", check=4)
    assert "start-agent" in listing.err
    token = cli("get-token", check=4)
    assert (token.out, token.err.count("\n")) == ("", 1)


def test_get_token_prints_the_token(cli, fresh):
    box = fresh()
    cli("start-agent", check=0)
    token = cli("get-token", check=0)
    assert token.err == ""
    assert token.out.count("\n") == 1
    assert token.out.count(".") == 2
    assert cli("list", "-v", env={"BEARER_TOKEN": token.out.strip()}, check=0).err.count("BEARER_TOKEN") == 1
    assert box.issuer


def test_get_token_on_a_terminal_logs_in(cli, fresh):
    fresh()
    terminal = cli.terminal("get-token", columns=2000)
    terminal.expect(r"it shows the code  \S+")
    assert terminal.end() == 0
    assert terminal.text.splitlines()[-1].count(".") == 2


@pytest.mark.parametrize(
    ("rows", "options", "env", "drawn"),
    [(24, [], {}, True), (22, [], {}, False), (24, ["--no-qr"], {}, False), (24, [], {"TERM": "dumb"}, False)],
)
def test_address_and_code_stay_on_the_screen_below_a_qr_code(cli, fresh, rows, options, env, drawn):
    box = fresh(approve=False)
    terminal = cli.terminal("start-agent", *options, rows=rows, env=env)
    code = terminal.expect(r"it shows the code  (\S+)")[1]
    terminal.expect(r"Waiting for you, 10:00 min at most; Ctrl-C stops.")
    lines = terminal.text.splitlines()
    assert bool(re.search("[\u2580\u2584\u2588]{5}", terminal.text)) == drawn
    assert len(lines) <= rows
    assert max(map(len, lines)) <= 80
    assert f"device?user_code={code}" in "".join(lines[-5:])
    if "TERM" not in env:
        terminal.expect(r"Waiting for you, 9:5\d min at most; Ctrl-C stops.")  # it counts down
    box.approve(code, "grace")
    assert terminal.end() == 0
    assert "logged in as grace at sandbox" in terminal.text


def test_the_countdown_is_one_line_of_a_narrow_terminal(cli, fresh):
    fresh(approve=False)
    terminal = cli.terminal("start-agent", "--no-qr", columns=30)
    terminal.expect(r"Waiting for you, 9:5\d min")
    shown = [line for line in re.split("[\r\n]", terminal.text) if "Waiting" in line]
    assert len(shown) >= 2
    assert max(map(len, shown)) < 30


def test_a_denied_login_is_an_error(cli, fresh):
    box = fresh(approve=False)
    process = cli.start("start-agent")
    line = next(line for line in process.stderr if "it shows the code" in line)
    box.deny(line.split()[-1])
    assert process.wait(60) == 4
    assert "the login was denied" in process.stderr.read()


def test_ctrl_c_ends_the_wait_for_a_login(cli, fresh):
    fresh(approve=False)
    terminal = cli.terminal("start-agent", rows=60)
    terminal.expect("Ctrl-C stops")
    terminal.send("\x03")
    assert terminal.end() == 130, terminal.text
    assert "Traceback" not in terminal.text
    assert terminal.text.endswith("cta-data-direct: stopped\n")


class TestSecrets:
    def test_a_secret_on_the_command_line_prints_a_warning(self, cli, fresh):
        box = fresh(confidential=True)
        begun = cli("start-agent", "-s", box.client_secret, check=0)
        assert "warning: a secret on the command line shows in ps" in begun.err
        assert box.client_secret not in begun.err

    def test_a_secret_is_read_from_a_pipe(self, cli, fresh):
        box = fresh(confidential=True)
        begun = cli("start-agent", "-s", "-", stdin=f"{box.client_secret}\n".encode(), check=0)
        assert "warning" not in begun.err

    def test_a_secret_is_read_from_the_environment(self, cli, fresh):
        box = fresh(confidential=True)
        cli("start-agent", env={"CTADATA_CLIENT_SECRET": box.client_secret}, check=0)

    def test_a_terminal_asks_for_a_needed_secret_without_echo(self, cli, fresh):
        box = fresh(confidential=True)
        terminal = cli.terminal("start-agent", rows=60)
        terminal.expect(f"Secret of the client {box.client_id} .not shown.: ")
        terminal.send(box.client_secret + "\n")
        assert terminal.end() == 0
        assert box.client_secret not in terminal.raw
        assert "logged in as ada" in terminal.text

    def test_a_pipe_is_not_asked_for_a_secret(self, cli, fresh):
        fresh(confidential=True)
        ended = cli("start-agent")
        assert ended.code == 2
        assert "secret" in ended.err

    def test_an_empty_secret_is_no_secret(self, cli, fresh):
        fresh(confidential=True)
        assert cli("start-agent", "-s", "-", stdin=b"").code == 2


def test_an_unreachable_issuer_is_an_error(cli, fresh):
    fresh()
    ended = cli("start-agent", env={"CTADATA_ISSUER": "https://localhost:1/realms/x"})
    assert ended.code == 5
    assert ended.err.count("\n") == 1


def test_a_profile_without_an_issuer_is_an_error(cli, tmp_path):
    settings = tmp_path / "s.toml"
    settings.write_text('[profiles.mine]\ndoor = "https://localhost:1"\n')
    ended = cli("start-agent", "-P", "mine", env={"CTADATA_CONFIG": str(settings)})
    assert ended.code == 2
    assert "issuer" in ended.err


def test_the_agents_interpreter_starts_in_any_directory(cli, fresh, tmp_path):
    fresh()
    (cli.cwd / "json.py").write_text("raise SystemExit('the directory one stands in is no library')")
    for command in ("start-agent", "stop-agent"):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "ctadata", command],
            cwd=cli.cwd,
            env=cli.environment(None),
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, done.stderr
