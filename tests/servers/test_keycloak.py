"""Keycloak as the tests need it: realms whose refresh tokens rotate, last, or end; a client that enforces PKCE."""

from __future__ import annotations

import pytest
from servers.login import DEVICE_CODE, discovery, post

VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"  # RFC 7636, appendix B
CHALLENGE = {"code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "S256"}


class Client:
    """A client of a realm that knows nothing but forms."""

    def __init__(self, keycloak, realm, name):
        self.keycloak, self.name = keycloak, {"client_id": name}
        self.endpoint = discovery(keycloak.issuer(realm), keycloak.ca)

    def begin(self, scope="openid offline_access", **more):
        form = {**self.name, "scope": scope, **more}
        return post(self.endpoint["device_authorization_endpoint"], self.keycloak.ca, form)

    def ask(self, code, **more):
        form = {**self.name, "grant_type": DEVICE_CODE, "device_code": code["device_code"], **more}
        return post(self.endpoint["token_endpoint"], self.keycloak.ca, form)

    def refresh(self, token):
        form = {**self.name, "grant_type": "refresh_token", "refresh_token": token}
        return post(self.endpoint["token_endpoint"], self.keycloak.ca, form)

    def login(self, scope="openid offline_access"):
        code = self.begin(scope)
        self.keycloak.approve(code["verification_uri_complete"])
        return self.ask(code)


@pytest.fixture
def client(keycloak):
    return lambda realm, name="public": Client(keycloak, realm, name)


def test_a_login_through_its_pages(client):
    at = client("lasting")
    code = at.begin()
    assert (code["expires_in"], code["interval"]) == (600, 1)
    at.keycloak.approve(code["verification_uri_complete"])
    answer = at.ask(code)
    assert (answer["expires_in"], answer["token_type"]) == (300, "Bearer")
    assert answer["refresh_expires_in"] == 0  # offline: no known end


def test_nothing_before_the_approval(client):
    at = client("lasting")
    assert at.ask(at.begin())["error"] == "authorization_pending"


def test_refresh_tokens_rotate_in_one_realm_and_last_in_the_other(client):
    rotating, lasting = client("rotating"), client("lasting")
    once = rotating.login()["refresh_token"]
    assert rotating.refresh(once)["access_token"]
    assert rotating.refresh(once)["error_description"] == "Maximum allowed refresh token reuse exceeded"
    good = lasting.login()["refresh_token"]
    assert lasting.refresh(good)["access_token"]
    assert lasting.refresh(good)["access_token"]


def test_an_online_session_ends_when_idle(client):
    assert client("idle").login("openid")["refresh_expires_in"] <= 4
    assert client("lasting").login("openid")["refresh_expires_in"] > 1000


def test_pkce_is_enforced(client):
    at = client("lasting", "pkce")
    assert "code_challenge_method" in at.begin()["error_description"]
    code = at.begin(**CHALLENGE)
    at.keycloak.approve(code["verification_uri_complete"])
    assert at.ask(code)["error"] == "invalid_grant"
    code = at.begin(**CHALLENGE)
    at.keycloak.approve(code["verification_uri_complete"])
    assert at.ask(code, code_verifier=VERIFIER)["access_token"]
