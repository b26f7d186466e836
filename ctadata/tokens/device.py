"""The device flow: a person approves a code in any browser while we wait (RFC 8628), with PKCE (RFC 7636).

PKCE is no part of RFC 8628; Keycloak checks it where a client enforces it, and others pass it over, so it is
always sent.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from ctadata.errors import ConfigError, CtadataError, LoginNeeded, Stopped, Untrusted
from ctadata.http.messages import Origin
from ctadata.http.rest import JsonResponse
from ctadata.paths import escape_unprintable
from ctadata.tokens.issuer import Issuer
from ctadata.tokens.token import Secret, parse_seconds
from ctadata.tokens.token_response import ErrorResponse, Grant, parse_grant, parse_response, refusal_error

INTERVAL = 5.0
"""Seconds between two questions where the issuer names none; also what `slow_down` adds (RFC 8628 section 3.5)."""

CODE_LIFE = 600.0
"""Seconds that a code lives where the issuer does not say, though it must."""

LONGEST_PAUSE = 60.0
"""Seconds between two questions, at the most, while the issuer cannot be reached."""

Show = Callable[["DeviceLogin"], None]
"""Shows a person the address and the code, and returns at once."""

_GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"


@dataclass(frozen=True, slots=True)
class DeviceLogin:
    """A login that waits for a person's approval.

    user_code:  what the person types at `verification_uri`.
    verification_uri_complete: the address with the code in it, for a QR code; None where the issuer gives none.
    expires_in: seconds that the code lives.
    interval:   seconds between two questions.
    """

    user_code: str
    verification_uri: str
    verification_uri_complete: str | None
    expires_in: float
    interval: float
    device_code: Secret = field(repr=False)
    verifier: Secret = field(repr=False)


def begin_device_login(issuer: Issuer) -> DeviceLogin:
    """Ask for a code; once more without `offline_access` where the issuer does not know that scope.

    ConfigError where the issuer or the client cannot do this; retryable errors.
    """
    if not issuer.device_endpoint:
        raise ConfigError(f"{issuer.name} offers no login by code (device flow)")
    verifier = Secret(secrets.token_urlsafe(48))
    doing = "to begin a login"
    content = parse_response(_ask_for_code(issuer, issuer.scope, verifier), doing)
    online = " ".join(scope for scope in issuer.scope.split() if scope != "offline_access")
    if isinstance(content, ErrorResponse) and content.code == "invalid_scope" and online != issuer.scope:
        content = parse_response(_ask_for_code(issuer, online, verifier), doing)
    if isinstance(content, ErrorResponse):
        raise _not_possible(content)
    return _read_login(content, verifier)


def wait_for_login(
    issuer: Issuer,
    login: DeviceLogin,
    *,
    stop: Event,
    clock: Callable[[], float] = time.monotonic,
    wait: Callable[[float], object] | None = None,
) -> Grant:
    """Ask until the person has approved.

    wait: passes some seconds, and returns early once `stop` is set; `stop.wait` unless told otherwise.
    LoginNeeded where it was denied or the code has expired, ConfigError where the client may not do this,
    Stopped where `stop` is set.
    """
    wait = wait or stop.wait
    deadline = clock() + login.expires_in
    interval = pause = login.interval
    while True:
        wait(pause)
        if stop.is_set():
            raise Stopped("the login was stopped")
        if clock() > deadline:
            raise LoginNeeded("the code has expired before the login was approved", hint="start again")
        try:
            result = _ask_for_token(issuer, login)
        except CtadataError as error:
            if not error.retryable:
                raise
            pause = min(max(2 * pause, error.retry_after or 0), max(LONGEST_PAUSE, interval))
            continue
        if isinstance(result, Grant):
            return result
        interval = pause = interval + _more_patience(result)


def _ask_for_code(issuer: Issuer, scope: str, verifier: Secret) -> JsonResponse:
    digest = hashlib.sha256(verifier.reveal().encode("ascii")).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
    fields = {"scope": scope, "code_challenge": challenge, "code_challenge_method": "S256", **issuer.audience_field()}
    return issuer.post(issuer.device_endpoint, fields)


def _ask_for_token(issuer: Issuer, login: DeviceLogin) -> Grant | ErrorResponse:
    received = issuer.now()
    proof = {"device_code": login.device_code.reveal(), "code_verifier": login.verifier.reveal()}
    answer = issuer.post(issuer.token_endpoint, {"grant_type": _GRANT_TYPE, **proof})
    content = parse_response(answer, "to finish the login")
    return content if isinstance(content, ErrorResponse) else parse_grant(content, received)


def _more_patience(refusal: ErrorResponse) -> float:
    """Seconds to add to the interval; every refusal but two ends the login (raised)."""
    if refusal.code == "authorization_pending":
        return 0
    if refusal.code == "slow_down":
        return INTERVAL
    if refusal.code == "access_denied":
        raise LoginNeeded(f"the login was denied ({refusal})", hint="start again, and approve it")
    if refusal.code == "expired_token":
        raise LoginNeeded(f"the code has expired before the login was approved ({refusal})", hint="start again")
    raise _not_possible(refusal)


def _not_possible(refusal: ErrorResponse) -> CtadataError:
    if refusal.code == "invalid_grant":  # Keycloak: "Client not allowed for OAuth 2.0 Device Authorization Grant"
        return ConfigError(f"the issuer does not take this login ({refusal})")
    return refusal_error(refusal, "the login")


def _read_login(content: Mapping[str, Any], verifier: Secret) -> DeviceLogin:
    device_code, user_code = content.get("device_code"), content.get("user_code")
    if not isinstance(device_code, str) or not isinstance(user_code, str):
        raise ConfigError("the issuer began a login, but gave no code")
    address = _web_address(content.get("verification_uri"))
    if address is None:
        raise ConfigError("the issuer began a login, but gave no address to approve it at")
    return DeviceLogin(
        user_code=escape_unprintable(user_code),
        verification_uri=address,
        verification_uri_complete=_web_address(content.get("verification_uri_complete")),
        expires_in=parse_seconds(content.get("expires_in")) or CODE_LIFE,
        interval=_interval(content.get("interval")),
        device_code=Secret(device_code),
        verifier=verifier,
    )


def _interval(told: object) -> float:
    number = parse_seconds(told)
    return INTERVAL if number is None or number < 0 else number


def _web_address(value: object) -> str | None:
    """An address that a person may be shown and a QR code may hold; None for everything else."""
    if not isinstance(value, str):
        return None
    try:
        Origin.parse(value)
    except Untrusted:
        return None
    return value
