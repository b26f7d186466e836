"""Renewal through a real oidc-agent: our own child, the user's own, its accounts, failures and end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from threading import Event, Timer

import pytest

from ctadata.agent import control
from ctadata.agent.login import obtain_token
from ctadata.agent.logout import logout
from ctadata.agent.oidc_agent import OidcAgentAccount
from ctadata.agent.oidc_child import OidcAgentFiles, OidcAgentProcess, create_account, environment
from ctadata.agent.token_backends import with_last_token_source
from ctadata.errors import ConfigError, LoginNeeded, Stopped, TemporaryError
from ctadata.sandbox import Sandbox, faults
from ctadata.sandbox.issuer import CONNECT
from ctadata.tokens.login_store import load_login, load_token
from ctadata.tokens.oidc_agent import access_token, is_answering, loaded_accounts, send_request
from ctadata.tokens.profile_files import ProfileFiles

pytestmark = pytest.mark.full("oidc-agent")

TOKEN = f"{CONNECT}/token"


@pytest.fixture(autouse=True)
def _short_home(monkeypatch):
    """Set a home so short that the socket fits beside the accounts; its path then marks our processes.

    Only root can read the environment of oidc-agent, so its arguments have to tell.
    """
    with tempfile.TemporaryDirectory(prefix="ctadata-", dir="/tmp") as folder:
        monkeypatch.setenv("XDG_STATE_HOME", folder)
        yield


@pytest.fixture
def box():
    with Sandbox(approve=True, interval=1, token_lifetime=60) as box:
        yield box


@pytest.fixture
def profile(box, profile_at):
    return profile_at(box, token_source="oidc-agent")


@pytest.fixture
def home(files):
    home = OidcAgentFiles(files.oidc)
    home.prepare()
    return home


def never(token):
    return False


def processes(name="oidc-agent", of=None):
    """The programs of that name that run for a directory of accounts, without the children that they fork."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_text(errors="replace")
            if (process / "comm").read_text().strip() == name and str(of) in words:
                found[int(process.name)] = int((process / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    return {pid for pid, parent in found.items() if parent not in found}


class TestOurOwn:
    def test_a_login_refreshes_and_a_logout(self, profile, files, box, shown, until):
        token = obtain_token(profile, files, is_good=never, show=shown.append)
        (login,) = shown
        assert login.verification_uri == f"{box.issuer}/device"
        assert len(login.user_code) == 9
        assert token.claim("preferred_username") == "ada"
        assert token.claim("exp") - token.claim("iat") == 60
        assert 0 < token.life_left(time.time()) <= 61
        assert load_token(files, profile).reveal() == token.reveal()
        assert load_login(files, profile) is None  # oidc-agent has the refresh token
        assert obtain_token(profile, files, is_good=never).reveal() != token.reveal()
        assert len(shown) == 1
        assert processes(of=files.oidc) == set()
        account = OidcAgentAccount(profile, files).file
        assert account.exists()
        assert logout(profile) == ""
        assert not account.exists()
        assert [seen.target for seen in box.seen].count(f"{CONNECT}/revoke") == 1

    def test_an_agent(self, profile_at, shown, until):
        with Sandbox(approve=True, interval=1, token_lifetime=6) as box:
            profile = profile_at(box, token_source="oidc-agent")
            files = ProfileFiles.of(profile.name)
            started = control.start(profile, show=shown.append)
            assert started.storage == "oidc-agent"
            assert started.login_place == str(files.oidc / "accounts" / "ctadata-sandbox")
            seen = set()
            until(lambda: seen.add(files.token.read_text()) or len(seen) >= 3)
            (child,) = processes(of=files.oidc)
            assert control.get_token(profile, min_life=0).reveal() == files.token.read_text()
            assert (
                obtain_token(profile, files, is_good=never).reveal() not in seen
            )  # from the same oidc-agent, with one login
            assert processes(of=files.oidc) == {child}
            os.kill(child, signal.SIGKILL)
            later = files.token.read_text()
            until(lambda: files.token.read_text() != later)  # a new one replaces it
            assert control.stop(profile)
            assert processes(of=files.oidc) == set()
            assert control.start(profile, show=None).running  # without another login

    def test_it_ends_with_an_agent_that_is_killed(self, profile, files, shown, until):
        started = control.start(profile, show=shown.append)
        os.kill(started.pid, signal.SIGKILL)
        until(lambda: not processes(of=files.oidc))
        assert control.start(profile, show=None).running

    def test_a_refresh_token_that_rotates_is_on_disk(self, profile, files, box, shown):
        """Another process with another oidc-agent can use it."""
        obtain_token(profile, files, is_good=never, show=shown.append)
        for _ in range(3):
            assert obtain_token(profile, files, is_good=never)

    def test_a_login_that_is_over(self, profile, files, box, shown):
        """oidc-agent starts no login of its own: the answer comes at once, with the command to run."""
        obtain_token(profile, files, is_good=never, show=shown.append)
        box.revoke_sessions()
        with pytest.raises(LoginNeeded, match=r"Token is not active.*start-agent -P sandbox"):
            obtain_token(profile, files, is_good=never)
        assert obtain_token(profile, files, is_good=never, show=shown.append)
        assert len(shown) == 2

    def test_a_login_without_a_user_to_approve_it_fails(self, profile, files, box):
        with pytest.raises(LoginNeeded, match="there is no account ctadata-sandbox"):
            obtain_token(profile, files, is_good=never)
        assert box.seen == []

    def test_a_denied_login(self, profile_at):
        with Sandbox(interval=1) as box:
            profile = profile_at(box, token_source="oidc-agent")
            with pytest.raises(LoginNeeded, match="denied"):
                obtain_token(
                    profile, ProfileFiles.of(profile.name), is_good=never, show=lambda login: box.deny(login.user_code)
                )

    def test_a_login_that_is_stopped(self, profile_at):
        with Sandbox(interval=1) as box:
            profile, stop = profile_at(box, token_source="oidc-agent"), Event()
            files = ProfileFiles.of(profile.name)
            with pytest.raises(Stopped):
                obtain_token(profile, files, is_good=never, show=lambda login: Timer(0.1, stop.set).start(), stop=stop)
            assert processes(of=files.oidc) == set()
            assert processes("oidc-gen", of=files.oidc) == set()

    @pytest.mark.parametrize(
        ("fault", "error"),
        [
            (faults.Status(503, "Busy", b'{"error": "temporarily_unavailable"}'), TemporaryError),
            (faults.Status(503, "Busy", b"<html>"), TemporaryError),
            (faults.Status(200, "OK", b"<html>portal</html>"), TemporaryError),
            (faults.LostAnswer(reset=True), TemporaryError),
            (faults.Status(401, "No", b'{"error": "invalid_client", "error_description": "gone"}'), ConfigError),
        ],
        ids=["503", "503 html", "portal", "reset", "client"],
    )
    def test_a_failing_issuer(self, profile, files, box, shown, fault, error):
        token = obtain_token(profile, files, is_good=never, show=shown.append)
        box.faults.add("issuer", "POST", TOKEN, fault)
        with pytest.raises(error):
            obtain_token(profile, files, is_good=never, now=lambda: token.expires_at + 1)
        assert files.token.read_text() == token.reveal()

    def test_an_unreachable_issuer(self, profile_at):
        with Sandbox() as box:
            profile = profile_at(box, token_source="oidc-agent")
        with pytest.raises(TemporaryError, match="cannot reach the issuer"):
            obtain_token(profile, ProfileFiles.of(profile.name), is_good=never, show=lambda login: None)

    def test_it_is_not_installed(self, profile, files, monkeypatch, tmp_path):
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(ConfigError, match="oidc-agent is not installed"):
            obtain_token(profile, files, is_good=never, show=lambda login: None)


def test_via_holds_until_the_logout(profile, profile_at, box, shown):
    plain = profile_at(box)
    assert with_last_token_source(plain) == plain
    control.start(profile, show=shown.append)
    assert with_last_token_source(plain) == profile
    control.stop(profile)
    assert control.start(with_last_token_source(plain), show=None).storage == "oidc-agent"
    logout(profile)
    assert with_last_token_source(plain) == plain


class TestSecrets:
    def test_no_secret_in_arguments_and_no_file_for_others(self, profile, files, box, shown, monkeypatch, tmp_path):
        """Check every argument and variable of every program that is started, under umask 000."""
        programs, said = tmp_path / "bin", tmp_path / "said"
        programs.mkdir()
        for name in ("oidc-agent", "oidc-gen", "oidc-add"):
            spy = programs / name
            lines = ["#!/bin/sh", f'printf "%s\\n" "$0" "$@" >>{said}', f"env >>{said}"]
            spy.write_text("\n".join([*lines, f'exec {shutil.which(name)} "$@"', ""]))
            spy.chmod(0o755)
        monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
        monkeypatch.setenv("CTADATA_CLIENT_SECRET", "client-secret-value")
        before = os.umask(0)
        try:
            token = obtain_token(profile, files, is_good=never, show=shown.append)
            obtain_token(profile, files, is_good=never)
        finally:
            os.umask(before)
        home, said = OidcAgentFiles(files.oidc), said.read_text()
        assert "--no-autoreauthenticate" in said
        assert "--no-autoload" in said
        secrets = {home.password.read_text().strip(), token.reveal(), "client-secret-value"}
        assert not [secret[:4] for secret in secrets if secret in said]
        assert f"--pw-file={home.password}" in said
        assert home.password.is_absolute()
        assert {path.stat().st_mode & 0o777 for path in files.oidc.rglob("*") if path.is_dir()} == {0o700}
        assert {path.stat().st_mode & 0o777 for path in files.oidc.rglob("*") if path.is_file()} == {0o600}
        assert not (files.oidc / "client.json").exists()

    def test_no_account_is_encrypted_with_an_empty_password(self, profile, files, box, shown):
        obtain_token(profile, files, is_good=never, show=shown.append)
        assert len(OidcAgentFiles(files.oidc).password.read_text().strip()) >= 48


class TestTheUsersOwn:
    @pytest.fixture
    def users(self, tmp_path, monkeypatch, files, profile):
        """An oidc-agent that the user has started, with two accounts whose names resemble each other."""
        home = OidcAgentFiles(tmp_path / "users")
        home.prepare()
        child = OidcAgentProcess(home)
        for name in ("ctadata-sandbox-dev", "ctadata-sandbox"):
            create_account(profile, home, child.socket, name, None, lambda login: None, Event())
        monkeypatch.setenv("OIDC_SOCK", str(child.socket))
        yield child
        child.close()

    def test_it_is_used_if_it_has_the_account(self, users, profile, files, until):
        assert set(loaded_accounts(users.socket)) == {"ctadata-sandbox-dev", "ctadata-sandbox"}
        started = control.start(profile, show=None)
        assert started.running
        assert not (files.oidc / "accounts").exists()
        assert control.stop(profile)
        assert is_answering(users.socket)  # the user's own one is not ended
        assert logout(profile)
        assert "ctadata-sandbox" in loaded_accounts(users.socket)

    def test_an_account_is_matched_exactly(self, users, profile, files):
        argv = ["oidc-add", "--remove", "ctadata-sandbox"]
        subprocess.run(argv, env=environment(users.home, users.socket), check=True, capture_output=True)
        with pytest.raises(LoginNeeded, match="no account ctadata-sandbox"):
            obtain_token(profile, files, is_good=never)
        with pytest.raises(LoginNeeded, match="not loaded"):
            access_token(users.socket, "ctadata-sandbox", 0)

    def test_its_answers(self, users):
        assert send_request(users.socket, {"request": "check"}, 5) == {"status": "success"}
        token = access_token(users.socket, "ctadata-sandbox", 10)
        assert token.claim("exp") - time.time() - 2 <= token.expires_in <= 61  # it counts whole seconds
        assert json.loads(json.dumps(token.claim("preferred_username"))) == "ada"
