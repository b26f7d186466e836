"""Copy the access token to the place where every program with WLCG Bearer Token Discovery finds it.

The place is `$XDG_RUNTIME_DIR/bt_u<uid>`. The convention's other place, `/tmp/bt_u<uid>`, is not used: anybody may
create a file of that name first, and it could not be replaced.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from ctadata import system
from ctadata.errors import ConfigError, CtadataError, LocalError
from ctadata.tokens.files import local_error, read_private, write_private
from ctadata.tokens.token import Token


def bearer_token_path(env: Mapping[str, str] = os.environ) -> Path:
    """Return the path for the copy.

    Args:
        env: The environment of the user's session.

    Raises:
        ConfigError: The session has no XDG_RUNTIME_DIR.
        LocalError: Others can write into that directory.
    """
    runtime = env.get("XDG_RUNTIME_DIR")
    if not runtime or not Path(runtime).is_absolute():
        raise ConfigError(
            "XDG_RUNTIME_DIR is not set, so the token cannot be published",
            hint='use eval "$(cta-data-direct env)" instead',
        )
    path = Path(runtime) / f"bt_u{system.user_id()}"
    _check_directory(path.parent)
    return path


def publish(path: Path, token: Token) -> None:
    """Write the token into the file, as a whole, with mode 0600.

    Raises:
        LocalError: The file cannot be written, or others can write into its directory.
        StorageFull: The disk has no room.
    """
    _check_directory(path.parent)
    write_private(path, token.reveal())


def withdraw(path: str, token: Token | None) -> None:
    """Delete the published copy if it still is this token."""
    if not path or token is None:
        return
    with contextlib.suppress(OSError, CtadataError):
        if read_private(Path(path)) == token.reveal():
            Path(path).unlink()


def _check_directory(folder: Path) -> None:
    """Raise LocalError if other users can write into the directory."""
    try:
        info = folder.stat()
    except OSError as error:
        raise local_error(error, folder) from None
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != system.user_id() or system.permission_bits(info) & 0o022:
        raise LocalError(
            "other users can write into this directory, so the token is not published there", path=str(folder)
        )
