"""Apache as the tests need it: it asks for a token, reads its scopes, and keeps files where we can look."""

from __future__ import annotations

import ssl
from urllib.error import HTTPError
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

import pytest
from servers.provider import READ


@pytest.fixture(scope="module")
def token(provider):
    return provider.login()["access_token"]


def ask(door, method, path, token=None, body=None):
    """Status, WWW-Authenticate and body of one request."""
    opener = build_opener(ProxyHandler({}), HTTPSHandler(context=ssl.create_default_context(cafile=str(door.ca))))
    request = Request(door.url + path, method=method, data=body)
    if method == "PROPFIND":
        request.add_header("Depth", "1")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        answer = opener.open(request, timeout=30)
    except HTTPError as error:
        answer = error
    with answer:
        return answer.status, answer.headers["WWW-Authenticate"], answer.read()


def test_lists_with_a_token(apache, token):
    status, _, body = ask(apache, "PROPFIND", "/", token)
    assert status == 207
    assert b"multistatus" in body


def test_refuses_without(apache):
    status, challenge, _ = ask(apache, "PROPFIND", "/")
    assert status == 401
    assert challenge.startswith("Bearer")


def test_refuses_a_token_that_was_tampered_with(apache, token):
    head, body, signature = token.split(".")
    status, challenge, _ = ask(apache, "GET", "/", f"{head}.{body}.{signature[::-1]}")
    assert status == 401
    assert "invalid_token" in challenge


def test_reads_the_scopes(apache, provider):
    nothing = provider.login("openid")["access_token"]
    assert ask(apache, "PROPFIND", "/", nothing)[0] == 403
    reader = provider.login(f"openid {READ}")["access_token"]
    assert ask(apache, "PROPFIND", "/", reader)[0] == 207
    assert ask(apache, "PUT", "/by-a-reader", reader, b"x")[0] == 403


def test_a_file_there_and_back(apache, token):
    content = bytes(range(256)) * 1000
    assert ask(apache, "PUT", "/there and back".replace(" ", "%20"), token, content)[0] == 201
    assert (apache.data / "there and back").read_bytes() == content
    assert ask(apache, "GET", "/there%20and%20back", token) == (200, None, content)
