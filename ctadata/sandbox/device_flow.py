"""The device authorization grant (RFC 8628, with Keycloak's messages): codes, approval, and polling."""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass

LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""The letters of a user code, without vowels, so that a code never is a word (RFC 8628 section 6.1)."""


class OAuthError(Exception):
    """An error of the token endpoint or the device endpoint.

    Attributes:
        code: The code of the error (RFC 6749 section 5.2).
        description: Its description.
        status: The HTTP status.
    """

    def __init__(self, code: str, description: str, status: int = 400) -> None:
        """Create an error; the attributes of the class describe the arguments."""
        super().__init__(description)
        self.code = code
        self.description = description
        self.status = status


@dataclass
class DeviceGrant:
    """One login under way. Times are seconds since 1970.

    Attributes:
        client_id: The client.
        scope: The scopes that the client requests.
        device_code: The code with which the client polls.
        user_code: The code that the user types.
        challenge: The PKCE challenge, if the client sent one.
        ends: The time at which both codes expire.
        interval: Seconds between two polls.
        polled: The time of the last poll.
        user: The user who has approved the login; None before.
        denied: Whether the user has denied the login.
    """

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
    """The logins under way at an issuer."""

    def __init__(self, clock: Callable[[], float], lifetime: int, interval: int) -> None:
        """Start without logins.

        Args:
            clock: Return the seconds since 1970.
            lifetime: Seconds that the codes are valid.
            interval: Seconds between two polls.
        """
        self._clock = clock
        self._lifetime = lifetime
        self._interval = interval
        self._lock = threading.Lock()
        self._grants: dict[str, DeviceGrant] = {}

    def begin(self, client_id: str, scope: str, challenge: str | None) -> DeviceGrant:
        """Begin a login, and return it with its two codes."""
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
        """Return the login of a user code; case and hyphens do not matter. KeyError if there is none."""
        wanted = user_code.upper().replace("-", "").strip()
        with self._lock:
            for grant in self._grants.values():
                if grant.user_code.replace("-", "") == wanted and grant.ends > self._clock():
                    return grant
        raise KeyError(user_code)

    def approve(self, user_code: str, user: str) -> None:
        """Approve a login. KeyError if there is none with this code."""
        self.find(user_code).user = user

    def deny(self, user_code: str) -> None:
        """Deny a login. KeyError if there is none with this code."""
        self.find(user_code).denied = True

    def poll(self, client_id: str, device_code: str, verifier: str | None) -> DeviceGrant:
        """Return an approved login and remove it.

        Raises:
            OAuthError: The login is not approved, or not valid, as RFC 8628 section 3.5 says; `slow_down` comes first.
        """
        now = self._clock()
        with self._lock:
            grant = self._grants.get(device_code)
            if grant is None or grant.client_id != client_id or now > grant.ends + grant.interval + 10:
                raise OAuthError("invalid_grant", "Device code not valid")
            if now > grant.ends:
                raise OAuthError("expired_token", "Device code is expired")
            self._check_interval(grant, now)
            if grant.denied:
                raise OAuthError("access_denied", "The end user denied the authorization request")
            if grant.user is None:
                raise OAuthError("authorization_pending", "The authorization request is still pending")
            if grant.challenge is not None and grant.challenge != pkce_challenge(verifier or ""):
                raise OAuthError("invalid_grant", "PKCE verification failed: Code mismatch")
            del self._grants[device_code]
            return grant

    def _check_interval(self, grant: DeviceGrant, now: float) -> None:
        too_fast = grant.polled is not None and now - grant.polled < grant.interval - 0.05
        grant.polled = now
        if too_fast:
            grant.interval += 5
            raise OAuthError("slow_down", "Slow down")


def pkce_challenge(verifier: str) -> str:
    """Return the PKCE challenge of a verifier (RFC 7636)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
