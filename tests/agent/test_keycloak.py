"""Our agent at a real Keycloak: logins, rotation, sessions, and refusals."""

from __future__ import annotations

import time
from threading import Event

import pytest
from servers.login import discovery, post

from ctadata.agent import control
from ctadata.agent.login import obtain_token
from ctadata.agent.logout import logout
from ctadata.config.profile import Profile
from ctadata.errors import ConfigError, LoginNeeded
from ctadata.http.rest import JsonClient
from ctadata.tokens.device import begin_device_login, wait_for_login
from ctadata.tokens.issuer import Issuer
from ctadata.tokens.login_store import load_login, load_token, save_login
from ctadata.tokens.profile_files import ProfileFiles
from ctadata.tokens.token import Secret


@pytest.fixture
def profile(keycloak):
    """`profile(realm, client)`: a profile that logs in there."""

    def make(realm, client="public", name="", **changes):
        name = name or f"{realm} {client}"
        at = {"issuer": keycloak.issuer(realm), "client_id": client, "ca": keycloak.ca}
        return Profile(name=name, door="https://localhost", **{**at, **changes})

    return make


@pytest.fixture
def approve(keycloak):
    """Approve a login at once, as `observer`."""
    return lambda login: keycloak.approve(login.verification_uri_complete)


@pytest.fixture
def issuer(profile):
    """`issuer(realm, client)`: the issuer as our client sees it."""

    def make(realm, client="public", secret=None, **changes):
        told = profile(realm, client, **changes)
        return Issuer.discover(told, JsonClient(ca=told.ca), secret and Secret(secret))

    return make


def never(token):
    return False


def fresh(profile):
    """A token from a refresh that needs no user."""
    return obtain_token(profile, ProfileFiles.of(profile.name), is_good=never)


def kept(profile):
    return load_login(ProfileFiles.of(profile.name), profile)


class TestLogin:
    @pytest.mark.parametrize("client", ["public", "pkce"])
    def test_a_public_client(self, profile, approve, client):
        """The login uses PKCE, which one of the clients requires."""
        there = profile("lasting", client)
        token = control.get_token(there, show=approve)
        assert token.claim("preferred_username") == "observer"
        assert 0 < token.life_left(time.time()) <= token.lifetime <= 300
        assert fresh(there).reveal() != token.reveal()

    def test_a_confidential_client(self, profile, approve, keycloak):
        """Its secret holds characters that must be encoded in a form and in a header."""
        there = profile("lasting", "confidential")
        control.get_token(there, secret=keycloak.client_secret, show=approve)
        assert fresh(there).claim("azp") == "confidential"

    def test_a_wrong_secret(self, profile):
        with pytest.raises(ConfigError, match=r"unauthorized_client.*client's secret"):
            control.get_token(profile("lasting", "confidential"), secret="wrong", show=pytest.fail)

    def test_an_unknown_client(self, profile):
        with pytest.raises(ConfigError, match=r"invalid_client.*check client_id"):
            control.get_token(profile("lasting", "nobody"), show=pytest.fail)

    def test_an_unknown_realm(self, profile):
        with pytest.raises(ConfigError, match="check issuer"):
            control.get_token(profile("none"), show=pytest.fail)

    def test_an_unknown_scope(self, profile, approve):
        """Keycloak ignores it in this flow; the token names the granted scopes."""
        token = control.get_token(profile("lasting", scope="openid of-no-use"), show=approve)
        assert set(token.claim("scope").split()) == {"openid", "email", "profile"}

    def test_a_client_without_the_device_flow(self, profile):
        """Keycloak's own message is shown, because nobody would guess it."""
        with pytest.raises(ConfigError, match="Device Authorization Grant"):
            control.get_token(profile("lasting", "without-device-flow"), show=pytest.fail)

    def test_a_user_without_offline_tokens(self, profile, keycloak):
        there = profile("lasting")
        with pytest.raises(ConfigError, match="Offline tokens not allowed"):
            control.get_token(there, show=lambda login: keycloak.approve(login.verification_uri_complete, "visitor"))
        online = profile("lasting", scope="openid")
        control.get_token(online, show=lambda login: keycloak.approve(login.verification_uri_complete, "visitor"))
        assert fresh(online).claim("preferred_username") == "visitor"

    def test_a_denial(self, profile, keycloak):
        with pytest.raises(LoginNeeded, match=r"denied.*approve it"):
            control.get_token(profile("lasting"), show=lambda login: keycloak.deny(login.verification_uri_complete))

    def test_slow_down_comes_before_the_denial(self, issuer, keycloak):
        """Keycloak checks the interval first: a denied code that is polled too fast gets `slow_down`."""
        there, stop, waits, tries = issuer("lasting"), Event(), [1], 20
        login = begin_device_login(there)
        keycloak.deny(login.verification_uri_complete)

        def wait(seconds):
            waits.append(seconds)
            stop.wait(1.2 if seconds > 1 else 0)  # wait longer than Keycloak's interval, or not at all

        while waits == [1] and tries:  # a busy machine may need more than Keycloak's interval for two requests
            waits.clear()
            tries -= 1
            with pytest.raises(LoginNeeded, match="denied"):
                wait_for_login(there, begin_in_a_hurry(there, login), stop=stop, wait=wait)
        assert waits == [1, 6]

    def test_a_code_that_expires(self, issuer):
        """The code expires by Keycloak's clock, while the local clock stands still."""
        there = issuer("lasting", "hurried")
        with pytest.raises(LoginNeeded, match=r"expired_token.*start again"):
            wait_for_login(there, begin_device_login(there), stop=Event(), clock=lambda: 0.0)


def begin_in_a_hurry(issuer, login):
    """Start a login and poll it once, so that the next poll comes too soon."""
    with pytest.raises(LoginNeeded):
        wait_for_login(issuer, login, stop=Event(), wait=lambda seconds: None)
    return login


class TestRotation:
    def test_every_refresh_brings_the_next_refresh_token(self, profile, approve):
        there = profile("rotating")
        control.get_token(there, show=approve)
        seen = {kept(there).refresh_token.reveal()}
        for _ in range(3):
            fresh(there)
            seen.add(kept(there).refresh_token.reveal())
        assert len(seen) == 4

    def test_reuse_ends_the_login_and_removes_nothing(self, profile, approve):
        """Two machines have copies of the files: the second one to refresh loses its login."""
        there = profile("rotating")
        files = ProfileFiles.of(there.name)
        control.get_token(there, show=approve)
        copied = kept(there)
        fresh(there)
        save_login(files, copied)
        published = load_token(files, there)
        with pytest.raises(
            LoginNeeded, match=r"invalid_grant: Maximum allowed refresh token reuse exceeded.*start-agent"
        ):
            fresh(there)
        assert load_token(files, there) == published
        assert kept(there) == copied

    def test_reuse_ends_the_rightful_login_too(self, profile, approve):
        there = profile("rotating")
        files = ProfileFiles.of(there.name)
        control.get_token(there, show=approve)
        copied = kept(there)
        fresh(there)
        rightful = kept(there)
        for login in (copied, rightful):
            save_login(files, login)
            with pytest.raises(LoginNeeded, match="invalid_grant"):
                fresh(there)

    @pytest.mark.parametrize("realm", ["forgiving", "lasting"])
    def test_an_answer_that_is_lost_ends_no_login_where_a_second_use_is_allowed(self, profile, approve, realm):
        """The guide asks sites to allow this: Keycloak sent a new token, it was lost, and the client asks again."""
        there = profile(realm)
        control.get_token(there, show=approve)
        copied = kept(there)
        fresh(there)
        save_login(ProfileFiles.of(there.name), copied)
        assert fresh(there)
        assert fresh(there)

    def test_the_agent_lives_through_it(self, profile, approve, until):
        """Tokens live 9 s, and each refresh token works once."""
        there = profile("rotating", "short-lived")
        files = ProfileFiles.of(there.name)
        try:
            control.start(there, show=approve)
            seen = set()

            def several():
                asked = time.time()
                assert control.status(there).expires_at > asked
                seen.add(files.token.read_text())
                return len(seen) >= 4

            until(several, timeout=60)
            assert control.status(there).last_error == ""
        finally:
            assert control.stop(there)


class TestSessions:
    @pytest.fixture
    def is_over(self, keycloak):
        """`is_over(profile)`: whether Keycloak refuses its refresh token. The question keeps no session alive."""

        def ask(profile):
            client = {"client_id": "confidential", "client_secret": keycloak.client_secret}
            url = discovery(profile.issuer, keycloak.ca)["introspection_endpoint"]
            return not post(url, keycloak.ca, {**client, "token": kept(profile).refresh_token.reveal()})["active"]

        return ask

    def test_an_offline_login_outlives_the_session(self, profile, approve, keycloak, is_over, until):
        offline, online = (
            profile("idle", "confidential", name=scope, scope=f"openid {scope}")
            for scope in ("offline_access", "email")
        )
        for there in (offline, online):  # the short one last, because a login may take longer than its session lasts
            control.get_token(there, secret=keycloak.client_secret, show=approve)
        assert not is_over(online)
        until(lambda: is_over(online), timeout=60)
        with pytest.raises(LoginNeeded, match="log in: cta-data-direct start-agent"):
            fresh(online)
        assert fresh(offline).life_left(time.time()) > 60

    @pytest.mark.parametrize("client", ["public", "confidential"])
    def test_logout_ends_the_login_at_keycloak_too(self, profile, approve, keycloak, client):
        """A copy of the login no longer works."""
        there = profile("lasting", client)
        control.get_token(there, secret=keycloak.client_secret if client == "confidential" else None, show=approve)
        copied = kept(there)
        assert "copies of the last token stay valid for another 5 min" in logout(there)
        assert kept(there) is None
        save_login(ProfileFiles.of(there.name), copied)
        with pytest.raises(LoginNeeded, match="invalid_grant"):
            fresh(there)

    @pytest.fixture
    def two(self, profile, keycloak):
        """`two(realm, scope)`: logins of two machines that one browser approved, so that they share a session."""

        def log_in(realm, scope):
            browser = keycloak.browser()
            both = tuple(profile(realm, name=name, scope=scope) for name in ("first", "second"))
            for there in both:
                control.get_token(
                    there, show=lambda login: keycloak.approve(login.verification_uri_complete, browser=browser)
                )
            return both

        return log_in

    @pytest.mark.parametrize("realm", ["rotating", "lasting"])
    @pytest.mark.parametrize("scope", ["openid", "openid offline_access"])
    def test_two_logins_by_one_browser_are_refreshed_in_any_order(self, two, realm, scope):
        first, second = two(realm, scope)
        for there in (first, second, first, first, second):
            assert fresh(there)

    def test_two_logins_by_one_browser_end_together(self, two):
        """Two online logins are one session to Keycloak; its message about the other one is shown as it is."""
        first, second = two("lasting", "openid")
        logout(first)
        with pytest.raises(LoginNeeded, match=r"invalid_grant: Session not active.*another login of yours"):
            fresh(second)

    def test_two_offline_logins_by_one_browser_end_apart(self, two):
        first, second = two("lasting", "openid offline_access")
        logout(first)
        assert fresh(second)
