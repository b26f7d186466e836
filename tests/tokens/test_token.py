"""A token hides its text, and every payload is read without a crash."""

from __future__ import annotations

import base64
import copy
import dataclasses
import json
import logging
import math
import pickle
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctadata.errors import ConfigError
from ctadata.tokens.token import Secret, Token, same_issuer

SECRET = "s3cr3t-of-the-token"


@pytest.mark.parametrize("length", range(12))
@pytest.mark.parametrize("filler", ["a", "\xff", "?", "~"])  # the latter three bring - and _ into the base64url
def test_claims_are_read_at_every_length(length, filler):
    payload = json.dumps({"iss": "https://i", "x": filler * length}, ensure_ascii=False).encode()
    text = "eyJ9." + base64.urlsafe_b64encode(payload).rstrip(b"=").decode() + ".sig"
    assert Token.parse(text).claims == {"iss": "https://i", "x": filler * length}


def test_all_characters_of_base64url_are_read():
    payload = json.dumps({"iss": "https://i", "x": "".join(map(chr, range(0x20, 0x400)))}, ensure_ascii=False)
    encoded = base64.urlsafe_b64encode(payload.encode()).rstrip(b"=").decode()
    assert "-" in encoded
    assert "_" in encoded
    assert Token.parse(f"h.{encoded}.s").issuer == "https://i"


@pytest.mark.parametrize(
    "text", ["MDAxY2xvY2F0aW9u", "a.b", "a.b.c", "..", "a..b", "h.bnVsbA.s", "h.WzFd.s", "h.eyJ4.s"]
)
def test_a_text_that_is_no_jwt_is_opaque(text):
    token = Token.parse(text)
    assert token.claims is None
    assert (token.issuer, token.subject, token.expires_at, token.lifetime) == (None, None, None, None)
    assert token.life_left(1e9) == math.inf
    assert token.reveal() == text


@given(st.binary(max_size=200), st.one_of(st.none(), st.floats()), st.one_of(st.none(), st.floats()))
def test_no_payload_is_too_strange(payload, received, expires_in):
    text = "h." + base64.urlsafe_b64encode(payload).decode() + ".s"
    token = Token.parse(text, received, expires_in)
    assert isinstance(token.life_left(0.0), float)
    assert text not in f"{token!r}{token}"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(["iss", "sub", "exp", "iat"]), json_values))
def test_no_claim_is_too_strange(claims):
    token = Token.parse("h." + base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=") + ".s")
    assert token.issuer is None or isinstance(token.issuer, str)
    assert isinstance(token.life_left(0.0), float)
    assert token.life_left(0.0) == token.life_left(0.0)  # never NaN


@pytest.mark.parametrize(
    "payload",
    [
        b'{"exp": 1e999}',
        b'{"exp": 1e300}',
        b'{"exp": 1800000000000}',
        b'{"exp": -1e12}',
        b'{"exp": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
    ],
)
def test_huge_numbers_and_deep_nesting(payload):
    token = Token.parse("h." + base64.urlsafe_b64encode(payload).decode() + ".s")
    assert token.expires_at is None


@pytest.mark.parametrize(
    "text", ["", " ", "\n", "a b", "a\nb", "a\r\nX-Evil: 1", "a\tb", "a\0b", "é", "a\x7f", "a\u2028b", "�"]
)
def test_characters_that_no_header_can_hold_are_refused(text):
    with pytest.raises(ConfigError) as caught:
        Token.parse(text)
    assert text.strip() == "" or text not in str(caught.value)


def test_white_space_around_it_does_not_count():
    assert Token.parse(" \t\n\v\f\rabc\n").reveal() == "abc"


def test_the_text_is_shown_nowhere(caplog):
    token = Token.parse(SECRET)
    caplog.set_level(logging.DEBUG)
    logging.getLogger("test").debug("token %s %r %s", token, token, [token])
    shown = [repr(token), str(token), f"{token}", f"{token!r}", f"{[token]}", repr(token.secret), str(token.secret)]
    assert SECRET not in "".join(shown) + caplog.text
    for leak in (pickle.dumps, copy.deepcopy, dataclasses.asdict, dataclasses.astuple, json.dumps, vars):
        for holder in (token, token.secret):
            with pytest.raises(TypeError) as caught:
                print(leak(holder))
            assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_token_cannot_be_changed():
    token = Token.parse("a")
    with pytest.raises(dataclasses.FrozenInstanceError):
        token.expires_in = 1.0


def test_equality_is_that_of_the_text():
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert hash(Token.parse("a")) == hash(Token.parse("a"))


def test_local_time_and_lifetime_come_before_the_issuers_clock(jwt):
    text = jwt(iat=5000, exp=5300)
    assert Token.parse(text, received=100.0, expires_in=60.0).expires_at == 160.0
    assert Token.parse(text, received=100.0).expires_at == 400.0  # a duration does not depend on the issuer's clock
    assert Token.parse(text).expires_at == 5300.0
    assert Token.parse(text).lifetime == 300.0
    assert Token.parse(jwt(exp=5300), received=100.0).expires_at == 5300.0
    assert Token.parse(text).life_left(5000.0) == 300.0
    assert Token.parse(text).life_left(6000.0) == -700.0


@pytest.mark.parametrize("value", [True, "never", [], {}, None])
def test_an_invalid_end_is_none(jwt, value):
    assert Token.parse(jwt(exp=value)).expires_at is None


def test_a_slash_at_the_end_of_an_issuer_does_not_count():
    assert same_issuer("https://i/realms/a/", "https://i/realms/a")
    assert not same_issuer("https://i/realms/a", "https://i/realms/b")
    assert not same_issuer(None, None)
