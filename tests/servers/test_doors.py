"""The real doors as the tests need them: they ask for a token, read its scopes, and keep files where we can look."""

from __future__ import annotations

import tomllib
from urllib.error import HTTPError
from urllib.request import Request

import pytest
from servers.login import opener
from servers.real import MODIFY, READ


@pytest.fixture(params=[pytest.param("apache", marks=pytest.mark.full("apache", "provider")), "wsgidav"])
def door(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def token(door):
    return door.login()["access_token"]


def ask(door, method, path, token=None, body=None):
    """Status, WWW-Authenticate and body of one request."""
    request = Request(door.url + path, method=method, data=body)
    if method == "PROPFIND":
        request.add_header("Depth", "1")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        answer = opener(door.ca).open(request, timeout=60)
    except HTTPError as error:
        answer = error
    with answer:
        return answer.status, answer.headers["WWW-Authenticate"], answer.read()


def test_lists_with_a_token(door, token):
    status, _, body = ask(door, "PROPFIND", "/", token)
    assert status == 207
    assert b"multistatus" in body


def test_refuses_without(door):
    status, challenge, _ = ask(door, "PROPFIND", "/")
    assert status == 401
    assert challenge.startswith("Bearer")


def test_refuses_a_token_that_was_tampered_with(door, token):
    head, body, signature = token.split(".")
    status, challenge, _ = ask(door, "GET", "/", f"{head}.{body}.{signature[::-1]}")
    assert status == 401
    assert "invalid_token" in challenge


def test_reads_the_scopes(door):
    nothing = door.login("openid")["access_token"]
    assert ask(door, "PROPFIND", "/", nothing)[0] == 403
    reader = door.login(f"openid {READ}")["access_token"]
    assert ask(door, "PROPFIND", "/", reader)[0] == 207
    assert ask(door, "PUT", "/by-a-reader", reader, b"x")[0] == 403
    writer = door.login(f"openid {MODIFY}")["access_token"]
    assert ask(door, "PUT", "/by-a-writer", writer, b"x")[0] in {201, 204}
    assert ask(door, "GET", "/by-a-writer", writer)[0] == 403
    assert not (door.data / "by-a-reader").exists()


def test_a_file_there_and_back(door, token):
    content = bytes(range(256)) * 1000
    assert ask(door, "PUT", "/there%20and%20back", token, content)[0] in {201, 204}
    assert (door.data / "there and back").read_bytes() == content
    assert ask(door, "GET", "/there%20and%20back", token) == (200, None, content)


def test_says_what_a_profile_needs(door):
    (profile,) = tomllib.loads(door.profile_toml("somewhere"))["profiles"].items()
    assert profile[0] == "somewhere"
    assert profile[1]["door"] == door.url
    assert profile[1]["kind"] == "webdav"
