"""What JASMIN's own client for its object store, `jos`, keeps in the home: the access key, and at times the store."""

from __future__ import annotations

import json
from pathlib import Path

from ctadata.config import checks
from ctadata.config.file import read_checked
from ctadata.errors import ConfigError

CREDENTIALS = Path(".credentials") / "jos-credentials.json"
"""Below the home: JSON with `token`, `secret` and, where the user has added it, `read_store_url`."""


def read_store_url(home: Path) -> str | None:
    """The store that the file names, as an endpoint; None where there is no such file, or no word of one in it.

    ConfigError where it is no address, or others can have written the file.
    """
    path = home / CREDENTIALS
    try:
        told = json.loads(read_checked(path, named=False, hint="set endpoint in the profile"))
        url = told["store_url"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
    try:
        return checks.endpoint(str(url), path.parent)
    except ValueError as error:
        raise ConfigError(f"store_url: {error}", path=str(path)) from None
