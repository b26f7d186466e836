"""What a login left on disk is read back, and only for the issuer and client that it belongs to."""

from __future__ import annotations

import dataclasses
import json

import pytest

from ctadata.config.profile import Profile
from ctadata.errors import ConfigError, LocalError
from ctadata.tokens.files import write_private
from ctadata.tokens.login_store import Login, load_login, load_token, save_login, save_token
from ctadata.tokens.profile_files import ProfileFiles
from ctadata.tokens.token import Secret, Token

SITE = Profile(name="site", door="https://door", issuer="https://i/realms/a", client_id="me")


@pytest.fixture
def places(tmp_path):
    places = ProfileFiles.of("site", tmp_path)
    places.prepare()
    return places


def login(**changes):
    return dataclasses.replace(Login(SITE.issuer, SITE.client_id, Secret("refresh"), Secret("client")), **changes)


def test_nothing_yet(places):
    assert load_login(places, SITE) is None
    assert load_token(places, SITE) is None


@pytest.mark.parametrize("kept", [login(), login(client_secret=None), login(refresh_token=None)])
def test_a_login_comes_back(places, kept):
    save_login(places, kept)
    assert load_login(places, SITE) == kept
    assert "refresh" not in repr(kept).replace("refresh_token", "")


def test_the_issuer_may_gain_a_slash(places):
    save_login(places, login())
    assert load_login(places, dataclasses.replace(SITE, issuer="https://i/realms/a/")) == login()


@pytest.mark.parametrize("changes", [{"issuer": "https://evil"}, {"issuer": None}, {"client_id": "you"}])
def test_a_changed_profile_gets_neither_login_nor_token(places, changes, jwt):
    save_login(places, login())
    save_token(places, SITE, Token.read("opaque", 100.0, 60.0))
    assert load_login(places, dataclasses.replace(SITE, **changes)) is None
    assert load_token(places, dataclasses.replace(SITE, **changes)) is None


@pytest.mark.parametrize("text", ["", "[", "[]", "null", '{"issuer": 1}', "[" * 100_000])
def test_a_broken_login_is_none(places, text):
    write_private(places.login, text)
    assert load_login(places, SITE) is None


def test_a_token_comes_back_with_its_life(places):
    token = Token.read("opaque", 100.0, 60.0)
    save_token(places, SITE, token)
    assert load_token(places, SITE) == token
    assert places.token.read_text() == "opaque"  # and nothing else: other programs read it
    assert "opaque" not in places.about.read_text()


def test_what_is_said_of_another_token_does_not_count(places, jwt):
    """Between the writing of the two files, or where some other program wrote the token."""
    save_token(places, SITE, Token.read("opaque", 100.0, 60.0))
    write_private(places.token, jwt(iss=SITE.issuer, exp=5000))
    assert load_token(places, SITE).expires_at == 5000
    write_private(places.token, jwt(iss="https://evil", exp=5000))
    assert load_token(places, SITE) is None
    write_private(places.token, "another")
    assert load_token(places, SITE).expires_at is None


def test_a_file_without_token(places):
    write_private(places.token, "\n")
    assert load_token(places, SITE) is None
    write_private(places.token, "two words")
    with pytest.raises(ConfigError):
        load_token(places, SITE)


def test_an_open_file_is_refused(places):
    save_token(places, SITE, Token.read("opaque"))
    save_login(places, login())
    for path in (places.token, places.login):
        path.chmod(0o644)
    with pytest.raises(LocalError, match="others can read"):
        load_token(places, SITE)
    with pytest.raises(LocalError, match="others can read"):
        load_login(places, SITE)


def test_secrets_are_in_their_two_files_alone(places):
    save_login(places, login())
    save_token(places, SITE, Token.read("the-access-token", 1.0, 2.0))
    holders = {
        path.name for path in places.folder.iterdir() if 'refresh"' in path.read_text() or 'client"' in path.read_text()
    }
    assert holders == {"login.json"}
    assert json.loads(places.login.read_text())["client_secret"] == "client"
    assert {path.name for path in places.folder.iterdir() if "the-access-token" in path.read_text()} == {"token"}
