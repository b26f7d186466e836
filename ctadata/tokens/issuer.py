"""Issuer: an OpenID provider as its client uses it: discovery, refresh, revocation.

The standards are OpenID Connect Discovery 1.0, RFC 6749 (refresh) and RFC 7009 (revocation). No redirect is followed.
Secrets go only over https, or to this machine.
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
    """An issuer, and this program as its client.

    Attributes:
        rest: Sends the requests.
        name: The issuer's identifier, as the profile has it.
        client_id: The client's identifier at the issuer.
        secret: The client's secret. None for a public client.
        scope: The scopes that a login requests.
        audience: The audience that a login requests. None requests none.
        token_endpoint: The address from discovery. An endpoint that the issuer does not have is empty.
        device_endpoint: The address of the device flow.
        revocation_endpoint: The address of the revocation.
        secret_in_form: The secret goes into the form (client_secret_post), not into a header (client_secret_basic).
        now: Returns the local time in seconds since 1970.
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
        """Ask the profile's issuer for its endpoints.

        Args:
            profile: The profile that names the issuer and the client.
            rest: Sends the requests.
            secret: The client's secret. None for a public client.
            now: Returns the local time in seconds since 1970.

        Raises:
            ConfigError: The profile names no issuer or client, or the answer is another issuer's.
            TemporaryError: The issuer is busy or cannot be reached.
        """
        name, client_id = _require_issuer_and_client(profile)
        _require_https(name)
        answer = rest.get(name.rstrip("/") + "/.well-known/openid-configuration")
        hint = f"check issuer in the profile {profile.name}"
        try:
            metadata = parse_success(answer, "to say what it offers")
        except CtadataError as error:
            error.hint = error.hint or hint
            raise
        if not same_issuer(metadata.get("issuer"), name):
            raise ConfigError(f"{name} says that it is {sanitize(str(metadata.get('issuer')))}", hint=hint)
        listed = metadata.get("token_endpoint_auth_methods_supported")
        methods = (listed if isinstance(listed, list) else []) or ["client_secret_basic"]
        return cls(
            rest=rest,
            name=name,
            client_id=client_id,
            secret=secret,
            scope=profile.scope,
            audience=profile.audience,
            token_endpoint=_endpoint(metadata, "token_endpoint"),
            device_endpoint=_endpoint(metadata, "device_authorization_endpoint"),
            revocation_endpoint=_endpoint(metadata, "revocation_endpoint"),
            secret_in_form="client_secret_basic" not in methods and "client_secret_post" in methods,
            now=now,
        )

    def refresh(self, refresh_token: Secret) -> Grant:
        """Exchange a refresh token for a new access token, and often a new refresh token.

        The issuer may invalidate the old refresh token.

        Raises:
            LoginNeeded: The login is over.
            ConfigError: The issuer does not accept the client.
            TemporaryError: The issuer is busy or cannot be reached.
        """
        received = self.now()
        fields = {"grant_type": "refresh_token", "refresh_token": refresh_token.reveal(), **self.audience_field()}
        return parse_grant(parse_success(self.post(self.token_endpoint, fields), "to refresh the token"), received)

    def revoke(self, refresh_token: Secret) -> bool:
        """End the login at the issuer. Return False if the issuer offers no revocation.

        Raises:
            CtadataError: Any error that `refresh` raises.
        """
        if not self.revocation_endpoint:
            return False
        fields = {"token": refresh_token.reveal(), "token_type_hint": "refresh_token"}
        answer = self.post(self.revocation_endpoint, fields)
        if answer.status != 200:  # RFC 7009 section 2.2: the status says it all, the body nothing
            parse_success(answer, "to revoke the login")
        return True

    def post(self, url: str, fields: Mapping[str, str]) -> JsonResponse:
        """Send a form as this client.

        In a Basic header, ID and secret are form-encoded first (RFC 6749 section 2.3.1).
        """
        if self.secret is None:
            return self.rest.post_form(url, {**fields, "client_id": self.client_id})
        if self.secret_in_form:
            proof = {"client_id": self.client_id, "client_secret": self.secret.reveal()}
            return self.rest.post_form(url, {**fields, **proof})
        basic = (quote_plus(self.client_id), quote_plus(self.secret.reveal()))
        return self.rest.post_form(url, fields, basic=basic)

    def audience_field(self) -> dict[str, str]:
        """Return the form field of the audience; empty if the profile names none."""
        return {"audience": self.audience} if self.audience else {}


def _require_issuer_and_client(profile: Profile) -> tuple[str, str]:
    for key, value in (("issuer", profile.issuer), ("client_id", profile.client_id)):
        if not value:
            raise ConfigError(f"the profile {profile.name} names no {key}, so no login is possible")
    return str(profile.issuer), str(profile.client_id)


def _endpoint(metadata: Mapping[str, Any], key: str) -> str:
    url = metadata.get(key)
    if not isinstance(url, str) or not url:
        return ""
    _require_https(url)
    return url


def _require_https(url: str) -> None:
    """Raise ConfigError unless the address is https or on this machine."""
    try:
        origin = Origin.parse(url)
    except Untrusted as error:
        raise ConfigError(error.what) from None
    if origin.scheme != "https" and not origin.is_loopback:
        raise ConfigError(f"{sanitize(url)} is not an https address, and a login needs one")
