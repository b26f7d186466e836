"""Who a token says we are, and what our home is called."""

from __future__ import annotations

import re

from ctadata.config.profile import Profile
from ctadata.errors import ConfigError
from ctadata.paths import escape_unprintable
from ctadata.tokens.token import Token


def user_name(profile: Profile, token: Token | None) -> str | None:
    """The user's name: the profile's `user`, else the first of its claims that holds one; None where none does."""
    if profile.user:
        return profile.user
    if token is None:
        return None
    values = (token.claim(claim) for claim in profile.user_claim)
    return next((value for value in values if isinstance(value, str) and value), None)


def home_user(profile: Profile, token: Token | None) -> str:
    """What stands for `{user}` in the profile's homes: the user's name under its rule, always one name of a path.

    ConfigError where no name is known, or it cannot be the name of a collection.
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
        raise ConfigError(f"user_rule is {profile.user_rule!r}: it can be {' or '.join(sorted(_RULES))}")
    if fragment in ("", ".", "..") or "/" in fragment or "\0" in fragment:
        raise ConfigError(f"{escape_unprintable(name)!r} cannot be the name of a home directory")
    return fragment


def _plain(name: str) -> str:
    return name


def platform_name(name: str) -> str:
    """As the CTA platform makes a home's; digits from 2 to 9 are lost too, and homes of that name exist already."""
    return re.sub("[^0-1a-z]", "_", name.lower())


_RULES = {"plain": _plain, "cta": platform_name}
