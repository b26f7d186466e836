"""A run whose token has ended: how it gets the next one, what it waits for, and the warning before the end."""

from __future__ import annotations

import dataclasses
import errno
import os
import tempfile
import time
from threading import Event

import pytest

from ctadata.agent import control, schedule
from ctadata.agent.instance import State, claim
from ctadata.agent.renew_on_demand import RenewOnDemand
from ctadata.errors import LoginNeeded, Stopped, TemporaryError
from ctadata.sandbox import Sandbox, faults
from ctadata.sandbox.issuer import CONNECT
from ctadata.tokens.login_store import load_token, save_token
from ctadata.tokens.profile_files import ProfileFiles
from ctadata.tokens.provider_chain import TokenProvider

TOKEN = f"{CONNECT}/token"


@pytest.fixture
def box():
    with Sandbox(approve=True, interval=0) as box:
        yield box


@pytest.fixture
def ended(profile, files, shown):
    """A finished login without an agent, whose token has expired."""
    token = control.get_token(profile, show=shown.append)
    save_token(files, profile, dataclasses.replace(token, received=token.received - 3600))
    return token


@pytest.fixture
def sources(profile):
    """`sources(stop)`: a token provider as sessions have it."""
    return lambda stop=None: TokenProvider(
        profile, env={}, only_profile=True, renewer=RenewOnDemand(profile, stop or Event())
    )


def refreshes(box):
    return sum(seen.target == TOKEN for seen in box.seen) - 1  # the first was the login


class TestBring:
    def test_a_login_without_an_agent_is_renewed(self, box, profile, files, ended, sources):
        found = sources().bearer()
        assert found == files.token.read_text() != ended.reveal()
        assert load_token(files, profile).life_left(time.time()) > 0
        assert refreshes(box) == 1

    def test_many_sessions_at_once_make_one_refresh(self, box, ended, sources):
        assert len({sources().bearer() for _ in range(4)}) == 1
        assert refreshes(box) == 1

    def test_a_login_without_refresh_token_is_not_renewed(self, box, profile, sources):
        with pytest.raises(LoginNeeded, match="no token for the profile sandbox"):
            sources().bearer()
        assert not ProfileFiles.of(profile.name).folder.exists()
        assert box.seen == []

    def test_a_login_that_is_over_says_why(self, box, ended, sources):
        box.revoke_sessions()
        with pytest.raises(LoginNeeded, match=r"Token is not active.*start-agent -P sandbox"):
            sources().bearer()

    def test_an_explicit_file_is_not_replaced(self, box, profile, ended, tmp_path):
        (tmp_path / "token").write_text(box.token(lifetime=-5))
        (tmp_path / "token").chmod(0o600)
        renewer = RenewOnDemand(profile, Event())
        with pytest.raises(LoginNeeded, match="never replaced"):
            TokenProvider(profile, env={}, explicit=tmp_path / "token", renewer=renewer).bearer()
        assert refreshes(box) == 0

    def test_the_issuer_is_away(self, box, ended, sources, files):
        """At the start of a run this is an error at once, and it does not ask for a login."""
        box.faults.add("issuer", "POST", TOKEN, faults.Status(503, "Gone fishing"))
        with pytest.raises(TemporaryError, match=r"expired, and no new one can be had.*503 Gone fishing") as caught:
            sources().bearer()
        assert (caught.value.exit_code, type(caught.value)) == (5, TemporaryError)  # a failure that no request repeats
        assert refreshes(box) == 1
        assert files.token.read_text() == ended.reveal()


class TestInTheMiddleOfARun:
    @pytest.fixture
    def running(self, profile, files, shown, sources):
        """A run that has used a token, which has expired since; `stop` ends it."""
        token, stop = control.get_token(profile, show=shown.append), Event()
        begun = sources(stop)
        assert begun.bearer() == token.reveal()
        save_token(files, profile, dataclasses.replace(token, received=token.received - 3600))
        begun.stop = stop
        return begun

    def test_it_waits_for_the_issuer(self, box, running, files, monkeypatch, caplog):
        rule = box.faults.add("issuer", "POST", TOKEN, faults.Status(503, "Gone fishing"))
        asked = []

        def pause(failures, retry_after, jitter, margin):
            asked.append(failures)
            if failures == 3:
                rule.remove()
            return 0.0

        monkeypatch.setattr(schedule, "pause_after", pause)
        old = files.token.read_text()
        monkeypatch.setattr("ctadata.tokens.provider_chain.CHECK_INTERVAL", 0.0)
        assert running.bearer() == files.token.read_text() != old
        assert asked == [1, 2, 3]
        assert caplog.text.count("waiting for the next one: the issuer failed to refresh the token: 503") == 1

    def test_it_waits_for_room_on_the_disk(self, running, files, monkeypatch, caplog):
        full, make = [1, 2], tempfile.mkstemp

        def refuse(**options):
            if full:
                raise OSError(errno.ENOSPC, f"No space left on device {full.pop()}")
            return make(**options)

        monkeypatch.delattr(os, "O_TMPFILE", raising=False)  # so that each new file has a name
        monkeypatch.setattr(tempfile, "mkstemp", refuse)
        monkeypatch.setattr(schedule, "pause_after", lambda *arguments: 0.0)
        monkeypatch.setattr("ctadata.tokens.provider_chain.CHECK_INTERVAL", 0.0)
        old = files.token.read_text()
        assert running.bearer() == files.token.read_text() != old
        assert caplog.text.count("waiting for the next one") == 1

    def test_it_can_be_stopped(self, box, running, monkeypatch):
        box.faults.add("issuer", "POST", TOKEN, faults.Status(503, "Gone fishing"))
        monkeypatch.setattr("ctadata.tokens.provider_chain.CHECK_INTERVAL", 0.0)
        running.stop.set()
        with pytest.raises(Stopped):
            running.bearer()

    def test_a_login_that_is_over_ends_it(self, box, running, monkeypatch):
        box.revoke_sessions()
        monkeypatch.setattr("ctadata.tokens.provider_chain.CHECK_INTERVAL", 0.0)
        with pytest.raises(LoginNeeded, match="Token is not active"):
            running.bearer()


class TestARefusal:
    """A token without an end shows its end by a refusal."""

    @pytest.fixture
    def opaque(self, box, profile, files, shown):
        token = control.get_token(profile, show=shown.append)
        save_token(files, profile, dataclasses.replace(token, secret=type(token.secret)("opaque"), expires_in=None))
        return "opaque"

    def test_a_refusal_leads_to_the_next_token(self, box, opaque, sources):
        box.faults.add("issuer", "POST", TOKEN, faults.Status(200, "OK", b'{"access_token": "next"}'))
        begun = sources()
        assert begun.bearer() == opaque
        assert begun.renew(opaque) == "next"
        assert refreshes(box) == 1

    def test_a_refusal_of_a_token_with_an_end_renews_nothing(self, box, profile, shown, sources):
        token = control.get_token(profile, show=shown.append).reveal()
        begun = sources()
        assert begun.bearer() == token
        assert begun.renew(token) is None
        assert refreshes(box) == 0


class TestWarning:
    @pytest.fixture
    def token(self, profile, shown):
        return control.get_token(profile, show=shown.append)

    @pytest.fixture
    def says(self, files, profile, box):
        """`says(...)`: write an agent's last state now."""

        def tell(**words):
            told = {"pid": 1, "host": "h", "process_started": 1, "issuer": box.issuer, "client_id": box.client_id}
            told |= {"started": time.time(), "updated": time.time(), "next_refresh": None}
            with claim(files) as instance:
                instance.write_state(State(**told | words))

        return tell

    def test_an_agent_that_has_ended(self, profile, token, says, sources, caplog):
        says(last_error="the login is over (log in)", login_needed=True)
        begun = sources()
        for _ in range(2):
            assert begun.bearer() == token.reveal()
        words = "the agent has ended: the login is over (log in); its last token stays valid for another 5 min"
        assert caplog.messages == [words]
        control.get_token(profile)
        assert caplog.messages == [words] * 2

    @pytest.mark.parametrize(
        "words",
        [
            {"last_error": ""},  # it was stopped
            {"last_error": "503", "next_refresh": 2e9},  # it keeps trying
            {"last_error": "the login is over", "updated": 1.0},  # the user has logged in since
        ],
    )
    def test_no_warning_if_nothing_is_wrong(self, token, says, sources, caplog, words):
        says(**words)
        assert sources().bearer() == token.reveal()
        assert caplog.messages == []
