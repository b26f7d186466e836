"""From a profile to its store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from ctadata.config.profile import Profile
from ctadata.errors import ConfigError
from ctadata.http.client import Client
from ctadata.http.messages import Origin
from ctadata.stores.factory import open_store
from ctadata.tokens.origins import trusted_origins

PROFILE = Profile(name="site", door="https://door.example:2880")


@pytest.fixture
def client() -> Iterator[Client]:
    client = Client(trusted=[], credentials=None)
    yield client
    client.close()


def test_the_features_of_a_dcache(client: Client) -> None:
    features = open_store(PROFILE, client).features
    assert (features.redirects, features.keeps_mtime, features.lists_checksums) == (True, True, True)
    assert features.digests[0] == "adler32"
    assert not features.atomic_put


def test_the_features_of_an_unknown_webdav_server(client: Client) -> None:
    features = open_store(replace(PROFILE, kind="webdav"), client).features
    assert (features.redirects, features.keeps_mtime, features.lists_checksums) == (False, False, False)
    assert features.digests == ()
    assert features.can_move


@pytest.mark.parametrize("kind", ["dcache", "webdav"])
def test_the_profile_says_whether_uploads_are_whole_or_nothing(client: Client, kind: str) -> None:
    assert open_store(replace(PROFILE, kind=kind, atomic_put=True), client).features.atomic_put


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "s3"},
        {"kind": ""},
        {"door": "door.example"},
        {"door": "ftp://door.example"},
        {"door": "https://user:secret@door.example"},
        {"door": "https://door.example/dav"},
        {"door": ""},
    ],
)
def test_a_profile_that_names_no_store(client: Client, wrong: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="site") as caught:
        open_store(replace(PROFILE, **wrong), client)
    assert caught.value.hint
    assert "secret" not in str(caught.value)


def test_the_origins_of_a_profile_may_receive_the_token() -> None:
    profile = replace(PROFILE, frontend="https://door.example:3880", token_origins=("https://pool.example",))
    assert trusted_origins(PROFILE) == {Origin("https", "door.example", 2880)}
    assert trusted_origins(profile) == {
        Origin("https", "door.example", 2880),
        Origin("https", "door.example", 3880),
        Origin("https", "pool.example", 443),
    }


@pytest.mark.parametrize("wrong", [{"frontend": "nowhere"}, {"token_origins": ("https://*.example",)}])
def test_an_invalid_origin_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="site"):
        trusted_origins(replace(PROFILE, **wrong))
