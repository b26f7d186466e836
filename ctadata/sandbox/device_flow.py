"""The device authorization grant (RFC 8628, with Keycloak's words): codes, their approval, and polling for it."""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass

LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""The letters of a user code: no vowels, so that no words come out (RFC 8628, 6.1)."""


class OAuthError(Exception):
    """An error of the token or device endpoint: HTTP status, code and description."""

    def __init__(self, code: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.status = status


@dataclass
class DeviceGrant:
    """One login under way. `user` is who approved it, `denied` that somebody said no; times are Unix seconds."""

    client_id: str
    scope: str
    device_code: str
    user_code: str
    challenge: str | None
    ends: float
    interval: float
    polled: float | None = None
    user: str | None = None
    denied: bool = False


class DeviceFlow:
    """The logins under way at an issuer. `lifetime` and `interval` are seconds."""

    def __init__(self, clock: Callable[[], float], lifetime: int, interval: int) -> None:
        self._clock = clock
        self._lifetime = lifetime
        self._interval = interval
        self._lock = threading.Lock()
        self._grants: dict[str, DeviceGrant] = {}

    def begin(self, client_id: str, scope: str, challenge: str | None) -> DeviceGrant:
        """A new login with its two codes."""
        code = "".join(secrets.choice(LETTERS) for _ in range(8))
        grant = DeviceGrant(
            client_id=client_id,
            scope=scope,
            device_code=secrets.token_urlsafe(32),
            user_code=f"{code[:4]}-{code[4:]}",
            challenge=challenge,
            ends=self._clock() + self._lifetime,
            interval=self._interval,
        )
        with self._lock:
            self._grants[grant.device_code] = grant
        return grant

    def find(self, user_code: str) -> DeviceGrant:
        """The login of a user code, however it was typed. KeyError."""
        wanted = user_code.upper().replace("-", "").strip()
        with self._lock:
            for grant in self._grants.values():
                if grant.user_code.replace("-", "") == wanted and grant.ends > self._clock():
                    return grant
        raise KeyError(user_code)

    def approve(self, user_code: str, user: str) -> None:
        """Somebody said yes. KeyError."""
        self.find(user_code).user = user

    def deny(self, user_code: str) -> None:
        """Somebody said no. KeyError."""
        self.find(user_code).denied = True

    def poll(self, client_id: str, device_code: str, verifier: str | None) -> DeviceGrant:
        """The approved login, which then is over. Raises OAuthError with what RFC 8628 says, `slow_down` first."""
        now = self._clock()
        with self._lock:
            grant = self._grants.get(device_code)
            if grant is None or grant.client_id != client_id or now > grant.ends + grant.interval + 10:
                raise OAuthError("invalid_grant", "Device code not valid")
            if now > grant.ends:
                raise OAuthError("expired_token", "Device code is expired")
            self._pace(grant, now)
            if grant.denied:
                raise OAuthError("access_denied", "The end user denied the authorization request")
            if grant.user is None:
                raise OAuthError("authorization_pending", "The authorization request is still pending")
            if grant.challenge is not None and grant.challenge != s256(verifier or ""):
                raise OAuthError("invalid_grant", "PKCE verification failed: Code mismatch")
            del self._grants[device_code]
            return grant

    def _pace(self, grant: DeviceGrant, now: float) -> None:
        too_fast = grant.polled is not None and now - grant.polled < grant.interval - 0.05
        grant.polled = now
        if too_fast:
            grant.interval += 5
            raise OAuthError("slow_down", "Slow down")


def s256(verifier: str) -> str:
    """The PKCE challenge of a verifier (RFC 7636)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
