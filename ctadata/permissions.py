"""Refuse settings and receipts that another user may have written, and write only into files of this user."""

from __future__ import annotations

import errno
import logging
import os
import stat
from pathlib import Path

from ctadata.errors import ConfigError, UsageError
from ctadata.system import open_file, user_id

log = logging.getLogger(__name__)


def refuse_untrusted_file(status: os.stat_result, path: Path, *, what: str, named: bool, hint: str = "") -> None:
    """Refuse a file that other users may have written.

    A file that everybody may change, or may replace by another file, is always refused. A file that belongs to another
    user, or that a group may change, is accepted only if the user has named it, and the log records that. A pipe, or
    another path that is no regular file, is accepted.

    Args:
        status: The status of the open file.
        path: Its path.
        what: The words for its content in the message, such as `these settings`.
        named: Whether the user has named this file.
        hint: How the user can name it.

    Raises:
        ConfigError: The file is refused. The error says who may write it, and the command that mends this.
    """
    if os.name != "posix" or not stat.S_ISREG(status.st_mode):
        return
    if status.st_mode & stat.S_IWOTH:
        raise ConfigError(
            f"everybody on this machine may change {what}, and with them where your files and your token go",
            hint=f"chmod o-w {path}",
            path=str(path),
        )
    refuse_open_folders(path, what=what)
    owner, mends = _other_writer(status, path)
    if owner and not named:
        raise ConfigError(f"{owner}, so it is not used", hint=f"{mends}, or {hint}", path=str(path))
    if owner:
        log.info("%s: %s; it is used because it was named", path, owner)


def refuse_open_folders(path: Path, *, what: str) -> None:
    """Raise ConfigError if everybody may replace the file of this path, which need not exist yet.

    Args:
        path: The path of the file; its directory exists.
        what: As for `refuse_untrusted_file`.
    """
    for folder in dict.fromkeys((path.absolute().parent, path.resolve().parent)):
        mode = folder.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise ConfigError(
                f"everybody on this machine may replace {what}: the directory {folder} is open to all",
                hint=f"chmod o-w {folder}",
                path=str(path),
            )


def _other_writer(status: os.stat_result, path: Path) -> tuple[str, str]:
    """Return who else may have written the file, and the command that ends that; empty texts if nobody else can."""
    if status.st_uid not in (user_id(), 0):
        return f"it belongs to another user (uid {status.st_uid})", f"chown {user_id()} {path}"
    if status.st_mode & stat.S_IWGRP:
        return f"its group (gid {status.st_gid}) may change it", f"chmod g-w {path}"
    return "", ""


def open_own_file(path: Path, flags: int, mode: int = 0o600, *, what: str) -> int:
    """Open a regular file of this user, and return its descriptor. A new file is one if `flags` has O_CREAT.

    Args:
        path: The path.
        flags: The flags of open(2).
        mode: The permissions of a new file, as far as the umask allows them.
        what: The word for the file in the message, such as `log`.

    Raises:
        UsageError: It is a link, another user's file, or no regular file. Nothing is written.
        OSError: The system refuses for another reason.
    """
    refusal = UsageError(f"a {what} must be a regular file of your own", path=str(path))
    try:
        fd = open_file(path, flags, mode)
    except OSError as error:
        # a link (Linux may refuse one of another user with EACCES), a FIFO without a reader, a directory
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR) or path.is_symlink():
            raise refusal from None
        raise
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode) or status.st_uid != user_id():
        os.close(fd)
        raise refusal
    return fd
