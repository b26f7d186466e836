"""Token: an access token that hides its text, and the claims that can be read from it.

The claims of a JWT are read without a check of the signature: only the door can check it. They serve to skip a token
before it is sent, and never to grant anything.
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
from ctadata.printable import escape_unprintable

__all__ = ["WHITESPACE", "Secret", "Token", "parse_seconds", "same_issuer"]

WHITESPACE = " \t\n\v\f\r"
"""The characters that C's `isspace` strips, as WLCG Bearer Token Discovery requires."""


MAX_TIME = 6e10
"""The latest time that counts, in seconds since 1970 (the year 3871).

A later one is a mistake, and may be no valid date.
"""


@dataclass(frozen=True, slots=True)
class Token:
    """An access token.

    Attributes:
        secret: The text.
        claims: The payload of a JWT. None for an opaque token.
        received: The local time at which the issuer gave it, in seconds since 1970. None if it is not known.
        expires_in: The life in seconds that the issuer named then.
    """

    secret: Secret
    claims: Mapping[str, Any] | None = field(default=None, repr=False, hash=False)
    received: float | None = None
    expires_in: float | None = None

    @classmethod
    def parse(cls, text: str, received: float | None = None, expires_in: float | None = None) -> Token:
        """Read a token from a file or a response. A text that is no JWT is an opaque token.

        Args:
            text: The token, with whitespace around it or without.
            received: The local time at which the issuer gave it, in seconds since 1970. None if it is not known.
            expires_in: The life in seconds that the issuer named then.

        Raises:
            ConfigError: The text is empty, or holds characters that a header cannot: spaces, control characters,
                letters beyond ASCII. The message does not quote it.
        """
        text = text.strip(WHITESPACE)
        if not text:
            raise ConfigError("the token is empty")
        if not all("!" <= c <= "~" for c in text):
            raise ConfigError("the token holds spaces, control characters or letters beyond ASCII")
        return cls(Secret(text), _parse_claims(text), received, expires_in)

    def reveal(self) -> str:
        """Return the text, for the Authorization header."""
        return self.secret.reveal()

    @property
    def lifetime(self) -> float | None:
        """The seconds from issue to end. As a duration it does not depend on the local clock."""
        if self.expires_in is not None:
            return self.expires_in
        begin, end = self._time_claim("iat"), self._time_claim("exp")
        return end - begin if begin is not None and end is not None else None

    @property
    def expires_at(self) -> float | None:
        """The end in local time, in seconds since 1970; None if it is not known.

        The time of receipt plus the lifetime comes before `exp`, because `exp` is a time of the issuer's clock.
        """
        if self.received is not None and self.lifetime is not None:
            return self.received + self.lifetime
        return self._time_claim("exp")

    @property
    def issuer(self) -> str | None:
        """The claim `iss`."""
        return self._text_claim("iss")

    @property
    def subject(self) -> str | None:
        """The claim `sub`."""
        return self._text_claim("sub")

    def life_left(self, now: float) -> float:
        """Return the seconds until the end: negative after it, infinite if the end is not known."""
        return math.inf if self.expires_at is None else self.expires_at - now

    def claim(self, name: str) -> object:
        """Return one claim; None if the token does not have it."""
        return (self.claims or {}).get(name)

    def _text_claim(self, name: str) -> str | None:
        value = self.claim(name)
        return value if isinstance(value, str) and value else None

    def _time_claim(self, name: str) -> float | None:
        return parse_seconds(self.claim(name))

    def __str__(self) -> str:
        """Return the owner in words, and nothing of the text."""
        if self.claims is None:
            return "an opaque token"
        return f"a token of {escape_unprintable(self.issuer or 'an unnamed issuer')}"


def same_issuer(one: object, other: object) -> bool:
    """Return whether two identifiers name the same issuer.

    A slash at the end is ignored, as Keycloak and oidc-agent differ.
    """
    return isinstance(one, str) and isinstance(other, str) and one.rstrip("/") == other.rstrip("/")


def parse_seconds(value: object) -> float | None:
    """Return a number of seconds from JSON (RFC 7519, NumericDate); None if the value is no usable number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) < MAX_TIME else None


def _parse_claims(text: str) -> Mapping[str, Any] | None:
    """Return the payload of a JWT (RFC 7519 section 3); None for any other text."""
    pieces = text.split(".")
    if len(pieces) != 3:
        return None
    try:
        payload = base64.b64decode(pieces[1] + "=" * (-len(pieces[1]) % 4), altchars=b"-_", validate=True)
        payload_object = json.loads(payload)
    except (ValueError, RecursionError):  # not base64, not UTF-8, not JSON, or nested too deeply
        return None
    return MappingProxyType(payload_object) if isinstance(payload_object, dict) else None
