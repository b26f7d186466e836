"""What the system lets this process have: open files, threads and memory; fewer workers where that is little."""

from __future__ import annotations

import errno
import logging
import os

from ctadata.errors import LocalError

BASE_FILES = 16
"""Open files beside those of the workers: the standard streams, libraries, a listing under way."""

FILES_PER_WORKER = 6
"""Open files of a worker at most: its connections to a door and a pool, what it waits with, a part, its journal."""

log = logging.getLogger(__name__)


def limit_workers(wanted: int) -> int:
    """How many of the wanted workers may open what they need (`ulimit -n`); one at least. The log says where fewer."""
    allowed = _open_files()
    most = wanted if allowed is None else max(1, (allowed - BASE_FILES) // FILES_PER_WORKER)
    if most >= wanted:
        return wanted
    log.warning("only %d files may be open at a time (ulimit -n): %d of %d jobs are used", allowed, most, wanted)
    return most


def is_out_of_files() -> bool:
    """Whether no further file can be opened now; then a library's own word for its failure misleads."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno in (errno.EMFILE, errno.ENFILE)
    return False


def too_many_files_error() -> LocalError:
    """The error where no further file can be opened."""
    said = f"too many files are open: this process may have {_open_files()}"
    return LocalError(said, hint="raise ulimit -n, or -j 1")


def shortage_error(error: BaseException) -> LocalError | None:
    """The error where something failed since the system gave no more; None where that is not the reason."""
    if isinstance(error, MemoryError):
        return LocalError("no memory is left", hint="raise ulimit -v, or -j 1")
    if isinstance(error, RuntimeError) and "start new thread" in str(error):
        return LocalError("no further thread can be started", hint="raise ulimit -v or -u")
    if (isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE)) or is_out_of_files():
        return too_many_files_error()
    return None


def _open_files() -> int | None:
    """How many files may be open; None where nobody says."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if allowed == resource.RLIM_INFINITY else allowed
