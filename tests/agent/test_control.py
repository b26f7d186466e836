"""The agent as users have it: a real process that outlives its starter, refreshes, and ends when it is stopped."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ctadata.agent import control, spawn
from ctadata.agent.instance import State, claim, read_state
from ctadata.agent.login import obtain_token
from ctadata.config.profile import Profile
from ctadata.errors import ConfigError, CtadataError, LocalError, LoginNeeded, TemporaryError, TimedOut
from ctadata.process_identity import read_process_start
from ctadata.sandbox import Sandbox, faults
from ctadata.sandbox.issuer import CONNECT
from ctadata.tokens.files import write_private
from ctadata.tokens.login_store import load_token, save_token
from ctadata.tokens.profile_files import ProfileFiles
from ctadata.tokens.provider_chain import TokenProvider

TOKEN = f"{CONNECT}/token"


@pytest.fixture
def started(profile, shown):
    return control.start(profile, show=shown.append)


def published(files):
    return files.token.read_text()


def agents(files):
    """The processes that hold the agent's lock open."""
    found = set()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(link) == str(files.agent_lock):
                found.add(int(link.parts[2]))
        except OSError:
            continue
    return found


class TestStart:
    def test_a_valid_token_and_a_running_agent(self, started, profile, files, box, shown):
        assert started.running
        assert len(shown) == 1
        assert agents(files) == {started.pid}
        assert load_token(files, profile).claim("preferred_username") == started.user == "ada"
        assert started.token_file == files.token
        assert (started.issuer, started.login_needed, started.last_error) == (box.issuer, False, "")
        assert started.next_refresh < started.expires_at

    def test_it_refreshes_ahead_of_expiry(self, profile_at, shown, until):
        """A valid token is on disk at every moment of several lives."""
        with Sandbox(approve=True, interval=0, token_lifetime=5) as box:
            profile, seen = profile_at(box), set()
            control.start(profile, show=shown.append)

            def several():
                asked = time.time()
                assert control.status(profile).expires_at > asked
                seen.add(published(ProfileFiles.of(profile.name)))
                return len(seen) >= 3

            until(several)
            assert control.stop(profile)

    def test_an_expired_token_is_renewed_before_the_agent_starts(self, profile, files, shown):
        control.get_token(profile, show=shown.append)
        old = load_token(files, profile)
        save_token(files, profile, dataclasses.replace(old, received=old.received - 3600))
        spawn.spawn(profile, files)
        assert control.status(profile).running
        assert load_token(files, profile).life_left(time.time()) > 0

    def test_a_second_start_finds_the_same_agent(self, started, profile, shown):
        again = control.start(profile, show=shown.append)
        assert again.pid == started.pid
        assert len(shown) == 1

    def test_two_starts_at_once_make_one_agent(self, profile, files, shown):
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda _: control.start(profile, show=shown.append), range(4)))
        assert len({status.pid for status in found}) == 1
        assert agents(files) == {found[0].pid}
        assert len(shown) == 1

    def test_an_earlier_login_is_used_again(self, started, profile, shown):
        control.stop(profile)
        assert control.start(profile, show=None).running
        assert len(shown) == 1

    def test_a_killed_agent_is_replaced(self, started, profile, shown, until):
        os.kill(started.pid, signal.SIGKILL)
        until(lambda: not control.status(profile).running)
        again = control.start(profile, show=None)
        assert again.running
        assert again.pid != started.pid

    def test_a_login_without_a_user_to_approve_it_fails(self, profile, files):
        with pytest.raises(LoginNeeded):
            control.start(profile, show=None)
        assert agents(files) == set()

    def test_a_profile_of_another_issuer_gets_an_agent_of_its_own(self, started, profile, profile_at, shown):
        with Sandbox(approve=True, interval=0) as other:
            again = control.start(profile_at(other), show=shown.append)
            assert again.pid != started.pid
            assert again.issuer == other.issuer
            assert len(shown) == 2

    def test_an_agent_that_cannot_renew_is_reported(self, started, profile, box, until):
        box.faults.add("issuer", "POST", TOKEN, faults.Status(503, "Gone fishing"))
        until(lambda: control.status(profile).expires_at < time.time())
        with pytest.raises(TemporaryError, match="Gone fishing"):
            control.start(profile, show=None)

    def test_the_calling_python_is_neither_forked_nor_ended(self, profile, files, shown):
        """If the caller were forked, its output buffer would be written twice, its exit handlers would run twice."""
        script = (
            "import atexit, sys; from pathlib import Path; from ctadata.agent import control\n"
            "from ctadata.config.profile import Profile\n"
            "sys.stdout.write('once '); atexit.register(lambda: sys.stdout.write('ended '))\n"
            f"p = Profile(name='sandbox', door={profile.door!r}, issuer={profile.issuer!r},"
            f" client_id={profile.client_id!r},"
            f" ca=Path({str(profile.ca)!r}))\n"
            "sys.stdout.write(f'{control.start(p, show=lambda login: None).running} ')\n"
        )
        ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
        assert (ran.stdout, ran.stderr) == (
            "once True ended ",
            "",
        )  # its pipes are closed: the agent has inherited none
        assert agents(files)


class TestTheProcess:
    def test_the_process_is_detached(self, started):
        process = Path(f"/proc/{started.pid}")
        assert os.getsid(started.pid) not in (
            os.getsid(0),
            started.pid,
        )  # it has a session of its own, and is not its leader
        assert os.readlink(process / "cwd") == "/"
        assert {os.readlink(process / "fd" / str(fd)) for fd in (0, 1, 2)} == {os.devnull}
        parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
        assert int(parent) != os.getpid()

    def test_the_process_has_a_small_environment(self, profile, shown, monkeypatch):
        monkeypatch.setenv("BEARER_TOKEN", "in-the-environment")
        monkeypatch.setenv("CTADATA_CLIENT_SECRET", "in-the-environment")
        monkeypatch.setenv("SOMETHING_ELSE", "in-the-environment")
        started = control.start(profile, show=shown.append)
        environment = Path(f"/proc/{started.pid}/environ").read_text()
        assert "HOME=" in environment
        assert "in-the-environment" not in environment

    def test_it_works_where_the_package_is_not_installed(self, profile, files, here, monkeypatch):
        monkeypatch.setenv("PYTHONPATH", "relative")
        made = spawn._environment({"PYTHONPATH": "relative", "PATH": "p"})["PYTHONPATH"].split(os.pathsep)
        assert made == [str(Path("relative").absolute()), str(here.parent)]

    def test_a_failed_start_gives_the_reason(self, profile, files, shown, monkeypatch):
        monkeypatch.setattr(sys, "executable", "")
        with pytest.raises(ConfigError, match=r"sys\.executable is empty"):
            control.start(profile, show=shown.append)
        monkeypatch.setattr(sys, "executable", "/bin/false")
        with pytest.raises(CtadataError, match="did not start: it printed nothing"):
            control.start(profile, show=shown.append)

    def test_an_agent_without_a_token_does_not_start(self, profile, files):
        with pytest.raises(LocalError, match="no token to start with"):
            spawn.spawn(profile, files)

    def test_a_start_that_takes_too_long_times_out(self, profile, files, shown, monkeypatch, tmp_path):
        slow = tmp_path / "slow"
        slow.write_text("#!/bin/sh\nexec sleep 60\n")
        slow.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(slow))
        monkeypatch.setattr(spawn, "START_TIMEOUT", 0.2)
        with pytest.raises(TimedOut, match="did not start"):
            control.start(profile, show=shown.append)


class TestStop:
    def test_stop_ends_the_agent_and_keeps_the_login(self, started, profile, files):
        kept = {path.name for path in files.folder.iterdir()} - {"lease.json"}
        assert control.stop(profile)
        assert agents(files) == set()
        assert not control.status(profile).running
        assert {path.name for path in files.folder.iterdir()} == kept  # no stop file was written, nothing was deleted
        assert control.start(profile, show=None).running

    def test_none_is_running(self, profile, files):
        before = list(files.folder.iterdir())
        assert not control.stop(profile)
        assert list(files.folder.iterdir()) == before

    def test_twice(self, started, profile):
        assert control.stop(profile)
        assert not control.stop(profile)

    def test_stop_waits_for_a_refresh(self, started, profile, files, box):
        """The answer may hold the only valid refresh token."""
        rule = box.faults.add("issuer", "POST", TOKEN, faults.Delay(), times=1)
        assert rule.reached.wait(60)
        with ThreadPoolExecutor(1) as pool:
            stopped = pool.submit(control.stop, profile)
            old = published(files)
            assert not stopped.done()
            rule.release()
            assert stopped.result(10)
        assert published(files) != old
        assert control.start(profile, show=None).running

    def test_an_agent_on_another_host_is_named(self, profile, files, started):
        os.kill(started.pid, signal.SIGKILL)
        with claim(files) as instance:
            instance.write_state(read_state(files)._replace(host="login-node-7"))
            with pytest.raises(LocalError, match="login-node-7"):
                control.stop(profile)
        files.agent_state.unlink()

    def test_no_other_process_is_ended(self, profile, files, started, monkeypatch):
        """The lock is held, but the state names a process number that a later process has."""
        os.kill(started.pid, signal.SIGKILL)
        monkeypatch.setattr(control, "STOP_TIMEOUT", 0.1)
        with (
            subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bystander,
            claim(files) as instance,
        ):
            earlier = read_process_start(bystander.pid) - 1  # both processes can start in one tick of the kernel
            instance.write_state(read_state(files)._replace(pid=bystander.pid, process_started=earlier))
            with pytest.raises(TimedOut, match=str(bystander.pid)):
                control.stop(profile)
            instance.write_state(read_state(files)._replace(pid=2**22 + 1))
            with pytest.raises(TimedOut):
                control.stop(profile)
            assert bystander.poll() is None

    def test_stop_waits_for_the_state_of_a_starting_agent(self, started, profile, files, monkeypatch):
        """The state is still an earlier agent's: the signal is sent after the new agent has written its own."""
        now = files.agent_state.read_text()
        files.agent_state.unlink()
        looks = []

        def slowly(files):
            looks.append(read_state(files))
            if len(looks) == 3:
                write_private(files.agent_state, now)
            return looks[-1]

        monkeypatch.setattr(control, "read_state", slowly)
        assert control.stop(profile)
        assert looks[:3] == [None] * 3

    def test_a_kernel_without_pidfd(self, started, profile, monkeypatch):
        def missing(pid):
            raise OSError(38, "Function not implemented")

        monkeypatch.setattr(os, "pidfd_open", missing)
        assert control.stop(profile)


class TestStatus:
    def test_nothing_yet(self, profile):
        status = control.status(profile)
        assert not status.running
        assert status.login_needed
        assert (status.pid, status.expires_at, status.next_refresh, status.last_error) == (None, None, None, "")

    def test_status_changes_no_file(self, profile, tmp_path, monkeypatch):
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        control.status(profile)
        assert not (tmp_path / "state").exists()

    def test_as_json(self, started, files):
        told = started.as_json()
        assert json.loads(json.dumps(told)) == told
        assert told["schema"] == 1
        assert told["expires_at"].endswith("Z")
        assert told["expires_at"][10] == "T"
        assert told["token_file"] == str(files.token)
        assert published(files) not in json.dumps(told)

    def test_a_login_that_is_over_is_reported_and_nothing_deleted(self, started, profile, files, box, until):
        box.revoke_sessions()
        ended = until(lambda: (status := control.status(profile)).login_needed and not status.running and status)
        assert "Token is not active" in ended.last_error
        assert "start-agent -P sandbox" in ended.last_error
        assert files.token.exists()
        assert files.login.exists()
        with pytest.raises(LoginNeeded):
            control.start(profile, show=None)

    def test_a_new_login_clears_the_error(self, started, profile, box, until, shown):
        box.revoke_sessions()
        until(lambda: (status := control.status(profile)).login_needed and status.expires_at < time.time() + 1)
        control.get_token(profile, show=shown.append)
        assert len(shown) == 2
        status = control.status(profile)
        assert (status.login_needed, status.last_error) == (False, "")

    def test_an_outage_is_reported_and_survived(self, started, profile, files, box, until):
        rule = box.faults.add("issuer", "POST", TOKEN, faults.Status(500, "Oops", b"<html>"))
        troubled = until(lambda: (status := control.status(profile)).last_error and status)
        assert "500 Oops" in troubled.last_error
        assert troubled.running
        assert not troubled.login_needed
        rule.remove()
        old = published(files)
        until(lambda: not control.status(profile).last_error and published(files) != old)

    def test_a_wrong_client_ends_the_agent_with_a_reason(self, started, profile, box, until):
        body = json.dumps({"error": "invalid_client", "error_description": "Gone"}).encode()
        box.faults.add("issuer", "POST", TOKEN, faults.Status(401, "Unauthorized", body))
        ended = until(lambda: (status := control.status(profile)).last_error and not status.running and status)
        assert "invalid_client: Gone" in ended.last_error
        assert not ended.login_needed

    @pytest.mark.parametrize(("late", "words"), [(300, "nothing for 5 min; is the disk full?"), (60, "")])
    def test_a_silent_agent_is_reported(self, profile, files, late, words):
        """On a full disk the agent cannot write what is wrong."""
        told = {"issuer": profile.issuer, "client_id": profile.client_id, "started": 1.0, "updated": 1.0}
        told |= {"pid": os.getpid(), "host": os.uname().nodename, "process_started": None}
        with claim(files) as instance:
            instance.write_state(State(**told, next_refresh=time.time() - late))
            assert control.status(profile).last_error.endswith(words)
            assert bool(control.status(profile).last_error) == bool(words)

    def test_files_that_others_can_read_are_reported(self, started, profile, files):
        control.stop(profile)
        files.token.chmod(0o644)
        assert "others can read" in control.status(profile).last_error


def test_an_agent_whose_files_were_removed_ends(started, files, until):
    for path in files.folder.iterdir():
        path.unlink()
    files.folder.rmdir()
    until(lambda: not Path(f"/proc/{started.pid}").exists() or "Z" in Path(f"/proc/{started.pid}/stat").read_text())


class TestGetToken:
    @pytest.fixture
    def box(self):
        with Sandbox(approve=True, interval=0) as box:
            yield box

    def test_get_token_needs_no_agent(self, profile, files, shown):
        token = control.get_token(profile, show=shown.append)
        assert token.life_left(time.time()) > 0
        assert agents(files) == set()
        assert len(shown) == 1
        assert control.get_token(profile) == token

    def test_a_token_that_ends_too_soon_is_refreshed(self, profile, shown):
        token = control.get_token(profile, show=shown.append, min_life=60)
        later = token.expires_at - 70
        assert control.get_token(profile, min_life=60, now=lambda: later) == token
        assert control.get_token(profile, min_life=80, now=lambda: later) != token

    def test_half_the_life_is_enough_for_short_tokens(self, profile, shown):
        """A caller that needs an hour, with tokens of 300 s, gets one with half its life left."""
        token = control.get_token(profile, show=shown.append, min_life=3600)
        assert control.get_token(profile, min_life=3600, now=lambda: token.expires_at - 151) == token
        assert control.get_token(profile, min_life=3600, now=lambda: token.expires_at - 149) != token

    def test_a_login_without_a_user_to_approve_it_fails(self, profile):
        with pytest.raises(LoginNeeded, match="start-agent -P sandbox"):
            control.get_token(profile)


class TestBesideTheAgent:
    def test_the_agents_token_is_used(self, started, profile, files):
        assert control.get_token(profile, min_life=0).reveal() == published(files)

    def test_command_and_agent_lose_no_login(self, started, profile, files, until):
        """Both refresh rotating tokens, under one lock."""
        for _ in range(20):
            obtain_token(profile, files, is_good=lambda token: False)
        before = control.status(profile).next_refresh
        until(lambda: control.status(profile).next_refresh > before)
        assert control.status(profile).last_error == ""

    def test_a_transfer_uses_the_agents_token(self, started, profile, until):
        sources = TokenProvider(profile, env={}, only_profile=True)
        first = sources.bearer()
        until(lambda: sources.bearer() != first)
        assert sources.renew(first) not in (None, first)


def test_at_a_certified_provider(provider, until):
    """npm's oidc-provider, with tokens of 9 s: login through its own pages, then refreshes with rotation."""
    profile = Profile(
        name="provider",
        door="https://localhost",
        issuer=provider.issuer,
        client_id=provider.short_lived,
        scope="openid offline_access storage.read:/",
        ca=provider.ca,
    )
    try:
        control.start(profile, show=lambda login: provider.approve(login.verification_uri_complete))
        seen = set()

        def several():
            asked = time.time()
            assert control.status(profile).expires_at > asked
            seen.add(published(ProfileFiles.of(profile.name)))
            return len(seen) >= 4

        until(several)
        assert control.status(profile).last_error == ""
    finally:
        assert control.stop(profile)
