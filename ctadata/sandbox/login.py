"""Who is asking: bearer tokens and macaroons become a login, or are refused without a reason (dcache.md 3)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from ctadata.sandbox.exchange import Request
from ctadata.sandbox.permissions import ANYTHING, Rights, rights_of_token

CACHE_SECONDS = 600.0
UID = 1000
"""The number of every user and of the group."""
ANY_AUDIENCE = "https://wlcg.cern.ch/jwt/v1/any"
"""The audience the door answers to, and the one in the issuer's tokens unless another was asked for."""


class LoginFailed(Exception):
    """401; the text is the reason phrase."""


@dataclass(frozen=True)
class Login:
    """A user, and what the credential itself allows; `scoped` where the scopes of a token say so."""

    user: str
    email: str | None = None
    rights: Rights = ANYTHING
    scoped: bool = False


class Macaroons(Protocol):
    """Who can tell what a macaroon is worth."""

    def login(self, token: str, peer: str) -> Login:
        """The login a macaroon carries; LoginFailed."""


@dataclass(frozen=True)
class Trust:
    """An issuer the door believes, and its keys."""

    issuer: str
    keys: KeySet


class Logins:
    """Checks credentials and remembers the outcome, good or bad, for ten minutes."""

    def __init__(self, trust: Trust, macaroons: Macaroons, clock: Callable[[], float]) -> None:
        self._trust = trust
        self._macaroons = macaroons
        self._clock = clock
        self._lock = threading.Lock()
        self._remembered: dict[tuple[str, str], tuple[float, Login | LoginFailed]] = {}

    def forget(self) -> None:
        """Empty the cache, as a door does that starts anew."""
        with self._lock:
            self._remembered.clear()

    def login(self, request: Request, peer: str) -> Login | None:
        """The login of a request; None where it carries no credential. Raises LoginFailed."""
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
