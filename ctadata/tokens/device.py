"""The device flow: the user approves a code in any browser while the program waits (RFC 8628), with PKCE (RFC 7636).

PKCE is no part of RFC 8628. Keycloak checks it if a client enforces it, and other issuers ignore it, so it is always
sent.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from ctadata.errors import ConfigError, CtadataError, LoginNeeded, Stopped, Untrusted
from ctadata.http.messages import Origin
from ctadata.http.rest import JsonResponse
from ctadata.printable import escape_unprintable
from ctadata.tokens.issuer import Issuer
from ctadata.tokens.token import Secret, parse_seconds
from ctadata.tokens.token_response import ErrorResponse, Grant, parse_grant, parse_response, refusal_error

INTERVAL = 5.0
"""Seconds between two requests if the issuer names none; `slow_down` also adds them (RFC 8628 section 3.5)."""

CODE_LIFE = 600.0
"""Seconds that a code lives if the issuer does not say it, although RFC 8628 section 3.2 requires it."""

LONGEST_PAUSE = 60.0
"""The longest pause between two requests while the issuer cannot be reached, in seconds."""

Show = Callable[["DeviceLogin"], AbstractContextManager[object] | None]
"""Shows the user the address and the code, and returns at once. The block that it returns, if any, lasts as long as the
wait for the user."""

_GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"


@dataclass(frozen=True, slots=True)
class DeviceLogin:
    """A login that waits for the user's approval.

    Attributes:
        user_code: The code that the user types at `verification_uri`.
        verification_uri: The address to open in a browser.
        verification_uri_complete: The address with the code in it, for a QR code. None if the issuer sends none.
        expires_in: The life of the code, in seconds.
        interval: The pause between two requests, in seconds.
        device_code: The secret that the program sends while it waits.
        verifier: The secret of PKCE.
    """

    user_code: str
    verification_uri: str
    verification_uri_complete: str | None
    expires_in: float
    interval: float
    device_code: Secret = field(repr=False)
    verifier: Secret = field(repr=False)


def begin_device_login(issuer: Issuer) -> DeviceLogin:
    """Request a code. If the issuer does not know the scope `offline_access`, request it once more without that scope.

    Raises:
        ConfigError: The issuer has no device flow, or the client may not use it.
        TemporaryError: The issuer is busy or cannot be reached.
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
        raise _device_flow_error(content)
    return _read_login(content, verifier)


def wait_for_login(
    issuer: Issuer,
    login: DeviceLogin,
    *,
    stop: Event,
    clock: Callable[[], float] = time.monotonic,
    wait: Callable[[float], object] | None = None,
) -> Grant:
    """Ask the issuer until the user has approved the login.

    Args:
        issuer: The issuer.
        login: The login that `begin_device_login` started.
        stop: When set, the wait ends.
        clock: Returns seconds of a monotonic clock.
        wait: Sleeps for some seconds, and returns early when `stop` is set. None uses `stop.wait`.

    Raises:
        LoginNeeded: The user denied the login, or the code expired.
        ConfigError: The client may not use the device flow.
        Stopped: `stop` was set.
    """
    wait = wait or stop.wait
    deadline = clock() + login.expires_in
    interval = pause = login.interval
    while True:
        wait(pause)
        if stop.is_set():
            raise Stopped("the login was stopped")
        if clock() > deadline:
            raise LoginNeeded("the code expired before the login was approved", hint="start again")
        try:
            result = _ask_for_token(issuer, login)
        except CtadataError as error:
            if not error.retryable:
                raise
            pause = min(max(2 * pause, error.retry_after or 0), max(LONGEST_PAUSE, interval))
            continue
        if isinstance(result, Grant):
            return result
        interval = pause = interval + _added_interval(result)


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


def _added_interval(refusal: ErrorResponse) -> float:
    """Return the seconds to add to the interval. Raise the error of a response that ends the login."""
    if refusal.code == "authorization_pending":
        return 0
    if refusal.code == "slow_down":
        return INTERVAL
    if refusal.code == "access_denied":
        raise LoginNeeded(f"the login was denied ({refusal})", hint="start again, and approve it")
    if refusal.code == "expired_token":
        raise LoginNeeded(f"the code expired before the login was approved ({refusal})", hint="start again")
    raise _device_flow_error(refusal)


def _device_flow_error(refusal: ErrorResponse) -> CtadataError:
    if refusal.code == "invalid_grant":  # Keycloak: "Client not allowed for OAuth 2.0 Device Authorization Grant"
        return ConfigError(f"the issuer does not accept this login ({refusal})")
    return refusal_error(refusal, "the login")


def _read_login(content: Mapping[str, Any], verifier: Secret) -> DeviceLogin:
    device_code, user_code = content.get("device_code"), content.get("user_code")
    if not isinstance(device_code, str) or not isinstance(user_code, str):
        raise ConfigError("the issuer started a login, but sent no code")
    address = _web_address(content.get("verification_uri"))
    if address is None:
        raise ConfigError("the issuer started a login, but sent no address for the approval")
    return DeviceLogin(
        user_code=escape_unprintable(user_code),
        verification_uri=address,
        verification_uri_complete=_web_address(content.get("verification_uri_complete")),
        expires_in=parse_seconds(content.get("expires_in")) or CODE_LIFE,
        interval=_interval(content.get("interval")),
        device_code=Secret(device_code),
        verifier=verifier,
    )


def _interval(value: object) -> float:
    number = parse_seconds(value)
    return INTERVAL if number is None or number < 0 else number


def _web_address(value: object) -> str | None:
    """Return an address that may be shown and put into a QR code; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        Origin.parse(value)
    except Untrusted:
        return None
    return value
