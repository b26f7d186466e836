"""A stored login is read back only for the issuer and client that it belongs to."""

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
def files(tmp_path):
    files = ProfileFiles.of("site", tmp_path)
    files.prepare()
    return files


def login(**changes):
    return dataclasses.replace(Login(SITE.issuer, SITE.client_id, Secret("refresh"), Secret("client")), **changes)


def test_nothing_yet(files):
    assert load_login(files, SITE) is None
    assert load_token(files, SITE) is None


@pytest.mark.parametrize("kept", [login(), login(client_secret=None), login(refresh_token=None)])
def test_a_login_comes_back(files, kept):
    save_login(files, kept)
    assert load_login(files, SITE) == kept
    assert "refresh" not in repr(kept).replace("refresh_token", "")


def test_the_issuer_may_gain_a_slash(files):
    save_login(files, login())
    assert load_login(files, dataclasses.replace(SITE, issuer="https://i/realms/a/")) == login()


@pytest.mark.parametrize("changes", [{"issuer": "https://evil"}, {"issuer": None}, {"client_id": "you"}])
def test_a_changed_profile_gets_neither_login_nor_token(files, changes, jwt):
    save_login(files, login())
    save_token(files, SITE, Token.parse("opaque", 100.0, 60.0))
    assert load_login(files, dataclasses.replace(SITE, **changes)) is None
    assert load_token(files, dataclasses.replace(SITE, **changes)) is None


@pytest.mark.parametrize("text", ["", "[", "[]", "null", '{"issuer": 1}', "[" * 100_000])
def test_a_broken_login_is_none(files, text):
    write_private(files.login, text)
    assert load_login(files, SITE) is None


def test_a_token_comes_back_with_its_life(files):
    token = Token.parse("opaque", 100.0, 60.0)
    save_token(files, SITE, token)
    assert load_token(files, SITE) == token
    assert files.token.read_text() == "opaque"  # nothing else, because other programs read this file
    assert "opaque" not in files.token_metadata.read_text()


def test_the_metadata_of_another_token_is_ignored(files, jwt):
    """This happens between the writes of the two files, or if another program wrote the token."""
    save_token(files, SITE, Token.parse("opaque", 100.0, 60.0))
    write_private(files.token, jwt(iss=SITE.issuer, exp=5000))
    assert load_token(files, SITE).expires_at == 5000
    write_private(files.token, jwt(iss="https://evil", exp=5000))
    assert load_token(files, SITE) is None
    write_private(files.token, "another")
    assert load_token(files, SITE).expires_at is None


def test_a_file_without_token(files):
    write_private(files.token, "\n")
    assert load_token(files, SITE) is None
    write_private(files.token, "two words")
    with pytest.raises(ConfigError):
        load_token(files, SITE)


def test_an_open_file_is_refused(files):
    save_token(files, SITE, Token.parse("opaque"))
    save_login(files, login())
    for path in (files.token, files.login):
        path.chmod(0o644)
    with pytest.raises(LocalError, match="others can read"):
        load_token(files, SITE)
    with pytest.raises(LocalError, match="others can read"):
        load_login(files, SITE)


def test_secrets_are_in_their_two_files_alone(files):
    save_login(files, login())
    save_token(files, SITE, Token.parse("the-access-token", 1.0, 2.0))
    holders = {
        path.name for path in files.folder.iterdir() if 'refresh"' in path.read_text() or 'client"' in path.read_text()
    }
    assert holders == {"login.json"}
    assert json.loads(files.login.read_text())["client_secret"] == "client"
    assert {path.name for path in files.folder.iterdir() if "the-access-token" in path.read_text()} == {"token"}
