"""No secret is shown, and nothing can steer a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctadata.http.redaction import presentable, redacted

JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    "text",
    [
        "GET https://ds:1094/a?authz=Bearer%205ecret&x=1",
        "GET https://door/a?x=1&authz=5ecret",
        "https://pool/a?dcache-http-uuid=5ecret&dcache-http-ref=https%3A%2F%2Fdoor",
        "https://door/a?access_token=5ecret",
        "refresh_token=5ecret&client_id=x",
        "to https%3A%2F%2Fdoor%3Fauthz%3D5ecret",
        "https://ada:5ecret@door/",
        "Authorization: Bearer 5ecret",
        "authorization: bearer   5ecret, and more",
        "device_code=5ecret",
        "client_secret=5ecret",
        "GET https://s3/b/a?X-Amz-Credential=5ecret%2F20261121&X-Amz-Signature=5ecret",
        "x-amz-security-token=5ecret",
    ],
)
def test_a_secret_is_hidden(text):
    assert "5ecret" not in redacted(text)
    assert "***" in redacted(text)


@pytest.mark.parametrize("text", [JWT, f"token {JWT} refused", f"x={JWT}&y", f"'{JWT}'", JWT.rpartition(".")[0]])
def test_whatever_looks_like_a_jwt_is_hidden(text):
    assert "eyJ" not in redacted(text)


@pytest.mark.parametrize(
    "text",
    [
        "Path not found: /lst/a b.fits",
        "Checksum mismatch (expected=[2:ab], actual=[1:cd])",
        "https://door:2880/lst/token/a?x=1",
        "File size mismatch (expected=5, actual=4)",
        "bearer tokens are refused here"[:6],
    ],
)
def test_what_is_no_secret_stays(text):
    assert redacted(text) == text


def test_the_token_that_was_sent_is_hidden_in_any_place():
    assert presentable("who are you, opaque/word?", secret="opaque/word") == "who are you, ***?"


def test_one_line_that_cannot_steer_a_terminal_and_is_not_long():
    shown = presentable("a\r\nb\x1b[31m\x9b\u202e" + "x" * 10_000)
    assert shown.startswith("a b\\x1b[31m\\x9b\\u202e")
    assert len(shown) == 200


@given(st.text(max_size=300))
def test_presentable_is_always_one_printable_line(text):
    shown = presentable(text)
    assert len(shown) <= 200
    assert "\n" not in shown
    assert all(c.isprintable() or not c.isascii() for c in shown)
