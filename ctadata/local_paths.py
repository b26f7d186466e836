"""Look at a local path. What the system does not say is an error; `pathlib` returns False for it since Python 3.14."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


def exists(path: Path) -> bool:
    """Return whether a file or directory has this path, or the target of a link.

    Raises:
        OSError: The system does not say, for example for lack of a right.
    """
    return _mode(path) is not None


def is_directory(path: Path) -> bool:
    """Return whether the path is a directory, or a link to one.

    Raises:
        OSError: The system does not say, for example for lack of a right.
    """
    return stat.S_ISDIR(_mode(path) or 0)


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except ValueError:  # a null character
        return None
    except OSError as error:
        if error.errno not in _ABSENT:
            raise
        return None
