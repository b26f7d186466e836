"""No secret is shown, and no text can control a terminal."""

import json
import sys
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctadata.http.messages import Headers, Response
from ctadata.http.redaction import Secret, redact, sanitize
from ctadata.stores.s3.errors import explain
from ctadata.tokens.access_key_text import AccessKey

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
        "https://ada:5ec@5ecret@door/",
        "https://ada:p/5ecret@door/",
        "/https:/ada:5ecret@door/x: no such file",
        "Authorization: Bearer 5ecret",
        "authorization: bearer   5ecret, and more",
        "device_code=5ecret",
        "client_secret=5ecret",
        "GET https://s3/b/a?X-Amz-Credential=5ecret%2F20261121&X-Amz-Signature=5ecret",
        "x-amz-security-token=5ecret",
    ],
)
def test_a_secret_is_hidden(text):
    assert "5ecret" not in redact(text)
    assert "***" in redact(text)


@pytest.mark.parametrize("text", [JWT, f"token {JWT} refused", f"x={JWT}&y", f"'{JWT}'", JWT.rpartition(".")[0]])
def test_whatever_looks_like_a_jwt_is_hidden(text):
    assert "eyJ" not in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "Path not found: /lst/a b.fits",
        "Checksum mismatch (expected=[2:ab], actual=[1:cd])",
        "https://door:2880/lst/token/a?x=1",
        "https://door:2880/lst/a@b",
        "https://[::1]:2880/lst/a@b",
        "cscs:/a@b",
        "File size mismatch (expected=5, actual=4)",
        "bearer tokens are refused here"[:6],
    ],
)
def test_what_is_no_secret_stays(text):
    assert redact(text) == text


def test_the_token_that_was_sent_is_hidden_in_any_place():
    assert sanitize("who are you, opaque/word?", secret="opaque/word") == "who are you, ***?"


def test_a_sanitized_text_is_one_short_line_without_control_characters():
    shown = sanitize("a\r\nb\x1b[31m\x9b\u202e" + "x" * 10_000)
    assert shown.startswith("a b\\x1b[31m\\x9b\\u202e")
    assert len(shown) == 200


@given(st.text(max_size=300))
def test_a_sanitized_text_is_always_one_printable_line(text):
    shown = sanitize(text)
    assert len(shown) <= 200
    assert "\n" not in shown
    assert all(c.isprintable() or not c.isascii() for c in shown)


AWKWARD = "FwoGZXIvYXdzEBYaD/+abc=" * 9


@pytest.mark.parametrize(
    "text", [AWKWARD, "plain0secret1text2", "MDAxY2xvY2F0aW9uIE9wdGlvbmFsLmVtcHR5CjAw_-", "a b&c<d>e\"f'g"]
)
def test_a_secret_that_the_process_holds_is_shown_nowhere(text):
    held = Secret(text)
    for said in (
        text,
        quote(text, safe=""),
        quote(text, safe="").lower(),
        json.dumps(text)[1:-1],
        text.replace("/", r"\/"),
    ):
        for around in ("{}", "<Token>{}</Token>", "x={}&y", "the token '{}' has expired", "{0} and {0}"):
            shown = redact(around.format(said))
            assert said not in shown
            assert "***" in shown
    assert text not in sanitize(f"the token {text} is not good")
    del held


@pytest.mark.parametrize("text", ["no/utf-8/\udcff", "half/a/pair/\ud800"])
def test_a_secret_that_is_no_utf8_is_hidden(text):
    held = Secret(text)
    assert redact(f"the token {text} is not good") == "the token *** is not good"
    del held


def test_dropped_secrets_and_short_ones_are_not_hidden():
    held = Secret("short")
    assert redact("a short word") == "a short word"
    held = Secret("a-longer-one")
    assert redact("a-longer-one") == "***"
    del held
    assert redact("a-longer-one") == "a-longer-one"


def test_secrets_are_hidden_while_others_are_added():
    """At each call and return a secret is added, as another thread may add one at any time."""
    kept = [Secret(f"a-secret-{number}") for number in range(3)]
    sys.setprofile(lambda *_: kept.append(Secret(f"a-secret-{len(kept)}")))
    try:
        hidden = redact("with a-secret-2")
    finally:
        sys.setprofile(None)
    assert hidden == "with ***"
    assert len(kept) > 3


def test_the_longer_of_two_secrets_is_hidden_first():
    held = [Secret("beginning"), Secret("beginning-and-end")]
    assert redact("beginning-and-end") == "***"
    del held


def test_the_session_token_of_s3_in_the_body_of_an_error():
    key = AccessKey("AKIA1", Secret("s3cr3t/s3cr3t+s3cr3t"), Secret(AWKWARD))
    body = f"<Error><Code>InvalidToken</Code><Message>{AWKWARD} of {key.secret.reveal()}</Message></Error>"
    said = str(explain(Response("GET", "https://s3/b", 400, "Bad Request", Headers(), body.encode())))
    assert AWKWARD[:20] not in said
    assert "s3cr3t" not in said
