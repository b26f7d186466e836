"""A token goes only to the origins that its user logged in for, whatever the settings say now."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ctadata.config.profile import Profile
from ctadata.errors import LoginNeeded
from ctadata.tokens.access_key_text import AccessKey
from ctadata.tokens.access_keys import AccessKeys, save_access_key
from ctadata.tokens.files import write_private
from ctadata.tokens.login_store import Login, load_login, load_token, save_login, save_token
from ctadata.tokens.origins import origin_texts
from ctadata.tokens.profile_files import ProfileFiles
from ctadata.tokens.provider_chain import TokenProvider
from ctadata.tokens.token import Secret, Token

ISSUER = "https://issuer/realms/cta"
SITE = Profile(
    "site",
    "https://door:2880",
    frontend="https://rest:3880",
    issuer=ISSUER,
    client_id="me",
    token_origins=("https://p:1",),
)
OTHERS = [
    {"door": "https://evil:2880"},
    {"door": "https://door:2881"},
    {"frontend": "https://evil:3880"},
    {"token_origins": ("https://p:1", "https://evil:1")},
]
FEWER = [{"frontend": None}, {"token_origins": ()}, {"door": "https://rest:3880"}, {"frontend": "https://DOOR:2880/"}]


@pytest.fixture
def files():
    files = ProfileFiles.of("site")
    files.prepare()
    save_token(files, SITE, Token.parse("opaque-token"))
    save_login(files, Login(ISSUER, "me", Secret("r"), origins=tuple(origin_texts(SITE))))
    return files


def asked(profile, tmp_path, **env):
    return TokenProvider(profile, env=env, temporary=tmp_path).bearer()


@pytest.mark.parametrize("changes", OTHERS, ids=str)
def test_another_origin_needs_a_new_login(files, tmp_path, changes):
    profile = replace(SITE, **changes)
    with pytest.raises(LoginNeeded) as caught:
        asked(profile, tmp_path)
    [new] = set(origin_texts(profile)) - set(origin_texts(SITE))
    assert "the login was for https://door:2880 and https://p:1 and https://rest:3880" in str(caught.value)
    assert f"now names {new}" in str(caught.value)
    assert "start-agent -P site" in caught.value.hint
    assert load_login(files, profile) is None  # it is not renewed either
    assert load_token(files, profile) is None
    assert load_login(files, profile, any_origin=True).refresh_token == Secret("r")  # but a logout ends it


@pytest.mark.parametrize("changes", FEWER, ids=str)
def test_fewer_origins_need_no_new_login(files, tmp_path, changes):
    profile = replace(SITE, **changes)
    assert asked(profile, tmp_path) == "opaque-token"
    assert load_login(files, profile) is not None


def test_copies_of_a_token_are_bound_to_its_origins(files, tmp_path):
    """Such copies are the file in BEARER_TOKEN_FILE after `env` or `exec`, and the agent's published one."""
    other = replace(SITE, name="other", door="https://evil:2880")
    published = tmp_path / "bt"
    write_private(published, "opaque-token")
    for path in (files.token, published):
        with pytest.raises(LoginNeeded):
            asked(other, tmp_path, BEARER_TOKEN_FILE=str(path))
        assert asked(replace(SITE, name="other"), tmp_path, BEARER_TOKEN_FILE=str(path)) == "opaque-token"


def test_a_token_that_the_user_passes_is_sent(files, tmp_path):
    other = replace(SITE, door="https://evil:2880")
    assert asked(other, tmp_path, BEARER_TOKEN="opaque-token") == "opaque-token"
    assert TokenProvider(other, explicit=files.token, env={}, temporary=tmp_path).bearer() == "opaque-token"


def test_a_login_of_an_older_version_counts_until_its_renewal(files, tmp_path):
    for path in (files.token_metadata, files.login):
        told = json.loads(path.read_text())
        del told["origins"]
        write_private(path, json.dumps(told))
    other = replace(SITE, door="https://moved:2880")
    assert asked(other, tmp_path) == "opaque-token"
    assert load_login(files, other).origins == ()


def test_a_token_of_another_program_is_bound_to_the_record(files, tmp_path):
    write_private(files.token, "another-token")
    assert asked(SITE, tmp_path) == "another-token"
    with pytest.raises(LoginNeeded):
        asked(replace(SITE, door="https://evil:2880"), tmp_path)


def test_an_access_key_goes_to_the_server_that_it_was_imported_for(files, tmp_path):
    s3 = Profile("site", "", kind="s3", endpoint="https://s3:9021")
    save_access_key(files, AccessKey("AKIA1", Secret("s")), s3.endpoint)
    assert AccessKeys(s3, env={}, home=tmp_path).current("r").id == "AKIA1"
    with pytest.raises(LoginNeeded, match="imported for https://s3:9021, and the profile now names https://evil"):
        AccessKeys(replace(s3, endpoint="https://evil"), env={}, home=tmp_path).current("r")
    save_access_key(files, AccessKey("AKIA1", Secret("s")))
    assert AccessKeys(replace(s3, endpoint="https://evil"), env={}, home=tmp_path).current("r").id == "AKIA1"
