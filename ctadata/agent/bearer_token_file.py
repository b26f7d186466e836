"""Publication: a copy of the access token where every program looks that knows WLCG Bearer Token Discovery.

That is `$XDG_RUNTIME_DIR/bt_u<uid>`. `/tmp/bt_u<uid>`, the other place of the convention, is not written: anybody may
put a file of that name there first, and one that is there cannot be replaced.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from ctadata.errors import ConfigError, CtadataError, LocalError
from ctadata.tokens.files import local_error, read_private, write_private
from ctadata.tokens.token import Token


def bearer_token_path(env: Mapping[str, str] = os.environ) -> Path:
    """Where to publish; ConfigError where this login session has no such place, LocalError where it is not safe."""
    runtime = env.get("XDG_RUNTIME_DIR")
    if not runtime or not Path(runtime).is_absolute():
        raise ConfigError(
            "there is no XDG_RUNTIME_DIR to publish the token in", hint='use eval "$(cta-data-direct env)" instead'
        )
    path = Path(runtime) / f"bt_u{os.geteuid()}"
    _check_folder(path.parent)
    return path


def publish(path: Path, token: Token) -> None:
    """Put the token there, whole, 0600. LocalError, StorageFull."""
    _check_folder(path.parent)
    write_private(path, token.reveal())


def withdraw(path: str, token: Token | None) -> None:
    """Remove what was published, if it still is ours."""
    if not path or token is None:
        return
    with contextlib.suppress(OSError, CtadataError):
        if read_private(Path(path)) == token.reveal():
            Path(path).unlink()


def _check_folder(folder: Path) -> None:
    """Only where nobody else can put a file (LocalError)."""
    try:
        found = folder.stat()
    except OSError as error:
        raise local_error(error, folder) from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise LocalError("others can write into this directory, so no token is published in it", path=str(folder))
