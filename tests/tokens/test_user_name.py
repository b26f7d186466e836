"""The name of the user from profile or claims, and the rule that turns it into the name of a home."""

from __future__ import annotations

import pytest

from ctadata.config.profile import Profile
from ctadata.errors import ConfigError
from ctadata.tokens.token import Token
from ctadata.tokens.user_name import home_user, user_name


def site(**settings):
    return Profile(name="site", door="https://door", **settings)


@pytest.mark.parametrize(
    ("name", "home"),
    [
        ("volodymyr.savchenko@epfl.ch", "volodymyr_savchenko_epfl_ch"),
        ("user2@epfl.ch", "user__epfl_ch"),  # the platform's own rule loses the digits from 2 to 9
        ("User01@epfl.ch", "user01_epfl_ch"),
        ("Ünal", "_nal"),
        ("a.b", "a_b"),
        ("a--b", "a__b"),
        ("../x/y", "___x_y"),
    ],
)
def test_the_rule_of_the_platform(name, home):
    assert home_user(site(user=name, user_rule="cta"), None) == home


def test_plain_names_stay(jwt):
    assert home_user(site(), Token.parse(jwt(preferred_username="Ada.2"))) == "Ada.2"


def test_the_claims_count_in_their_order(jwt):
    both = Token.parse(jwt(preferred_username="ada", email="ada@x"))
    assert user_name(site(), both) == "ada"
    assert user_name(site(user_claim=("email", "preferred_username")), both) == "ada@x"
    assert user_name(site(), Token.parse(jwt(email="ada@x"))) == "ada@x"
    assert user_name(site(), Token.parse(jwt(preferred_username="", email="ada@x"))) == "ada@x"
    assert user_name(site(), Token.parse(jwt(preferred_username=["x"], email="ada@x"))) == "ada@x"


def test_the_profile_beats_the_token(jwt):
    assert user_name(site(user="grace"), Token.parse(jwt(preferred_username="ada"))) == "grace"


@pytest.mark.parametrize("token", [None, Token.parse("opaque")])
def test_no_user_is_named(token):
    assert user_name(site(), token) is None
    with pytest.raises(ConfigError, match=r"preferred_username or email.*CTADATA_USER"):
        home_user(site(), token)


@pytest.mark.parametrize("name", ["..", ".", "a/b", "/", "a\0b"])
def test_a_name_never_leaves_its_directory(jwt, name):
    with pytest.raises(ConfigError, match="cannot be the name"):
        home_user(site(), Token.parse(jwt(preferred_username=name)))


def test_an_unknown_rule_is_a_config_error():
    with pytest.raises(ConfigError, match="cta or plain"):
        home_user(site(user="ada", user_rule="guess"), None)
