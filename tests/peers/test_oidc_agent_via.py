"""Our agent through oidc-agent: logins, renewals and rotation at real issuers, with no secret in any arguments."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import tempfile
import threading
import time
from pathlib import Path
from threading import Event

import pytest

from ctadata.agent import control
from ctadata.agent.login import obtain_token
from ctadata.agent.logout import logout
from ctadata.config.profile import Profile
from ctadata.errors import ConfigError, CtadataError, LoginNeeded, Stopped
from ctadata.tokens.profile_files import ProfileFiles

NAME = "telescope"
PATIENCE = 60.0


@pytest.fixture(autouse=True)
def _short_home(monkeypatch):
    """So short that the socket lies beside the accounts: what runs for them is told by its arguments.

    (The environment of oidc-agent nobody may read but root.)
    """
    with tempfile.TemporaryDirectory(prefix="ctadata-", dir="/tmp") as folder:
        monkeypatch.setenv("XDG_STATE_HOME", folder)
        yield


@pytest.fixture(params=["keycloak", "provider"])
def server(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def profile_at(oidc_agent):
    """`profile_at(server, client)`: a profile whose tokens come through oidc-agent; its agent ends with the test."""
    made = []

    def make(server, client="plain", realm="rotating", **changes):
        issuer = server.issuer(realm) if callable(server.issuer) else server.issuer
        told = {"name": NAME, "door": "https://localhost", "issuer": issuer, "client_id": client, "ca": server.ca}
        made.append(Profile(**{**told, "token_source": "oidc-agent", **changes}))
        return made[-1]

    yield make
    for profile in made:
        control.stop(profile)


@pytest.fixture
def approving():
    """`approving(server)`: shows a login to somebody who says yes."""
    return lambda server: lambda login: server.approve(f"{login.verification_uri}?user_code={login.user_code}")


def no(token):
    return False


def fresh(profile):
    return obtain_token(profile, ProfileFiles.of(profile.name), is_good=no)


def until(probe):
    ends, pause = time.monotonic() + PATIENCE, Event()
    while not (found := probe()):
        assert time.monotonic() < ends
        pause.wait(0.02)
    return found


def programs_of_ours():
    """The arguments of each process that has to do with the accounts of this test."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(ProfileFiles.of(NAME).oidc) in words:
            found.add(words.replace("\0", " "))
    return found


def test_a_login_and_its_renewals(profile_at, server, approving):
    profile = profile_at(server)
    first = control.get_token(profile, secret="plain-secret", show=approving(server))
    assert first.life_left(time.time()) > 60
    assert control.get_token(profile).reveal() == first.reveal()  # by the file, with nobody asked
    assert len({fresh(profile).reveal() for _ in range(2)} | {first.reveal()}) == 3  # each rotates


def test_the_agent_lives_through_rotation(profile_at, keycloak, approving):
    profile = profile_at(keycloak, "brief")
    control.start(profile, show=approving(keycloak))
    seen = set()

    def several():
        asked = time.time()
        assert control.status(profile).expires_at > asked
        seen.add(ProfileFiles.of(NAME).token.read_text())
        return len(seen) >= 3

    until(several)
    assert control.status(profile).last_error == ""
    assert control.stop(profile)
    assert fresh(profile)
    assert not programs_of_ours()


def test_a_public_client(profile_at, keycloak, provider, approving):
    assert control.get_token(profile_at(keycloak, "public"), show=approving(keycloak))
    with pytest.raises(CtadataError, match="invalid_request"):
        control.get_token(profile_at(provider, "ctadata-tests", name="other"), show=approving(provider))


def test_a_user_s_own_agent_is_used_where_it_has_the_account(profile_at, keycloak, approving, oidc_agent, monkeypatch):
    issuer = keycloak.issuer("rotating")
    with oidc_agent.running():
        monkeypatch.setenv("OIDC_SOCK", str(oidc_agent.socket))
        oidc_agent.generate(f"ctadata-{NAME}", issuer, "plain", keycloak.approve, "plain-secret")
        token = control.get_token(profile_at(keycloak))
        assert token.reveal() == oidc_agent.token(f"ctadata-{NAME}")
        with pytest.raises(LoginNeeded, match="ctadata-tele"):
            control.get_token(profile_at(keycloak, name="tele"))


@pytest.mark.parametrize("client, secret", [("plain", "wrong"), ("confidential", None), ("nobody", None)])
def test_a_client_that_is_not_taken(profile_at, keycloak, approving, client, secret):
    with pytest.raises(ConfigError, match="client"):
        control.get_token(
            profile_at(keycloak, client), secret=secret or keycloak.client_secret, show=approving(keycloak)
        )


def test_an_issuer_that_is_not_there(profile_at, keycloak, approving):
    with pytest.raises(CtadataError, match="cannot reach the issuer") as caught:
        control.get_token(profile_at(keycloak, realm="none"), secret="plain-secret", show=approving(keycloak))
    assert "plain-secret" not in str(caught.value)


def test_a_denial(profile_at, keycloak):
    def deny(login):
        keycloak.deny(f"{login.verification_uri}?user_code={login.user_code}")

    with pytest.raises(LoginNeeded, match="access_denied"):
        control.get_token(profile_at(keycloak), secret="plain-secret", show=deny)


def test_a_login_that_is_stopped(profile_at, keycloak):
    stop = Event()
    with pytest.raises(Stopped):
        control.get_token(profile_at(keycloak), secret="plain-secret", show=lambda login: stop.set(), stop=stop)
    until(lambda: not programs_of_ours())


def test_logout_ends_it_at_the_issuer(profile_at, server, approving):
    profile = profile_at(server)
    control.get_token(profile, secret="plain-secret", show=approving(server))
    kept = ProfileFiles.of(NAME).oidc
    account = kept / "accounts" / f"ctadata-{NAME}"
    copied, password = account.read_bytes(), (kept / "password").read_text()
    logout(profile)
    assert not account.exists()
    with pytest.raises(LoginNeeded):
        fresh(profile)
    account.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    for path, content in ((account, copied), (kept / "password", password.encode())):
        path.write_bytes(content)
        path.chmod(0o600)
    for folder in (kept, account.parent):
        folder.chmod(0o700)
    with pytest.raises(LoginNeeded, match="invalid_grant"):
        fresh(profile)


def test_logout_of_this_machine_alone(profile_at, keycloak, approving):
    profile = profile_at(keycloak)
    control.get_token(profile, secret="plain-secret", show=approving(keycloak))
    assert "was not asked" in logout(profile, revoke=False)
    assert list((ProfileFiles.of(NAME).oidc / "accounts").glob(f"*{NAME}*")) == []
    with pytest.raises(LoginNeeded):
        fresh(profile)


def test_logout_leaves_what_is_the_users_own(profile_at, keycloak, oidc_agent, monkeypatch):
    with oidc_agent.running():
        monkeypatch.setenv("OIDC_SOCK", str(oidc_agent.socket))
        oidc_agent.generate(f"ctadata-{NAME}", keycloak.issuer("rotating"), "plain", keycloak.approve, "plain-secret")
        profile = profile_at(keycloak)
        control.get_token(profile)
        assert f"oidc-gen --delete ctadata-{NAME}" in logout(profile)
        assert oidc_agent.token(f"ctadata-{NAME}", 1_000_000)


def test_kill_9_leaves_nothing_in_the_way(profile_at, keycloak, approving):
    profile = profile_at(keycloak)
    pid = control.start(profile, secret="plain-secret", show=approving(keycloak)).pid
    os.kill(pid, signal.SIGKILL)
    until(lambda: not control.status(profile).running)
    started = control.start(profile, show=None)
    assert started.running
    assert started.pid != pid


def test_no_secret_in_arguments_and_nothing_for_others(profile_at, keycloak, approving, monkeypatch, tmp_path):
    """Looked at all the while: at every process; and at the arguments of each program, however soon it ends."""
    profile, seen, done = profile_at(keycloak), set(), Event()
    started = tmp_path / "started"
    for name in ("oidc-agent", "oidc-gen", "oidc-add"):
        spy = tmp_path / "bin" / name
        spy.parent.mkdir(exist_ok=True)
        spy.write_text(f'#!/bin/sh\nprintf "%s\\n" {name} "$@" >>{started}\nexec {shutil.which(name)} "$@"\n')
        spy.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")

    def watch():
        while not done.wait(0.005):
            seen.update(programs_of_ours())

    watcher = threading.Thread(daemon=True, target=watch)
    watcher.start()
    before = os.umask(0)
    try:
        control.start(profile, secret="plain-secret", show=approving(keycloak))
        token = fresh(profile).reveal()
        control.stop(profile)
    finally:
        os.umask(before)
        done.set()
        watcher.join()
    text = "\n".join([started.read_text(), *seen])
    assert "oidc-gen" in text
    assert "oidc-add" in text
    password = (ProfileFiles.of(NAME).oidc / "password").read_text().strip()
    assert not [secret for secret in ("plain-secret", token, password) if secret in text]
    assert {path.stat().st_mode & 0o077 for path in ProfileFiles.of(NAME).folder.rglob("*") if path.is_dir()} == {0}
    assert {
        path.name for path in ProfileFiles.of(NAME).folder.rglob("*") if path.is_file() and reveals(path, token)
    } == {"token"}
    assert not [
        path for path in ProfileFiles.of(NAME).folder.rglob("*") if path.is_file() and reveals(path, "plain-secret")
    ]


def reveals(path, secret):
    return secret in path.read_text(errors="replace")


def test_switching_back_to_our_own_needs_a_login_of_its_own(profile_at, keycloak, approving):
    profile = profile_at(keycloak)
    control.get_token(profile, secret="plain-secret", show=approving(keycloak))
    own = dataclasses.replace(profile, token_source="agent")
    with pytest.raises(LoginNeeded):
        fresh(own)
