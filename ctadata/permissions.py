"""Who else can have written a file that tells this program what to do: settings, and receipts."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

from ctadata.errors import ConfigError

log = logging.getLogger(__name__)


def refuse_untrusted_file(found: os.stat_result, path: Path, *, what: str, named: bool, hint: str = "") -> None:
    """Refuse a file that others can have written; ConfigError says who, and what mends it.

    A file that everybody can write, or can replace by another one, never counts. A file of another user, or one that a
    group can write, counts only if the user has named it; the log records that. What is no regular file, such as a
    pipe, is the user's own.
    found: the file's state, once it is open.  what: what it is, such as `these settings`.
    named: the user has named this file.  hint: how the user does that.
    """
    if os.name != "posix" or not stat.S_ISREG(found.st_mode):
        return
    if found.st_mode & stat.S_IWOTH:
        raise ConfigError(
            f"everybody on this machine may change {what}, and with them where your files and your token go",
            hint=f"chmod o-w {path}",
            path=str(path),
        )
    for folder in dict.fromkeys((path.absolute().parent, path.resolve().parent)):
        mode = folder.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise ConfigError(
                f"everybody on this machine may replace {what}: the directory {folder} is open to all",
                hint=f"chmod o-w {folder}",
                path=str(path),
            )
    owner, mends = _other_writer(found, path)
    if owner and not named:
        raise ConfigError(f"{owner}, so it does not count", hint=f"{mends}, or {hint}", path=str(path))
    if owner:
        log.info("%s: %s; it counts, since it was named", path, owner)


def _other_writer(found: os.stat_result, path: Path) -> tuple[str, str]:
    """Who else may have written it, in words, and the command that ends that; empty where nobody else can."""
    if found.st_uid not in (os.geteuid(), 0):
        return f"it belongs to another user (uid {found.st_uid})", f"chown {os.geteuid()} {path}"
    if found.st_mode & stat.S_IWGRP:
        return f"its group (gid {found.st_gid}) may change it", f"chmod g-w {path}"
    return "", ""
