"""Who may be given a profile's token; and whether a token on disk was obtained for them."""

from __future__ import annotations

from collections.abc import Iterable

from ctadata.config.profile import Profile
from ctadata.errors import ConfigError, Untrusted
from ctadata.http.messages import Origin, split_url


def trusted_origins(profile: Profile) -> frozenset[Origin]:
    """Who may be given the token: the door, the frontend, and what `token_origins` adds; ConfigError."""
    named = {"door": profile.door, "frontend": profile.frontend}
    origins = {origin_of(url, f"the {key} of the profile {profile.name}") for key, url in named.items() if url}
    return frozenset(
        origins | {origin_of(url, f"token_origins of the profile {profile.name}") for url in profile.token_origins}
    )


def origin_of(url: str, what: str) -> Origin:
    """The origin that an address is, and nothing more; ConfigError, in which `what` names it."""
    try:
        origin, target = split_url(url)
    except Untrusted as error:
        raise ConfigError(f"{what} is no origin: {error.what}", hint="it looks like https://host:port") from error
    if target != "/":
        raise ConfigError(
            f"{what} is more than an origin: {url}", hint="write https://host:port, and the path as the key root"
        )
    return origin


def origin_texts(profile: Profile) -> list[str]:
    """The origins of a profile, as a record keeps them."""
    return sorted(map(str, trusted_origins(profile)))


def missing_origins(profile: Profile, recorded: object) -> list[str]:
    """The profile's origins that a record does not name; none where there is no record (older versions made none)."""
    return [origin for origin in origin_texts(profile) if origin not in recorded] if isinstance(recorded, list) else []


def describe_origin_mismatch(recorded: Iterable[object], missing: Iterable[str]) -> str:
    """Why a token does not go to the `missing` origins, in words."""
    return f"the login was for {' and '.join(map(str, recorded))}, and the profile now names {' and '.join(missing)}"
