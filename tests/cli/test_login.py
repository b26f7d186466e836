"""The login: logout, log, foreground, one-shot, `--login`, env, exec, and the files of versions 0.6 and 0.7."""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Event

import pytest

from ctadata.sandbox import Sandbox, faults
from ctadata.sandbox.issuer import CONNECT


@pytest.fixture
def fresh(cli, tmp_path):
    """`fresh(**options)` starts a sandbox for this test, without a login; its agent is stopped after the test."""
    boxes = []

    def start(name="sandbox", **options):
        box = Sandbox(**{"approve": True, **options}).start()
        boxes.append(box)
        settings = tmp_path / "settings.toml"
        settings.write_text(f'default = "{name}"\n{box.profile_toml(name)}')
        cli.env = {"CTADATA_CONFIG": str(settings)}
        return box

    yield start
    if cli.env:
        cli("stop-agent")
    for box in boxes:
        box.close()


def folder(name="sandbox"):
    return Path(os.environ["XDG_STATE_HOME"]) / "ctadata" / "tokens" / name


def until(probe, timeout=60):
    """Wait until a probe of another process is true; there is no event to wait for."""
    ends, pause = time.monotonic() + timeout, Event()
    while not probe():
        assert time.monotonic() < ends, f"not within {timeout} s"
        pause.wait(0.02)


def begun(process):
    """Return the line that an agent in the foreground prints when it has started."""
    while line := process.stderr.readline():
        if "keeps the login fresh" in line:
            return line
    raise AssertionError("it has ended")


class TestLogout:
    def test_logout_ends_the_login_locally_and_at_the_issuer(self, cli, fresh):
        box = fresh()
        cli("start-agent", check=0)
        ended = cli("logout", check=0)
        assert ended.err.startswith("cta-data-direct: logged out at sandbox")
        assert "copies of the last token stay valid for another" in ended.err
        assert not {"token", "token.json", "login.json"} & {path.name for path in folder().iterdir()}
        assert cli("agent-status", check=4).out.count("not running") == 1
        assert [seen.target for seen in box.seen if seen.target.endswith("/revoke")] == [f"{CONNECT}/revoke"]
        assert "there was no login" in cli("logout", "-P", "cscs", check=0).err

    def test_logout_removes_nothing_if_the_issuer_does_not_answer(self, cli, fresh):
        box = fresh()
        cli("start-agent", check=0)
        box.faults.add("issuer", "POST", f"{CONNECT}/revoke", faults.Status(503, "Gone fishing"))
        ended = cli("logout", check=5)
        assert "503 Gone fishing (nothing was deleted; --local" in ended.err
        assert (folder() / "login.json").exists()
        ended = cli("logout", "--local", check=0)
        assert "the issuer was not asked" in ended.err
        assert not (folder() / "login.json").exists()

    def test_logout_of_an_ended_login_succeeds(self, cli, fresh):
        box = fresh()
        cli("start-agent", check=0)
        box.revoke_sessions()
        cli("logout", check=0)
        assert not (folder() / "login.json").exists()


def test_another_door_needs_a_new_login(cli, fresh):
    """The settings name the new door, but no token is sent to it and none is renewed for it."""
    box = fresh()
    cli("start-agent", check=0)
    cli("list", "/", check=0)
    settings = Path(cli.env["CTADATA_CONFIG"])
    usual, login = settings.read_text(), (folder() / "login.json").read_text()
    with Sandbox() as evil:
        settings.write_text(usual.replace(box.door, evil.door).replace(str(box.ca), str(evil.ca)))
        copy = {"BEARER_TOKEN_FILE": str(folder() / "token")}
        for env in ({}, copy):
            stderr = cli("list", "/", env=env, check=4).err
            assert f"now names {evil.door}" in stderr
            assert "start-agent -P sandbox" in stderr
        assert "the login was for" in cli("agent-status", check=4).out
        assert not any(seen.headers.get("Authorization") for seen in evil.seen)
        settings.write_text(usual)
        assert (folder() / "login.json").read_text() == login
        cli("list", "/", check=0)
        wider = usual.replace("[profiles.sandbox]", f'[profiles.sandbox]\ntoken_origins = ["{evil.door}"]')
        settings.write_text(wider)
        cli("list", "/", check=4)
        started = cli.terminal("start-agent")
        assert started.end() == 0
        cli("list", "/", check=0)


class TestLog:
    def test_the_log_shows_what_the_agent_did(self, cli, fresh):
        fresh()
        assert "no agent of sandbox has written anything yet" in cli("agent-log", check=0).err
        cli("start-agent", check=0)
        assert re.fullmatch(r"\S+ \S+ INFO the agent starts, process \d+\n", cli("agent-log", "-n", "1", check=0).out)


class TestForeground:
    def test_the_foreground_agent_runs_until_sigterm(self, cli, fresh):
        box = fresh(token_lifetime=3)
        cli("get-token", "-s", "x", check=4)  # nobody sees a code
        cli("start-agent", "-q", check=0)
        cli("stop-agent", check=0)
        process = cli.start("start-agent", "--foreground")
        assert "this process keeps the login fresh" in begun(process)
        fields = json.loads(cli("agent-status", "--json", check=0).out)
        assert (fields["running"], fields["pid"]) == (True, process.pid)
        before = len(box.seen)
        box.wait_for(lambda _: len(box.seen) > before, timeout=60)
        second = cli("start-agent", "--foreground", check=8)
        assert f"an agent is already running (process {process.pid} on " in second.err
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0

    def test_its_files_are_private_whatever_the_umask(self, cli, fresh):
        fresh()
        cli("start-agent", "--one-shot", check=0)
        begun(cli.start("start-agent", "--foreground", umask=0))
        assert {path.stat().st_mode & 0o777 for path in folder().iterdir()} == {0o600}
        assert (folder() / "agent.log").exists()

    def test_the_end_of_the_login_ends_the_agent_with_4(self, cli, fresh):
        box = fresh(token_lifetime=3)
        cli("start-agent", "-q", check=0)
        cli("stop-agent", check=0)
        process = cli.start("start-agent", "--foreground")
        begun(process)
        box.revoke_sessions()
        assert process.wait(60) == 4
        assert "log in: cta-data-direct start-agent -P sandbox" in process.stderr.read()

    def test_without_a_login_and_a_terminal_it_is_an_error(self, cli, fresh):
        box = fresh()
        assert "start-agent -P sandbox" in cli("start-agent", "--foreground", check=4).err
        assert not [seen for seen in box.seen if seen.target.endswith("/auth/device")]  # no login unasked


def test_one_shot_is_get_token(cli, fresh):
    fresh()
    done = cli("start-agent", "--one-shot", check=0)
    assert (done.out.count("\n"), done.out.count(".")) == (1, 2)
    assert "not running" in cli("agent-status", check=0).out
    assert cli("start-agent", "--one-shot", "--foreground").code == 2
    assert cli("get-token", "--min-life", "1", check=0).out == done.out
    assert cli("get-token", "--min-life", "290", check=0).out == done.out  # half its life will do


def test_status_says_where_the_login_is_and_whose(cli, fresh):
    box = fresh()
    cli("start-agent", check=0)
    status = cli("agent-status", env={"BEARER_TOKEN": "old"}, check=0).out
    assert f"issuer        {box.issuer}\n" in status
    assert f"login         kept in {folder()}/login.json\n" in status
    assert "BEARER_TOKEN is set" in status
    fields = json.loads(cli("agent-status", "--json", check=0).out)
    assert (fields["storage"], fields["login_place"]) == ("file", f"{folder()}/login.json")
    assert (fields["issuer"], fields["published"], bool(fields["host"])) == (box.issuer, None, True)


class TestPublish:
    def test_publish_copies_the_token_to_the_standard_path(self, cli, fresh):
        fresh(token_lifetime=3)
        place = Path(os.environ["XDG_RUNTIME_DIR"]) / f"bt_u{os.geteuid()}"
        cli("start-agent", check=0)
        assert not place.exists()
        cli("start-agent", "--publish", check=0)  # takes the place of one that publishes nothing
        assert place.stat().st_mode & 0o777 == 0o600
        first = place.read_text()
        until(lambda: place.read_text() != first)
        assert f"published     {place}\n" in cli("agent-status", check=0).out
        cli("logout", check=0)
        assert not place.exists()

    @pytest.mark.parametrize(("prepare", "code", "words"), [
        (lambda run: {"XDG_RUNTIME_DIR": ""}, 2, "XDG_RUNTIME_DIR is not set"),
        (lambda run: run.chmod(0o770) or {}, 11, "other users can write into this directory"),
    ])  # fmt: skip
    def test_publish_refuses_a_directory_that_others_can_write(self, cli, fresh, prepare, code, words):
        box = fresh()
        ended = cli("start-agent", "--publish", env=prepare(Path(os.environ["XDG_RUNTIME_DIR"])), check=code)
        assert words in ended.err
        assert box.seen == []


class TestLoginOption:
    def test_login_starts_the_agent_on_a_terminal(self, cli, fresh):
        fresh().files.put("/lst/a", b"content")
        terminal = cli.terminal("get", "--login", "lst/a", columns=2000)
        terminal.expect(r"it shows the code  \S+")
        assert terminal.end() == 0
        assert (cli.cwd / "a").read_bytes() == b"content"
        assert "running" in cli("agent-status", check=0).out
        again = cli.terminal("list", "--login", "lst", columns=2000)
        assert again.end() == 0
        assert "code" not in again.text

    def test_without_a_terminal_login_is_an_error(self, cli, fresh):
        box = fresh()
        for words in (["get", "--login", "lst/a"], ["get", "lst/a"], ["put", "--login", "settings.toml", "x"]):
            assert "log in: cta-data-direct start-agent -P sandbox" in cli(*words, check=4).err
        line = "no token for the profile sandbox (log in: cta-data-direct start-agent -P sandbox)"
        assert cli("list", check=4).err == f"cta-data-direct: {line}\n"
        assert box.seen == []


class TestExpiredToken:
    """The expired token is the only one that the command has."""

    @pytest.fixture
    def ended(self, cli):
        """`ended()`: somebody has logged in, and the token ended an hour ago."""

        def make():
            cli("start-agent", "--one-shot", check=0)
            about = json.loads((folder() / "token.json").read_text())
            (folder() / "token.json").write_text(json.dumps(about | {"received": about["received"] - 3600}))

        return make

    def test_a_command_renews_the_token_without_questions(self, cli, fresh, ended):
        fresh()
        ended()
        assert cli("list", check=0).err == ""
        assert "not running" in cli("agent-status", check=0).out

    def test_an_unreachable_issuer_does_not_ask_for_a_login(self, cli, fresh, ended):
        box = fresh()
        ended()
        box.faults.add("issuer", "POST", f"{CONNECT}/token", faults.Status(503, "Gone fishing"))
        assert cli("list", check=5).err == (
            "cta-data-direct: /: the token has expired, and no new one can be had: "
            "the issuer failed to refresh the token: 503 Gone fishing\n"
        )

    def test_the_end_of_the_login_is_explained(self, cli, fresh, ended):
        box = fresh()
        ended()
        box.revoke_sessions()
        for command in ("list", "get-token", "env"):
            assert "Token is not active" in cli(command, check=4).err

    def test_a_token_is_renewed_in_the_middle_of_a_run(self, cli, fresh):
        """The issuer is away when it ends: the run waits, says so, and loses nothing."""
        box = fresh(token_lifetime=6)
        for name in "abc":
            box.files.put(f"/lst/{name}", name.encode())
        cli("start-agent", "--one-shot", check=0)
        hold = box.faults.add("pool", "GET", "*", faults.Delay(), times=1)
        process = cli.start("get", "-j", "1", "-r", "lst", "here")
        assert hold.reached.wait(60)
        away = box.faults.add("issuer", "POST", f"{CONNECT}/token", faults.Status(503, "Gone fishing"))
        until(_is_over)
        hold.release()
        while "waiting for the next one" not in (line := process.stderr.readline()):
            assert line
        away.remove()
        assert process.wait(60) == 0
        assert {path.name for path in (cli.cwd / "here" / "lst").iterdir()} == {*"abc", "users"}

    def test_the_coming_end_of_the_login_is_announced(self, cli, fresh):
        fresh()
        cli("start-agent", check=0)
        cli("stop-agent", check=0)
        last = {"next_refresh": None, "login_needed": True, "last_error": "the login is over", "updated": time.time()}
        state = json.loads((folder() / "agent.json").read_text())
        (folder() / "agent.json").write_text(json.dumps(state | last))
        words = "warning: the agent has ended: the login is over; its last token stays valid for another 5 min\n"
        for command in ("list", "get-token", "env"):
            assert words in cli(command, check=0).err
        assert cli("list", "-q", check=0).err == ""
        cli("agent-status", check=4)


def _is_over():
    about = json.loads((folder() / "token.json").read_text())
    return time.time() > about["received"] + about["expires_in"]


IN_ITS_OWN_SPACE = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
FULL = """
mount -t tmpfs -o size=100k none "$1"; place=$1; python=$2
export XDG_STATE_HOME=$place
direct() { "$python" -m ctadata "$@" >>"$place.said" 2>&1; echo "$1 $?"; }
direct start-agent --one-shot
before=$(cat "$place"/ctadata/tokens/sandbox/token)
dd if=/dev/zero of="$place/filler" bs=512 2>/dev/null
direct get-token --min-life 1e9
direct start-agent
direct start-agent --foreground
direct agent-status
[ "$before" = "$(cat "$place"/ctadata/tokens/sandbox/token)" ] && echo the same token
rm "$place/filler"
direct start-agent
direct stop-agent
"""


@pytest.mark.full("full disk")
def test_a_full_disk_loses_neither_token_nor_login(cli, fresh, tmp_path):
    """Neither the token nor, if the issuer rotates it, the refresh token is lost."""
    subprocess.run([*IN_ITS_OWN_SPACE, "true"], check=True, timeout=60)
    box = fresh()
    (tmp_path / "disk").mkdir()
    done = subprocess.run(
        [*IN_ITS_OWN_SPACE, FULL, "sh", str(tmp_path / "disk"), sys.executable],
        env=cli.environment(None), cwd=cli.cwd, capture_output=True, text=True, timeout=240, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    stderr = (tmp_path / "disk.said").read_text()
    assert done.stdout.splitlines() == [
        "start-agent 0", "get-token 0", "start-agent 11", "start-agent 11", "agent-status 0",
        "the same token", "start-agent 0", "stop-agent 0",
    ], done.stderr + stderr  # fmt: skip
    assert stderr.count("no space left on device") >= 2
    assert sum(seen.target.endswith("/auth/device") for seen in box.seen) == 1


class TestEnv:
    def test_a_shell_evaluates_env_and_has_the_token(self, cli, fresh):
        fresh()
        cli("start-agent", check=0)
        python = shlex.quote(sys.executable)
        command = f'eval "$({python} -m ctadata env)"; cat "$BEARER_TOKEN_FILE"; echo "<$BEARER_TOKEN>"'
        done = subprocess.run(
            ["sh", "-c", command],
            env=cli.environment({"BEARER_TOKEN": "old"}), cwd=cli.cwd, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.stderr == ""
        assert done.stdout == cli("get-token", check=0).out.strip() + "<>\n"

    def test_env_says_that_no_agent_runs(self, cli, fresh):
        fresh()
        cli("start-agent", "--one-shot", check=0)
        assert "no agent renews this token" in cli("env", check=0).err

    def test_without_a_login(self, cli, fresh):
        fresh()
        assert cli("env", check=4).out == ""


class TestExec:
    def test_a_program_finds_a_token_that_stays_fresh(self, cli, fresh):
        """Without an agent: three tokens follow one another in its file."""
        fresh(token_lifetime=3)
        cli("start-agent", "--one-shot", check=0)
        script = (
            "import os, time; path, seen, ends = os.environ['BEARER_TOKEN_FILE'], set(), time.monotonic() + 30\n"
            "while len(seen) < 3 and time.monotonic() < ends: seen.add(open(path).read()); time.sleep(0.05)\n"
            "print(len(seen), 'BEARER_TOKEN' in os.environ)\n"
        )
        done = cli("exec", "--", sys.executable, "-c", script, env={"BEARER_TOKEN": "old"}, check=0)
        assert (done.out, done.err) == ("3 False\n", "")

    def test_exec_keeps_the_programs_arguments_and_exit_code(self, cli, fresh):
        fresh()
        cli("start-agent", check=0)
        assert cli("exec", "sh", "-c", 'echo "$0" "$@"; exit 7', "-P", "--help", "-q").out == "-P --help -q\n"
        assert cli("exec", "sh", "-c", "exit 7").code == 7
        assert cli("exec", "--", "sh", "-c", "kill -9 $$").code == 137

    def test_a_program_has_the_limit_of_the_shell(self, cli, fresh):
        fresh()
        cli("start-agent", check=0)
        limited = ["sh", "-c", 'ulimit -Sn 100; exec "$@"', "sh", sys.executable, "-m", "ctadata"]
        command = [*limited, "exec", "--", "sh", "-c", "ulimit -Sn"]
        assert subprocess.check_output(command, env=cli.environment({}), cwd=cli.cwd, text=True) == "100\n"

    def test_no_such_program(self, cli, fresh):
        fresh()
        cli("start-agent", check=0)
        assert "there is no such program" in cli("exec", "--", "no-such-program", check=3).err

    def test_sigterm_goes_to_the_program(self, cli, fresh):
        fresh()
        cli("start-agent", check=0)
        process = cli.start("exec", "--", "sh", "-c", "trap 'exit 9' TERM; echo up; while :; do sleep 0.05; done")
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 9


class TestLegacyLogins:
    """The files that versions 0.6 and 0.7 left in the home, for the profile that they knew."""

    def test_a_secret_of_version_0_7_is_used(self, cli, fresh):
        box = fresh("cscs", confidential=True)
        old = Path(os.environ["HOME"]) / ".config" / "cta-data" / "secret"
        old.parent.mkdir(parents=True)
        old.write_text(base64.b64encode(box.client_secret.encode()).decode())
        old.chmod(0o644)
        begun = cli("start-agent", check=0).err
        assert f"imported the client's secret of an earlier version from {old}; others can read {old}; " in begun
        assert f"to remove: rm {old}\n" in begun
        assert base64.b64decode(old.read_text()).decode() == box.client_secret
        old.unlink()
        cli("stop-agent", check=0)
        again = cli("start-agent", check=0).err  # it is ours now
        assert "imported" not in again

    def test_a_token_of_version_0_6_is_used(self, cli, fresh):
        box = fresh("cscs")
        old = Path(os.environ["HOME"]) / ".cta_token"
        old.write_text(box.token(lifetime=600) + "\n")
        old.chmod(0o600)
        done = cli("get-token", check=0)
        assert done.out == old.read_text()
        assert f"imported the token of an earlier version from {old}; to remove: rm {old}" in done.err
        assert cli("get-token", check=0).err == ""
