"""Refuse names that no local file may have: those that lead to another directory, and those that Windows refuses."""

from __future__ import annotations

import os
import re

from ctadata.errors import LocalError
from ctadata.printable import escape_unprintable

_DEVICE = re.compile("(?i:con|prn|aux|nul|(com|lpt)[0-9])")  # Windows opens a device, in every directory


def check_local_name(name: str, *, windows: bool = os.name == "nt") -> str:
    """Return `name` if a local file may have this name.

    Args:
        name: The name, without directories.
        windows: Apply the rules of Windows.

    Raises:
        LocalError: The name would lead to another directory, or the encoding of the file system (from the locale) has
            no letters for it, or has the same bytes for another name.
    """
    bad = name in ("", ".", "..") or "/" in name or "\0" in name
    bad = bad or not (name.isascii() or _is_encodable(name))
    if windows:
        bad = bad or any(c in '\\:*?"<>|' or c < " " for c in name) or name[-1:] in (".", " ")
        bad = bad or bool(_DEVICE.fullmatch(name.partition(".")[0].rstrip()))
    if bad:
        raise LocalError("no local file can have this name", path=escape_unprintable(name))
    return name


def _is_encodable(name: str) -> bool:
    """Whether a directory would list exactly the name that a file was created with."""
    try:
        return os.fsdecode(os.fsencode(name)) == name
    except UnicodeEncodeError:
        return False
