"""The provider as the tests need it: a device login through its own pages, refresh tokens that rotate, short lives."""

from __future__ import annotations

import base64
import json

from servers.login import DEVICE_CODE, post
from servers.real import AUDIENCE, MODIFY, READ


def claims(token):
    body = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


def test_a_login_gives_a_token_for_the_door(provider):
    answer = provider.login(user="ada")
    said = claims(answer["access_token"])
    assert said["iss"] == provider.issuer
    assert said["aud"] == AUDIENCE
    assert said["preferred_username"] == "ada"
    assert set(said["scope"].split()) == {READ, MODIFY}
    assert answer["refresh_token"]


def test_nothing_before_the_approval(provider):
    client = {"client_id": provider.short_lived}
    code = post(f"{provider.issuer}/device/auth", provider.ca, {**client, "scope": f"openid {READ}"})
    assert code["interval"] == 1
    grant = {**client, "grant_type": DEVICE_CODE, "device_code": code["device_code"]}
    assert post(f"{provider.issuer}/token", provider.ca, grant)["error"] == "authorization_pending"
    provider.approve(code["verification_uri_complete"])
    answer = post(f"{provider.issuer}/token", provider.ca, grant)
    assert answer["expires_in"] == 9
    said = claims(answer["access_token"])
    assert said["exp"] - said["iat"] == 9


def test_a_refresh_token_is_good_once(provider):
    first = provider.login()["refresh_token"]
    grant = {"client_id": provider.client_id, "grant_type": "refresh_token", "refresh_token": first}
    second = post(f"{provider.issuer}/token", provider.ca, grant)
    assert second["refresh_token"] != first
    assert claims(second["access_token"])["aud"] == AUDIENCE
    assert post(f"{provider.issuer}/token", provider.ca, grant)["error"] == "invalid_grant"
