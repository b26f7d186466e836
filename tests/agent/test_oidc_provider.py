"""Our agent at npm's oidc-provider, a certified one: it rotates every refresh token, and accepts no reuse."""

from __future__ import annotations

import pytest

from ctadata.agent import control
from ctadata.agent.login import obtain_token
from ctadata.agent.logout import logout
from ctadata.config.profile import Profile
from ctadata.errors import ConfigError, LoginNeeded
from ctadata.tokens.login_store import load_login, load_token, save_login
from ctadata.tokens.profile_files import ProfileFiles

SCOPE = "openid offline_access storage.read:/"


@pytest.fixture
def profile(provider):
    """`profile(client)`: a profile that logs in there."""

    def make(client="ctadata-tests"):
        at = {"issuer": provider.issuer, "client_id": client, "ca": provider.ca, "scope": SCOPE}
        return Profile(name="provider", door="https://localhost", **at)

    return make


@pytest.fixture
def approve(provider):
    return lambda login: provider.approve(login.verification_uri_complete)


def fresh(profile):
    """A token from a refresh that needs no user."""
    return obtain_token(profile, ProfileFiles.of(profile.name), is_good=lambda token: False)


@pytest.mark.parametrize("client, secret", [("ctadata-tests", None), ("plain", "plain-secret")])
def test_a_login_rotation_and_its_end(profile, approve, client, secret):
    there = profile(client)
    files = ProfileFiles.of(there.name)
    first = control.get_token(there, secret=secret, show=approve)
    seen = {load_login(files, there).refresh_token.reveal()}
    for _ in range(2):
        assert fresh(there).reveal() != first.reveal()
        seen.add(load_login(files, there).refresh_token.reveal())
    assert len(seen) == 3
    copied = load_login(files, there)
    logout(there)
    assert load_token(files, there) is None
    save_login(files, copied)
    with pytest.raises(LoginNeeded, match="invalid_grant"):
        fresh(there)


def test_reuse_ends_the_whole_family(profile, approve):
    there = profile()
    files = ProfileFiles.of(there.name)
    control.get_token(there, show=approve)
    copied = load_login(files, there)
    fresh(there)
    rightful = load_login(files, there)
    for login in (copied, rightful):
        save_login(files, login)
        with pytest.raises(LoginNeeded, match=r"invalid_grant.*start-agent"):
            fresh(there)


def test_a_denial(profile, provider):
    with pytest.raises(LoginNeeded, match="denied"):
        control.get_token(profile(), show=lambda login: provider.deny(login.verification_uri_complete))


@pytest.mark.parametrize("client, secret", [("plain", "wrong"), ("plain", None), ("nobody", None)])
def test_an_unknown_client(profile, client, secret):
    with pytest.raises(ConfigError, match=r"invalid_client.*check client_id"):
        control.get_token(profile(client), secret=secret, show=pytest.fail)
