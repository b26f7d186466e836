"""Token: an access token that keeps its text to itself; and what can be read from it.

What a JWT says of itself is read without checking its signature: only the door can do that. It serves to pass a
token over before it is sent, never to grant anything.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ctadata.errors import ConfigError
from ctadata.http.redaction import Secret
from ctadata.paths import escape_unprintable

__all__ = ["WHITESPACE", "Secret", "Token", "parse_seconds", "same_issuer"]

WHITESPACE = " \t\n\v\f\r"
"""What C's `isspace` strips, as WLCG Bearer Token Discovery asks."""


FARTHEST = 6e10
"""Seconds from 1970, in the year 3871: a time beyond that is a mistake, and could not always be written as a date."""


@dataclass(frozen=True, slots=True)
class Token:
    """An access token.

    claims:   what its payload says, where it is a JWT; None for an opaque one.
    received: when the issuer gave it, local clock, seconds since 1970; None where that is not known.
    expires_in: seconds of life that the issuer named then.
    """

    secret: Secret
    claims: Mapping[str, Any] | None = field(default=None, repr=False, hash=False)
    received: float | None = None
    expires_in: float | None = None

    @classmethod
    def parse(cls, text: str, received: float | None = None, expires_in: float | None = None) -> Token:
        """Read a token as it stands in a file or an answer; what is no JWT is opaque.

        ConfigError where it is empty, or holds what could not stand in a header: spaces, control or other
        characters than ASCII (the message does not quote it).
        """
        text = text.strip(WHITESPACE)
        if not text:
            raise ConfigError("the token is empty")
        if not all("!" <= c <= "~" for c in text):
            raise ConfigError("the token holds spaces, control characters or letters beyond ASCII")
        return cls(Secret(text), _claims(text), received, expires_in)

    def reveal(self) -> str:
        """The text itself, for the Authorization header."""
        return self.secret.reveal()

    @property
    def lifetime(self) -> float | None:
        """Seconds from its issue to its end; a duration, so that a wrong local clock does not matter."""
        if self.expires_in is not None:
            return self.expires_in
        begin, end = self._instant("iat"), self._instant("exp")
        return end - begin if begin is not None and end is not None else None

    @property
    def expires_at(self) -> float | None:
        """When it ends, local clock, seconds since 1970; None where nobody said.

        The time of receipt plus the lifetime, where both are known, comes before `exp`, which is the issuer's clock.
        """
        if self.received is not None and self.lifetime is not None:
            return self.received + self.lifetime
        return self._instant("exp")

    @property
    def issuer(self) -> str | None:
        """The claim `iss`."""
        return self._text_claim("iss")

    @property
    def subject(self) -> str | None:
        """The claim `sub`."""
        return self._text_claim("sub")

    def life_left(self, now: float) -> float:
        """Seconds until it ends, negative when it has; infinite where its end is not known."""
        return math.inf if self.expires_at is None else self.expires_at - now

    def claim(self, name: str) -> object:
        """One claim; None where there is none."""
        return (self.claims or {}).get(name)

    def _text_claim(self, name: str) -> str | None:
        value = self.claim(name)
        return value if isinstance(value, str) and value else None

    def _instant(self, name: str) -> float | None:
        return parse_seconds(self.claim(name))

    def __str__(self) -> str:
        """Whose it is, in words, and nothing of its text."""
        if self.claims is None:
            return "an opaque token"
        return f"a token of {escape_unprintable(self.issuer or 'an unnamed issuer')}"


def same_issuer(one: object, other: object) -> bool:
    """Whether two identifiers mean the same issuer; a slash at the end does not count (Keycloak, oidc-agent)."""
    return isinstance(one, str) and isinstance(other, str) and one.rstrip("/") == other.rstrip("/")


def parse_seconds(value: object) -> float | None:
    """A number of seconds from JSON (RFC 7519 NumericDate); None where it is none that can be reckoned with."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) < FARTHEST else None


def _claims(text: str) -> Mapping[str, Any] | None:
    """The payload of a JWT (RFC 7519 section 3); None for every other text."""
    pieces = text.split(".")
    if len(pieces) != 3:
        return None
    try:
        payload = base64.b64decode(pieces[1] + "=" * (-len(pieces[1]) % 4), altchars=b"-_", validate=True)
        found = json.loads(payload)
    except (ValueError, RecursionError):  # not base64, not UTF-8, not JSON, or nested without end
        return None
    return MappingProxyType(found) if isinstance(found, dict) else None
