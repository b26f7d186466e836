"""Tokens of the issuer: signed access tokens, and refresh tokens that rotate."""

from __future__ import annotations

import secrets
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from joserfc import jwt
from joserfc.jwk import ECKey, KeyParameters, KeySet, RSAKey

from ctadata.sandbox.device_flow import OAuthError

SESSION_IDLE = 1800
"""Seconds that an unused refresh token stays valid without offline_access."""


class Signer:
    """Signs tokens with a key of its own, ES256 or RS256."""

    def __init__(self, algorithm: str) -> None:
        """Generate the key."""
        parameters: KeyParameters = {"kid": secrets.token_hex(8), "use": "sig", "alg": algorithm}
        self._algorithm = algorithm
        self._key: ECKey | RSAKey = (
            ECKey.generate_key("P-256", parameters) if algorithm == "ES256" else RSAKey.generate_key(2048, parameters)
        )
        self.keys = KeySet([self._key])

    def sign(self, claims: Mapping[str, object]) -> str:
        """Return a JWT with these claims."""
        header = {"alg": self._algorithm, "typ": "JWT", "kid": self._key.kid}
        return jwt.encode(header, dict(claims), self._key, algorithms=[self._algorithm])

    def public(self) -> dict[str, object]:
        """Return the JWKS document."""
        return dict(self.keys.as_dict(private=False))


@dataclass
class Session:
    """One login with all its refresh tokens.

    Attributes:
        current: The refresh token that may be used.
        past: The refresh tokens before it.
        ends: Unix seconds; None for a login with offline_access.
    """

    client_id: str
    user: str
    scope: str
    current: str = ""
    ends: float | None = None
    revoked: bool = False
    past: set[str] = field(default_factory=set)
    identifier: str = field(default_factory=lambda: str(uuid.uuid4()))


class Sessions:
    """The logins of an issuer. With `rotate`, a refresh token that is used twice ends its login."""

    def __init__(self, clock: Callable[[], float], rotate: bool) -> None:
        """Start without logins."""
        self._clock = clock
        self._rotate = rotate
        self._lock = threading.Lock()
        self._sessions: list[Session] = []

    def open(self, client_id: str, user: str, scope: str) -> Session:
        """Create a login with its first refresh token."""
        session = Session(client_id, user, scope)
        with self._lock:
            self._sessions.append(session)
            self._renew(session)
        return session

    def refresh(self, client_id: str, token: str) -> Session:
        """Return the login of a refresh token, with the next refresh token in it.

        Raises:
            OAuthError: invalid_grant: The token is unknown, expired, revoked or used twice.
        """
        with self._lock:
            session = self._find(token)
            if session is None or session.client_id != client_id:
                raise OAuthError("invalid_grant", "Invalid refresh token")
            if session.revoked or (session.ends is not None and self._clock() > session.ends):
                raise OAuthError("invalid_grant", "Token is not active")
            if self._rotate and token != session.current:
                session.revoked = True
                raise OAuthError("invalid_grant", "Maximum allowed refresh token reuse exceeded")
            self._renew(session)
            return session

    def revoke(self, token: str) -> None:
        """End the login of a refresh token; an unknown token is no error (RFC 7009, section 2.2)."""
        with self._lock:
            session = self._find(token)
            if session is not None:
                session.revoked = True

    def revoke_all(self) -> None:
        """End every login."""
        with self._lock:
            for session in self._sessions:
                session.revoked = True

    def _find(self, token: str) -> Session | None:
        return next((s for s in self._sessions if token == s.current or token in s.past), None)

    def _renew(self, session: Session) -> None:
        if session.current:
            session.past.add(session.current)
        session.current = secrets.token_urlsafe(32)
        offline = "offline_access" in session.scope.split()
        session.ends = None if offline else self._clock() + SESSION_IDLE
