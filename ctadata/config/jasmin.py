"""Read the credentials file of `jos`, JASMIN's client for its object store, in the user's home."""

from __future__ import annotations

import json
from pathlib import Path

from ctadata.config import checks
from ctadata.config.file import read_checked
from ctadata.errors import ConfigError

CREDENTIALS = Path(".credentials") / "jos-credentials.json"
"""The path below the home: a JSON file with `token`, `secret` and, if the user has added it, `store_url`."""


def read_store_url(home: Path) -> str | None:
    """Return the endpoint of the store that the file names; None if there is no such file, or it names no store.

    Args:
        home: The user's home directory.

    Raises:
        ConfigError: The store is no address, or other users may change the file.
    """
    path = home / CREDENTIALS
    try:
        credentials = json.loads(read_checked(path, named=False, hint="set endpoint in the profile"))
        url = credentials["store_url"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
    try:
        return checks.parse_endpoint(str(url), path.parent)
    except ValueError as error:
        raise ConfigError(f"store_url: {error}", path=str(path)) from None
