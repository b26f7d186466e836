"""The limits of this process for open files, threads and memory; they decide how many workers run."""

from __future__ import annotations

import errno
import logging
import os

from ctadata.errors import LocalError

BASE_FILES = 16
"""The number of open files beside those of the workers: the standard streams, libraries, a listing under way."""

FILES_PER_WORKER = 6
"""The largest number of open files of a worker: its connections to a door and a pool, its poller, a part, a journal."""

log = logging.getLogger(__name__)


def limit_workers(wanted: int, *, asked: bool = True) -> int:
    """Return how many workers may run within the limit of open files (`ulimit -n`): at most `wanted`, and at least one.

    Args:
        wanted: The number of workers.
        asked: Whether the user may expect this number; then the log records a smaller one.
    """
    allowed = _open_file_limit()
    most = wanted if allowed is None else max(1, (allowed - BASE_FILES) // FILES_PER_WORKER)
    if most >= wanted:
        return wanted
    if asked:
        log.warning("only %d files may be open at a time (ulimit -n), so %d of %d jobs run", allowed, most, wanted)
    return most


def is_out_of_files() -> bool:
    """Whether the process can open no further file now; then the error message of a library may mislead."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno in (errno.EMFILE, errno.ENFILE)
    return False


def too_many_files_error() -> LocalError:
    """Return the error for a process that can open no further file."""
    what = f"too many files are open: this process may open {_open_file_limit()}"
    return LocalError(what, hint="raise ulimit -n, or use -j 1")


NO_ROOM_FOR_LIBRARY = "failed to map segment from shared object"
"""The end of dlopen's message in the GNU C library, if no memory is left for a library."""


def shortage_error(error: BaseException) -> LocalError | None:
    """Return the error if the system has refused another file, another thread or memory; None for any other failure."""
    text = str(error)
    if (
        isinstance(error, MemoryError)
        or (isinstance(error, ImportError) and text.endswith(NO_ROOM_FOR_LIBRARY))
        or (isinstance(error, RuntimeError) and "allocate lock" in text)
    ):
        return LocalError("no memory is left", hint="raise ulimit -v, or use -j 1")
    if isinstance(error, RuntimeError) and "start new thread" in text:
        return LocalError("no further thread can be started", hint="raise ulimit -v or -u")
    if (isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE)) or is_out_of_files():
        return too_many_files_error()
    return None


def _open_file_limit() -> int | None:
    """Return the limit of open files; None if there is none, or the system has no such limit."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if allowed == resource.RLIM_INFINITY else allowed
