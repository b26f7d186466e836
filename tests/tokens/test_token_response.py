"""The meaning of an issuer's response: the three classes that the agent needs, and the messages."""

from __future__ import annotations

import json

import pytest

from ctadata.errors import Busy, ConfigError, LoginNeeded, ServerTrouble, TemporaryError
from ctadata.http.messages import Headers
from ctadata.http.rest import JsonResponse
from ctadata.tokens.token_response import ErrorResponse, parse_grant, parse_response, parse_success


def answer(status, body, **headers):
    text = body if isinstance(body, str) else json.dumps(body)
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    lines = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return JsonResponse("POST", "https://i/token", status, "Reason", Headers(lines), document, text)


def refusal(code, status=400, words=""):
    return answer(status, {"error": code, "error_description": words})


HTML = "<html><body>Welcome to the hotel</body></html>"


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (refusal("invalid_grant"), LoginNeeded),
        (refusal("invalid_client", 401), ConfigError),
        (refusal("unauthorized_client", 401), ConfigError),
        (refusal("invalid_scope"), ConfigError),
        (refusal("unsupported_grant_type"), ConfigError),
        (refusal("invalid_request"), ConfigError),
        (refusal("never heard of"), ConfigError),
        (refusal("temporarily_unavailable"), TemporaryError),
        (refusal("server_error"), TemporaryError),
        (refusal("slow_down"), TemporaryError),
        (refusal("invalid_grant", 500), ServerTrouble),  # a 500 is never final, whatever its body says
        (refusal("temporarily_unavailable", 503), Busy),
        (answer(200, {"error": "invalid_grant"}), LoginNeeded),  # some issuers refuse with 200
        (answer(400, {}), ConfigError),
        (answer(404, {"error": "Realm does not exist"}), ConfigError),
        (answer(200, HTML), TemporaryError),  # a captive portal
        (answer(400, HTML), TemporaryError),
        (answer(401, HTML), TemporaryError),
        (answer(403, HTML), TemporaryError),
        (answer(404, HTML), TemporaryError),
        (answer(407, HTML), TemporaryError),
        (answer(200, "[]"), TemporaryError),
        (answer(200, '"a"'), TemporaryError),
        (answer(200, ""), TemporaryError),
        (answer(302, ""), TemporaryError),
        (answer(307, {"access_token": "a"}), TemporaryError),
        (answer(100, ""), TemporaryError),
        (answer(408, ""), ServerTrouble),
        (answer(429, ""), Busy),
        (answer(500, HTML), ServerTrouble),
        (answer(502, HTML), ServerTrouble),
        (answer(503, HTML), Busy),
    ],
    ids=lambda value: f"{value.status} {value.text[:30]}" if isinstance(value, JsonResponse) else value.__name__,
)
def test_the_three_classes(said, kind):
    with pytest.raises(kind) as caught:
        parse_success(said, "to refresh the token")
    assert caught.value.retryable == issubclass(kind, TemporaryError)
    assert caught.value.what


def test_a_success_returns_its_content():
    assert parse_success(answer(200, {"a": 1}), "") == {"a": 1}


def test_parse_response_returns_an_error_response():
    assert parse_response(refusal("authorization_pending", words="wait"), "") == ErrorResponse(
        "authorization_pending", "wait"
    )


def test_the_issuers_own_words_are_in_the_error_and_can_steer_no_terminal():
    with pytest.raises(ConfigError, match=r"to refresh the token.*invalid_client: Bad \\x1b.2J secret") as caught:
        parse_success(refusal("invalid_client", 401, "Bad \x1b[2J secret"), "to refresh the token")
    assert "secret" in caught.value.hint


def test_long_words_are_cut():
    with pytest.raises(ConfigError) as caught:
        parse_success(refusal("invalid_client", 401, "x" * 10_000), "to refresh the token")
    assert len(str(caught.value)) < 600


def test_a_token_in_the_issuers_words_is_hidden():
    with pytest.raises(LoginNeeded) as caught:
        parse_success(refusal("invalid_grant", words="refresh_token=abcdef is over"), "to refresh the token")
    assert "abcdef" not in str(caught.value)


@pytest.mark.parametrize(("value", "seconds"), [("7", 7.0), ("soon", None)])
def test_retry_after(value, seconds):
    with pytest.raises(Busy) as caught:
        parse_success(answer(429, "", Retry_After=value), "")
    assert caught.value.retry_after == seconds


def test_a_grant():
    grant = parse_grant({"access_token": "a", "expires_in": 60, "refresh_token": "r", "scope": "openid"}, 100.0)
    assert (grant.token.reveal(), grant.token.expires_at, grant.scope) == ("a", 160.0, "openid")
    assert grant.refresh_token.reveal() == "r"
    assert not {"r", "a"} & set(repr(grant).replace("'", " ").split())


@pytest.mark.parametrize("expires_in", [None, "soon", True, [], float("inf")])
def test_a_grant_that_does_not_say_when_it_ends(expires_in):
    assert parse_grant({"access_token": "a", "expires_in": expires_in}, 100.0).token.expires_at is None


def test_expires_in_may_be_text():
    assert parse_grant({"access_token": "a", "expires_in": "60"}, 100.0).token.expires_at == 160.0


def test_no_refresh_token():
    for value in (None, "", 7):
        assert parse_grant({"access_token": "a", "refresh_token": value}, 0.0).refresh_token is None


@pytest.mark.parametrize("content", [{}, {"access_token": None}, {"access_token": 7}])
def test_a_success_without_token_is_a_temporary_error(content):
    with pytest.raises(TemporaryError):
        parse_grant(content, 0.0)
