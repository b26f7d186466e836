"""Special files: local names that cannot be uploaded as a file, and why.

These are a link that leads nowhere or to a directory (unless `Rules.follow_links` is set), a FIFO, a socket, a device;
and a name whose bytes are not UTF-8, which is the encoding of every storage. A run passes over each of them, goes on
with the others, and ends with an exit code other than 0. If `Rules.skip_special` is set, the user knows of special
files, and only a name that is not UTF-8 counts as a failure.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from ctadata.errors import CtadataError, LocalError, NotFound
from ctadata.paths import RemotePath
from ctadata.printable import escape_unprintable
from ctadata.transfer.report import Outcome, State

NOT_UTF8 = "its name is not UTF-8"
NOWHERE = "a link that leads nowhere"
TO_DIRECTORY = "a link to a directory, which -L follows"
CIRCLE = "a link that leads round in a circle"
_NO_TARGET = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)
"""Errors of stat(2) for a link to a name that is missing or impossible, and for a link to itself."""

_KINDS = {stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


SPECIAL = {NOWHERE, TO_DIRECTORY, CIRCLE, *(f"{kind}, not a regular file" for kind in _KINDS.values())}
"""The reasons that `skip_special` allows."""


def why_special(local: str | Path, target_status: os.stat_result | None, *, follow_links: bool) -> str:
    """Return why `local` cannot be uploaded; empty if it can, or if only opening it can tell.

    Args:
        local: The path.
        target_status: stat(2) of what the name leads to; None if it leads to nothing.
        follow_links: Whether a link to a directory stands for that directory.
    """
    if target_status is None:
        return NOWHERE if os.path.islink(local) else ""  # noqa: PTH114  (also for entries of a directory)
    if stat.S_ISDIR(target_status.st_mode):
        return "" if follow_links or not os.path.islink(local) else TO_DIRECTORY  # noqa: PTH114
    kind = _KINDS.get(stat.S_IFMT(target_status.st_mode))
    return f"{kind}, not a regular file" if kind else ""


def why_entry_special(entry: os.DirEntry[str], *, follow_links: bool) -> str:
    """Return why an entry of a directory cannot be uploaded, which may also be its name; empty if it can.

    Args:
        entry: The entry.
        follow_links: Whether a link to a directory stands for that directory.
    """
    if not is_utf8(entry.name):
        return NOT_UTF8
    if entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False):
        return ""
    try:
        return why_special(entry.path, status_of_target(entry.path), follow_links=follow_links)
    except OSError:
        return ""


def status_of_target(local: str | Path) -> os.stat_result | None:
    """Return stat(2) of what `local` leads to; None if it leads to nothing. Raises OSError."""
    try:
        return os.stat(local)  # noqa: PTH116
    except OSError as error:
        if error.errno in _NO_TARGET:
            return None
        raise


def passed_outcome(target: RemotePath, local: Path, why: str, *, skip_special: bool) -> Outcome:
    """Return the outcome of a name that is passed over; it has an error unless `skip_special` allows the reason."""
    if skip_special and why in SPECIAL:
        return Outcome(State.PASSED, target, local, why=why)
    error: CtadataError = (NotFound if why == NOWHERE else LocalError)(
        f"local: {why}", path=escape_unprintable(str(local))
    )
    return Outcome(State.PASSED, target, local, why=why, error=error)


def is_utf8(name: str) -> bool:
    """Return whether the storage can have this name."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
