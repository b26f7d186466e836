"""Turn bearer tokens and macaroons into a login, or refuse them without a reason (dcache.md 3)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from ctadata.sandbox.http_messages import Request
from ctadata.sandbox.permissions import ANYTHING, Rights, rights_of_token

CACHE_SECONDS = 600.0
"""Seconds that the outcome of a login is remembered."""
UID = 1000
"""The number of every user, and of the group."""
ANY_AUDIENCE = "https://wlcg.cern.ch/jwt/v1/any"
"""The audience of the door, and of the issuer's tokens if no other one is requested."""


class LoginFailed(Exception):
    """The login fails with 401; the text is the reason phrase."""


@dataclass(frozen=True)
class Login:
    """A user with the rights of the credential.

    Attributes:
        user: The name of the user.
        email: The address of the user.
        rights: What the credential allows.
        scoped: Whether the scopes of a token limit the rights.
    """

    user: str
    email: str | None = None
    rights: Rights = ANYTHING
    scoped: bool = False


class Macaroons(Protocol):
    """Checks macaroons."""

    def login(self, token: str, peer: str) -> Login:
        """Return the login of a macaroon; LoginFailed if it is not valid for this client."""


@dataclass(frozen=True)
class Trust:
    """A trusted issuer.

    Attributes:
        issuer: Its identifier.
        keys: Its public keys.
    """

    issuer: str
    keys: KeySet


class Logins:
    """Check credentials, and remember each outcome for ten minutes."""

    def __init__(self, trust: Trust, macaroons: Macaroons, clock: Callable[[], float]) -> None:
        """Start with an empty cache.

        Args:
            trust: The issuer of the tokens.
            macaroons: Checks the macaroons.
            clock: Return the seconds since 1970.
        """
        self._trust = trust
        self._macaroons = macaroons
        self._clock = clock
        self._lock = threading.Lock()
        self._remembered: dict[tuple[str, str], tuple[float, Login | LoginFailed]] = {}

    def forget(self) -> None:
        """Empty the cache, as a restarted door does."""
        with self._lock:
            self._remembered.clear()

    def login(self, request: Request, peer: str) -> Login | None:
        """Return the login of a request.

        Args:
            request: The request.
            peer: The client's address.

        Returns:
            The login; None if the request has no credential.

        Raises:
            LoginFailed: The credential is not valid, or the request has two of them.
        """
        tokens = set(request.query.get("authz", []))
        header = request.header("Authorization")
        if header is not None:
            scheme, _, value = header.partition(" ")
            if scheme.lower() != "bearer":
                raise LoginFailed("login failed")
            tokens.add(value.strip())
        if not tokens:
            return None
        if len(tokens) > 1:
            raise LoginFailed("login failed")
        return self._cached(tokens.pop(), peer)

    def _cached(self, token: str, peer: str) -> Login:
        now = self._clock()
        with self._lock:
            until, outcome = self._remembered.get((token, peer), (0.0, LoginFailed("login failed")))
            if now >= until:
                outcome = self._check(token, peer)
                self._remembered[token, peer] = (now + CACHE_SECONDS, outcome)
        if isinstance(outcome, LoginFailed):
            raise LoginFailed(str(outcome))
        return outcome

    def _check(self, token: str, peer: str) -> Login | LoginFailed:
        try:
            if token.count(".") == 2:
                return self._from_jwt(token)
            return self._macaroons.login(token, peer)
        except LoginFailed as failed:
            return failed

    def _from_jwt(self, token: str) -> Login:
        try:
            claims = jwt.decode(token, self._trust.keys, algorithms=["ES256", "RS256"]).claims
        except (JoseError, ValueError) as error:
            raise LoginFailed("login failed") from error
        user = claims.get("preferred_username") or claims.get("email")
        if not (user and self._is_ours(claims)):
            raise LoginFailed("login failed")
        rights = rights_of_token(claims)
        return Login(str(user), claims.get("email"), rights, scoped=rights is not ANYTHING)

    def _is_ours(self, claims: Mapping[str, Any]) -> bool:
        now = self._clock()
        audience = claims.get("aud", ANY_AUDIENCE)
        named = {audience} if isinstance(audience, str) else set(audience)
        return (
            claims.get("iss") == self._trust.issuer
            and claims.get("exp", 0) > now
            and claims.get("nbf", 0) <= now
            and ANY_AUDIENCE in named
        )
