"""Issuer: an OpenID provider as a client sees it: found by discovery, asked to refresh and to revoke.

OpenID Connect Discovery 1.0, RFC 6749 (refresh), RFC 7009 (revocation). No redirect is ever followed, and no
secret goes over plain http except to this machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from ctadata.config.profile import Profile
from ctadata.errors import ConfigError, CtadataError, Untrusted
from ctadata.http.messages import Origin
from ctadata.http.redaction import sanitize
from ctadata.http.rest import JsonClient, JsonResponse
from ctadata.tokens.token import Secret, same_issuer
from ctadata.tokens.token_response import Grant, parse_grant, parse_success


@dataclass(frozen=True, slots=True)
class Issuer:
    """An issuer, and the client that we are to it.

    name:      its identifier, as the profile has it.
    secret:    the client's; None for a public client.
    scope, audience: what a login asks for.
    token_endpoint, device_endpoint, revocation_endpoint: from discovery; empty where it has none.
    by_form:   whether the secret goes into the form (client_secret_post) and not into a header.
    now:       the local clock, seconds since 1970.
    """

    rest: JsonClient
    name: str
    client_id: str
    secret: Secret | None
    scope: str
    audience: str | None
    token_endpoint: str
    device_endpoint: str
    revocation_endpoint: str
    secret_in_form: bool
    now: Callable[[], float] = time.time

    @classmethod
    def discover(
        cls, profile: Profile, rest: JsonClient, secret: Secret | None, now: Callable[[], float] = time.time
    ) -> Issuer:
        """Ask the profile's issuer what it offers.

        ConfigError where the profile has no issuer or client, or where the answer is another issuer's.
        """
        name, client_id = _named(profile)
        _refuse_plain(name)
        answer = rest.get(name.rstrip("/") + "/.well-known/openid-configuration")
        hint = f"check issuer in the profile {profile.name}"
        try:
            told = parse_success(answer, "to say what it offers")
        except CtadataError as error:
            error.hint = error.hint or hint
            raise
        if not same_issuer(told.get("issuer"), name):
            raise ConfigError(f"{name} says that it is {sanitize(str(told.get('issuer')))}", hint=hint)
        listed = told.get("token_endpoint_auth_methods_supported")
        methods = (listed if isinstance(listed, list) else []) or ["client_secret_basic"]
        return cls(
            rest=rest,
            name=name,
            client_id=client_id,
            secret=secret,
            scope=profile.scope,
            audience=profile.audience,
            token_endpoint=_endpoint(told, "token_endpoint"),
            device_endpoint=_endpoint(told, "device_authorization_endpoint"),
            revocation_endpoint=_endpoint(told, "revocation_endpoint"),
            secret_in_form="client_secret_basic" not in methods and "client_secret_post" in methods,
            now=now,
        )

    def refresh(self, refresh_token: Secret) -> Grant:
        """A new access token, and often a new refresh token, after which the old one may be dead.

        LoginNeeded where the login is over; ConfigError; retryable errors.
        """
        received = self.now()
        fields = {"grant_type": "refresh_token", "refresh_token": refresh_token.reveal(), **self.audience_field()}
        return parse_grant(parse_success(self.post(self.token_endpoint, fields), "to refresh the token"), received)

    def revoke(self, refresh_token: Secret) -> bool:
        """End the login at the issuer; False where it offers no revocation. Errors as in `refresh`."""
        if not self.revocation_endpoint:
            return False
        fields = {"token": refresh_token.reveal(), "token_type_hint": "refresh_token"}
        answer = self.post(self.revocation_endpoint, fields)
        if answer.status != 200:  # RFC 7009 section 2.2: 200, and the body does not matter
            parse_success(answer, "to revoke the login")
        return True

    def post(self, url: str, fields: Mapping[str, str]) -> JsonResponse:
        """Send a form as this client (RFC 6749 section 2.3.1: what stands in Basic is form-encoded first)."""
        if self.secret is None:
            return self.rest.post_form(url, {**fields, "client_id": self.client_id})
        if self.secret_in_form:
            proof = {"client_id": self.client_id, "client_secret": self.secret.reveal()}
            return self.rest.post_form(url, {**fields, **proof})
        basic = (quote_plus(self.client_id), quote_plus(self.secret.reveal()))
        return self.rest.post_form(url, fields, basic=basic)

    def audience_field(self) -> dict[str, str]:
        """The field that names the audience, where the profile does."""
        return {"audience": self.audience} if self.audience else {}


def _named(profile: Profile) -> tuple[str, str]:
    for key, value in (("issuer", profile.issuer), ("client_id", profile.client_id)):
        if not value:
            raise ConfigError(f"the profile {profile.name} names no {key}, so there is nothing to log in to")
    return str(profile.issuer), str(profile.client_id)


def _endpoint(told: Mapping[str, Any], key: str) -> str:
    url = told.get(key)
    if not isinstance(url, str) or not url:
        return ""
    _refuse_plain(url)
    return url


def _refuse_plain(url: str) -> None:
    """Refuse what is neither https nor on this machine (ConfigError)."""
    try:
        origin = Origin.parse(url)
    except Untrusted as error:
        raise ConfigError(error.what) from None
    if origin.scheme != "https" and not origin.is_loopback:
        raise ConfigError(f"{sanitize(url)} is not an https address, and a login goes nowhere else")
