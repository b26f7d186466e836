"""The device flow at the sandbox's issuer, with simulated time."""

from __future__ import annotations

import dataclasses
import json
import threading
from threading import Event

import pytest

from ctadata.errors import ConfigError, CtadataError, LoginNeeded, Stopped, Untrusted
from ctadata.http.rest import JsonClient
from ctadata.sandbox import Sandbox, faults
from ctadata.sandbox.issuer import CONNECT
from ctadata.tokens.device import begin_device_login, wait_for_login
from ctadata.tokens.issuer import Issuer
from ctadata.tokens.token import Secret

TOKEN, DEVICE = f"{CONNECT}/token", f"{CONNECT}/auth/device"


class Flow:
    """A login at a sandbox, with simulated time."""

    def __init__(self, box, profile, clock):
        self.box, self.clock, self.stop = box, clock, Event()
        self.rest = JsonClient(ca=box.ca, timeouts=(60, 60))
        self.issuer = Issuer.discover(profile, self.rest, None, clock.now)
        self.login = begin_device_login(self.issuer)
        self.at = []

    def wait(self, **events):
        """Log in; `events` happen before the request of that number (`after_2=...`)."""

        def pause(seconds):
            self.clock.wait(seconds)
            self.at.append(seconds)
            events.get(f"after_{len(self.at)}", lambda: None)()

        return wait_for_login(self.issuer, self.login, stop=self.stop, clock=self.clock.now, wait=pause)

    def approve(self):
        self.box.approve(self.login.user_code)

    def deny(self):
        self.box.deny(self.login.user_code)


@pytest.fixture
def flow(clock, profile_at):
    with Sandbox(interval=5, clock=clock.now) as box:
        yield Flow(box, profile_at(box), clock)


def test_the_user_is_shown_address_and_code(flow):
    login = flow.login
    assert login.verification_uri == f"{flow.box.issuer}/device"
    assert login.verification_uri_complete == f"{flow.box.issuer}/device?user_code={login.user_code}"
    assert (login.expires_in, login.interval) == (600.0, 5.0)
    assert "device_code" not in repr(login)
    assert "verifier" not in repr(login)


def test_pending_until_approved(flow):
    grant = flow.wait(after_3=flow.approve)
    assert flow.at == [5.0, 5.0, 5.0]
    assert grant.token.claim("preferred_username") == "ada"
    assert grant.refresh_token


def test_slow_down_adds_five_seconds_for_good(flow):
    body = json.dumps({"error": "slow_down"}).encode()
    flow.box.faults.add("issuer", "POST", TOKEN, faults.Status(400, "Bad Request", body), times=2)
    flow.wait(after_5=flow.approve)
    assert flow.at == [5.0, 10.0, 15.0, 15.0, 15.0]


def test_denied(flow):
    with pytest.raises(LoginNeeded, match=r"denied.*The end user denied"):
        flow.wait(after_2=flow.deny)


def test_expired_by_the_issuers_word(flow):
    flow.box.faults.add(
        "issuer", "POST", TOKEN, faults.Status(400, "Bad Request", json.dumps({"error": "expired_token"}).encode())
    )
    with pytest.raises(LoginNeeded, match="expired"):
        flow.wait()
    assert len(flow.at) == 1


def test_expired_by_our_own_clock(flow):
    """An issuer that says `pending` for ever, or nothing at all, does not hold us longer than the code lives."""
    with pytest.raises(LoginNeeded, match="expired before the login was approved"):
        flow.wait()
    assert 600 <= sum(flow.at) <= 610


@pytest.mark.parametrize(
    "fault", [faults.Status(503, "Busy"), faults.LostAnswer(reset=True), faults.Status(200, "OK", b"<html>")]
)
def test_a_failing_issuer_is_asked_more_slowly(flow, fault):
    flow.box.faults.add("issuer", "POST", TOKEN, fault, times=5)
    grant = flow.wait(after_7=flow.approve)
    assert grant.token
    assert flow.at[:7] == [
        5.0,
        10.0,
        20.0,
        40.0,
        60.0,
        60.0,
        5.0,
    ]  # the pause doubles, and returns to normal once the issuer answers


def test_a_silent_issuer_is_asked_more_slowly(flow):
    silent = threading.Event()
    flow.rest._clock = lambda: 600.0 if silent.is_set() else 0.0  # the seconds of a request, as the client counts them
    flow.box.faults.add("issuer", "POST", TOKEN, faults.Meanwhile(silent.set), times=2)
    flow.box.faults.add("issuer", "POST", TOKEN, faults.NoAnswer(), times=2)
    flow.wait(after_2=silent.clear, after_3=lambda: (silent.clear(), flow.approve()))
    assert flow.at == [5.0, 10.0, 20.0]


def test_the_pause_that_the_issuer_names_comes_first(flow):
    flow.box.faults.add("issuer", "POST", TOKEN, faults.Status(429, "Slow", b"", (("Retry-After", "33"),)), times=1)
    flow.wait(after_2=flow.approve)
    assert flow.at == [5.0, 33.0]


def test_it_can_be_stopped(flow):
    with pytest.raises(Stopped):
        flow.wait(after_2=flow.stop.set)


def test_it_can_be_stopped_while_it_waits(flow):
    threading.Timer(0.1, flow.stop.set).start()
    with pytest.raises(Stopped):
        wait_for_login(flow.issuer, flow.login, stop=flow.stop)


@pytest.mark.parametrize(
    ("code", "words"), [("invalid_grant", "Client not allowed"), ("invalid_client", "x"), ("unauthorized_client", "x")]
)
def test_other_refusals_end_it_with_the_issuers_words(flow, code, words):
    body = json.dumps({"error": code, "error_description": words}).encode()
    flow.box.faults.add("issuer", "POST", TOKEN, faults.Status(400, "Bad Request", body))
    with pytest.raises(ConfigError, match=words):
        flow.wait()


def test_a_certificate_that_does_not_verify_ends_it(flow, tmp_path):
    with Sandbox() as other:
        flow.issuer = dataclasses.replace(flow.issuer, rest=JsonClient(ca=other.ca))
        with pytest.raises(Untrusted):
            flow.wait()


class TestBegin:
    def test_pkce_is_always_sent_and_checked(self, flow):
        """The sandbox refuses a verifier that does not fit its challenge: so both were sent."""
        flow.approve()
        flow.login = dataclasses.replace(flow.login, verifier=Secret("x" * 64))
        with pytest.raises(ConfigError, match="PKCE"):
            flow.wait()

    def test_each_login_has_a_verifier_of_its_own(self, flow):
        other = begin_device_login(flow.issuer)
        assert other.verifier != flow.login.verifier
        assert 43 <= len(other.verifier.reveal()) <= 128  # RFC 7636 section 4.1

    def test_the_interval_is_five_seconds_by_default(self, clock, profile_at):
        with Sandbox(interval=None, clock=clock.now) as box:
            assert Flow(box, profile_at(box), clock).login.interval == 5.0

    def test_the_code_is_requested_again_without_offline_access(self, flow):
        rule = flow.box.faults.add("issuer", "POST", DEVICE, faults.RefuseOffline())
        flow.login = begin_device_login(flow.issuer)
        assert rule.hits
        assert flow.wait(after_1=flow.approve).scope == "openid"

    def test_the_code_is_requested_once_if_offline_access_was_not_in_scope(self, flow):
        body = json.dumps({"error": "invalid_scope", "error_description": "Invalid scopes: x"}).encode()
        rule = flow.box.faults.add("issuer", "POST", DEVICE, faults.Status(400, "Bad Request", body))
        with pytest.raises(ConfigError, match=r"Invalid scopes: x.*check scope"):
            begin_device_login(dataclasses.replace(flow.issuer, scope="x"))
        assert rule.hits == 1

    def test_an_issuer_without_device_flow(self, flow):
        with pytest.raises(ConfigError, match="device flow"):
            begin_device_login(dataclasses.replace(flow.issuer, device_endpoint=""))

    @pytest.mark.parametrize(
        "content",
        [
            {},
            {"device_code": "d", "verification_uri": "https://i"},
            {"device_code": "d", "user_code": "u"},
            {"device_code": "d", "user_code": "u", "verification_uri": "javascript:alert(1)"},
            {"device_code": "d", "user_code": "u", "verification_uri": "https://i\x1b[2J"},
            {"device_code": 1, "user_code": "u", "verification_uri": "https://i"},
        ],
    )
    def test_an_unusable_answer_is_refused(self, flow, content):
        flow.box.faults.add("issuer", "POST", DEVICE, faults.Status(200, "OK", json.dumps(content).encode()))
        with pytest.raises(ConfigError):
            begin_device_login(flow.issuer)

    def test_a_minimal_answer_is_enough(self, flow):
        content = {"device_code": "d", "user_code": "a\x1bb", "verification_uri": "https://i/", "interval": -1}
        content |= {"verification_uri_complete": "data:x", "expires_in": "x"}
        flow.box.faults.add("issuer", "POST", DEVICE, faults.Status(200, "OK", json.dumps(content).encode()))
        login = begin_device_login(flow.issuer)
        assert (login.user_code, login.verification_uri_complete) == ("a\\x1bb", None)
        assert (login.expires_in, login.interval) == (600.0, 5.0)

    def test_a_failure_of_the_issuer_is_raised(self, flow):
        flow.box.faults.add("issuer", "POST", DEVICE, faults.Status(503, "Busy"))
        with pytest.raises(CtadataError) as caught:
            begin_device_login(flow.issuer)
        assert caught.value.retryable
