"""URLs of the filesystem: `cta://PROFILE/path`, without a profile `cta:///path`; `cta:///~/x` lies below the home."""

from __future__ import annotations

import os

from ctadata.errors import UsageError
from ctadata.paths import refuse_userinfo

PROTOCOLS = ("cta", "ctadata")


def split_url(text: str | os.PathLike[str]) -> tuple[str | None, str]:
    """Return the profile that a URL names, and its path without a slash at the end.

    Args:
        text: A URL, or a path without a protocol.

    Returns:
        None for a URL without a profile, and for a path. The path begins with `/`; below the home, with `/~`.

    Raises:
        UsageError: The URL holds a user or a password.
    """
    url = os.fspath(text)
    refuse_userinfo(url)
    profile = None
    for protocol in PROTOCOLS:
        url = url.removeprefix(f"{protocol}::")
        if url.startswith(f"{protocol}://"):
            profile, slash, path = url.removeprefix(f"{protocol}://").partition("/")
            url = slash + path
    path = url.rstrip("/")
    return profile or None, path if path.startswith("/") else f"/{path}"


def join_url(profile: str | None, path: str) -> str:
    """Return the URL of a path, which begins with `/`."""
    return f"cta://{profile or ''}{path}"


def is_below_home(path: str) -> bool:
    """Return whether a path of `split_url` is the home, or lies below it."""
    return path == "/~" or path.startswith("/~/")


def refuse_option(name: str) -> UsageError:
    """Return the error for an option of the constructor that does not exist; it shows no value."""
    if name in ("target_options", "target_protocol", "fo"):
        return UsageError(
            f"the filesystem takes no option {name}: fsspec reads :: in a URL as a chain of filesystems",
            hint="direct.open, or the method open of fsspec.filesystem('cta'), takes a name with :: in it",
        )
    return UsageError(
        f"the filesystem takes no option {name}: its one option is profile",
        hint="a login belongs to cta-data-direct start-agent or direct.login(), an access key to credentials import, "
        "an address to a profile; workers find both by the name of the profile, so no secret travels",
    )
