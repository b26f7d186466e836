"""The origins that may receive a profile's token, and whether a stored token was obtained for them."""

from __future__ import annotations

from collections.abc import Iterable

from ctadata.config.profile import Profile
from ctadata.errors import ConfigError, Untrusted
from ctadata.http.messages import Origin, split_url


def trusted_origins(profile: Profile) -> frozenset[Origin]:
    """Return the origins that may receive the token: the door, the frontend, and those in `token_origins`.

    At an S3 profile with a login, the server that gives temporary keys for the token gets it.

    Raises:
        ConfigError: An address of the profile is not an origin.
    """
    named = {"door": profile.door, "frontend": profile.frontend}
    if profile.kind == "s3" and profile.issuer:
        named |= {"sts_endpoint": profile.sts_endpoint or profile.endpoint}
    origins = {origin_of(url, f"the {key} of the profile {profile.name}") for key, url in named.items() if url}
    return frozenset(
        origins | {origin_of(url, f"token_origins of the profile {profile.name}") for url in profile.token_origins}
    )


def origin_of(url: str, what: str) -> Origin:
    """Return the origin that an address consists of.

    Args:
        url: `https://host:port`, without a path.
        what: The name of the address, for the error.

    Raises:
        ConfigError: The address is no origin, or more than one.
    """
    try:
        origin, target = split_url(url)
    except Untrusted as error:
        raise ConfigError(f"{what} is no origin: {error.what}", hint="write https://host:port") from error
    if target != "/":
        raise ConfigError(
            f"{what} must be an origin without a path: {url}",
            hint="write https://host:port, and the path as the key root",
        )
    return origin


def origin_texts(profile: Profile) -> list[str]:
    """Return the profile's origins as sorted texts, in the form in which a record stores them."""
    return sorted(map(str, trusted_origins(profile)))


def missing_origins(profile: Profile, recorded: object) -> list[str]:
    """Return the profile's origins that a record does not name; empty if older versions made no record."""
    return [origin for origin in origin_texts(profile) if origin not in recorded] if isinstance(recorded, list) else []


def describe_origin_mismatch(recorded: Iterable[object], missing: Iterable[str]) -> str:
    """Return the reason why a token is not sent to the `missing` origins.

    Args:
        recorded: The origins that the user logged in for.
        missing: The origins that the profile has gained since.
    """
    return f"the login was for {' and '.join(map(str, recorded))}, and the profile now names {' and '.join(missing)}"
