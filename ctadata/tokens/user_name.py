"""The user that a token names, and the name of the user's home."""

from __future__ import annotations

import re

from ctadata.config.profile import Profile
from ctadata.errors import ConfigError
from ctadata.printable import escape_unprintable
from ctadata.tokens.token import Token


def user_name(profile: Profile, token: Token | None) -> str | None:
    """Return the user's name: the profile's `user`, or the first claim of `user_claim` in the token; or None."""
    if profile.user:
        return profile.user
    if token is None:
        return None
    values = (token.claim(claim) for claim in profile.user_claim)
    return next((value for value in values if isinstance(value, str) and value), None)


def home_user(profile: Profile, token: Token | None) -> str:
    """Return the text for `{user}` in the profile's homes: the user's name, changed by the profile's `user_rule`.

    Raises:
        ConfigError: No name is known, or the result cannot be the name of a collection.
    """
    name = user_name(profile, token)
    if name is None:
        claims = " or ".join(profile.user_claim) or "claim"
        raise ConfigError(
            f"the token names no user: it has no {claims}",
            hint=f'set user = "your name" in the profile {profile.name}, or CTADATA_USER',
        )
    fragment = _RULES[profile.user_rule](name) if profile.user_rule in _RULES else None
    if fragment is None:
        raise ConfigError(f"user_rule is {profile.user_rule!r}: it must be {' or '.join(sorted(_RULES))}")
    if fragment in ("", ".", "..") or "/" in fragment or "\0" in fragment:
        raise ConfigError(f"{escape_unprintable(name)!r} cannot be the name of a home directory")
    return fragment


def _plain(name: str) -> str:
    return name


def platform_name(name: str) -> str:
    """Return the name that the CTA platform gives to a home.

    It also replaces the digits 2 to 9; such homes exist already.
    """
    return re.sub("[^0-1a-z]", "_", name.lower())


_RULES = {"plain": _plain, "cta": platform_name}
