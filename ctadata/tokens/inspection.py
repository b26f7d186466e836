"""Explain a token in words: the claims of a JWT, the caveats of a macaroon.

No request is sent, and no signature is checked.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from ctadata.tokens.macaroon import Macaroon, parse_before
from ctadata.tokens.token import Token, parse_seconds

Fact = tuple[str, str]
"""A name and its value, for the user to read."""

SCOPES = {
    "openid": "who you are",
    "offline_access": "may be renewed while you are away",
    "storage.read": "list and download",
    "storage.create": "upload what is new; not list, replace or delete",
    "storage.modify": "upload, replace, rename, delete",
    "storage.stage": "bring back from tape, and download",
    "storage.poll": "ask whether a file is on disk",
}
"""Scopes of OpenID Connect and of the WLCG token profile (1.0, "Capability based authorization")."""

CAVEATS = {
    "activity": "may be used to",
    "before": "ends",
    "path": "only below",
    "root": "paths start from",
    "home": "home",
    "ip": "only from",
    "max-upload": "largest upload, bytes",
    "id": "acts as",
    "iid": "issue number",
}
"""Caveats of dCache's macaroons (dCache User Guide, "Authorisation in dCache")."""

_GROUPS = ("wlcg.groups", "groups", "eduperson_entitlement", "entitlements")
_SHOWN = {"iss", "sub", "aud", "exp", "nbf", "iat", "scope", "scp", "preferred_username", "email", *_GROUPS}


def describe_token(text: str, now: float) -> Iterator[Fact]:
    """Yield the facts of a token, line by line.

    Args:
        text: The token.
        now: The present, in seconds since 1970, which the times are compared with.

    Raises:
        ConfigError: The text is no token.
    """
    token = Token.parse(text)
    if token.claims is not None:
        yield from _describe_jwt(token.claims, now)
    elif (macaroon := Macaroon.parse(token.reveal())) is not None:
        yield from _describe_macaroon(macaroon, now)
    else:
        yield "kind", "opaque: only its issuer knows what it says"


def token_as_json(text: str) -> dict[str, object]:
    """Return the kind of a token and its claims or caveats, for programs.

    Args:
        text: The token.

    Raises:
        ConfigError: The text is no token.
    """
    token = Token.parse(text)
    if token.claims is not None:
        return {"kind": "jwt", "claims": dict(token.claims)}
    if (macaroon := Macaroon.parse(token.reveal())) is not None:
        return {
            "kind": "macaroon",
            "location": macaroon.location,
            "identifier": macaroon.identifier,
            "caveats": list(macaroon.caveats),
        }
    return {"kind": "opaque"}


def _describe_jwt(claims: Mapping[str, Any], now: float) -> Iterator[Fact]:
    yield "kind", "JWT (its signature was not checked: only the storage does that)"
    for name, label in (("iss", "issuer"), ("sub", "subject"), ("preferred_username", "user"), ("email", "email")):
        if name in claims:
            yield label, _as_text(claims[name])
    yield "audience", _as_text(claims["aud"]) if "aud" in claims else "anybody"
    for name, label in (("nbf", "not before"), ("iat", "issued"), ("exp", "expires")):
        if name in claims:
            yield label, _describe_time(parse_seconds(claims[name]), now)
    if "exp" not in claims:
        yield "expires", "never, or it does not say when"
    for scope in _as_list(claims.get("scope", claims.get("scp"))):
        yield "scope", _describe_scope(scope)
    for name in _GROUPS:
        for group in _as_list(claims.get(name)):
            yield "group", group
    for name, value in claims.items():
        if name not in _SHOWN:
            yield name, _as_text(value)


def _describe_macaroon(macaroon: Macaroon, now: float) -> Iterator[Fact]:
    yield "kind", "macaroon (its signature was not checked: only its door can do that)"
    yield ("made for" if macaroon.location.startswith("/") else "door"), macaroon.location or "not said"
    yield "identifier", macaroon.identifier
    ends = [end for end in map(parse_before, macaroon.limits("before")) if end is not None]
    if not ends:
        yield "ends", "never, or it does not say when"
    for caveat in macaroon.caveats:
        key, _, value = (part.strip() for part in caveat.partition(":"))
        yield CAVEATS.get(key, "caveat"), _describe_caveat(key, value, caveat, now)


def _describe_caveat(key: str, value: str, whole: str, now: float) -> str:
    if key == "before":
        return _describe_time(parse_before(value), now)
    if key == "activity":
        return ", ".join(value.lower().replace("_", " ").split(","))
    return value if key in CAVEATS else whole


def _describe_scope(scope: str) -> str:
    name, _, path = scope.partition(":")
    meaning = SCOPES.get(name)
    if meaning is None:
        return scope
    return f"{scope}: {meaning}{f', below {path}' if path else ''}"


def _describe_time(when: float | None, now: float) -> str:
    if when is None:
        return "at a time that cannot be read"
    at = datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"{at}, {_describe_duration(abs(when - now))} {'ago' if when <= now else 'from now'}"


def _describe_duration(length: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if length >= 2 * size:
            return f"{math.floor(length / size)} {unit}"
    return f"{math.floor(length)} seconds"


def _as_list(value: object) -> list[str]:
    if isinstance(value, str):
        return value.split()
    return [str(item) for item in value] if isinstance(value, list) else []


def _as_text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return str(value)
