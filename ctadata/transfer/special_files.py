"""Special files: local names that no upload can carry to the storage as a file, and why.

A link that leads nowhere, or to a directory (if `Rules.follow_links` is not set), a FIFO, a socket, a device; and a
name whose bytes are no UTF-8, which is every storage's encoding. A run passes over each of them, goes on with the
others, and ends with an exit code other than 0. If `Rules.skip_special` is set, the user knows of special files, and
only a name that is no UTF-8 still counts.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from ctadata.errors import CtadataError, LocalError, NotFound
from ctadata.paths import RemotePath, escape_unprintable
from ctadata.transfer.report import Outcome, State

NOT_UTF8 = "its name is not UTF-8"
NOWHERE = "a link that leads nowhere"
TO_DIRECTORY = "a link to a directory, which -L follows"
CIRCLE = "a link that leads round in a circle"
_NO_TARGET = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)
"""What stat(2) says of a link to a name that is not there, or cannot be, and of a link to itself."""

_KINDS = {stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


SPECIAL = {NOWHERE, TO_DIRECTORY, CIRCLE, *(f"{kind}, not a regular file" for kind in _KINDS.values())}
"""The reasons that `skip_special` allows."""


def why_special(local: str | Path, found: os.stat_result | None, *, follow_links: bool) -> str:
    """Why no upload can carry `local`; empty if one can, or if only opening it can tell.

    found: the status of what the name leads to; None if it leads to nothing.
    follow_links: whether a link to a directory stands for that directory.
    """
    if found is None:
        return NOWHERE if os.path.islink(local) else ""  # noqa: PTH114  (also for entries of a directory)
    if stat.S_ISDIR(found.st_mode):
        return "" if follow_links or not os.path.islink(local) else TO_DIRECTORY  # noqa: PTH114
    kind = _KINDS.get(stat.S_IFMT(found.st_mode))
    return f"{kind}, not a regular file" if kind else ""


def why_entry_special(entry: os.DirEntry[str], *, follow_links: bool) -> str:
    """The same of an entry of a directory, or that its name is not UTF-8."""
    if not is_utf8(entry.name):
        return NOT_UTF8
    if entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False):
        return ""
    try:
        return why_special(entry.path, status(entry.path), follow_links=follow_links)
    except OSError:
        return ""


def status(local: str | Path) -> os.stat_result | None:
    """The status of what `local` leads to; None if it leads to nothing. Raises OSError."""
    try:
        return os.stat(local)  # noqa: PTH116
    except OSError as error:
        if error.errno in _NO_TARGET:
            return None
        raise


def passed(target: RemotePath, local: Path, why: str, *, skip_special: bool) -> Outcome:
    """The outcome of a name that is passed over; it has an error unless `skip_special` allows it."""
    if skip_special and why in SPECIAL:
        return Outcome(State.PASSED, target, local, why=why)
    error: CtadataError = (NotFound if why == NOWHERE else LocalError)(
        f"local: {why}", path=escape_unprintable(str(local))
    )
    return Outcome(State.PASSED, target, local, why=why, error=error)


def is_utf8(name: str) -> bool:
    """Whether the storage can bear this name."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
