"""The limits of this process for open files, threads and memory, and the use of the processors.

They decide how many threads and processes work.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import time
from collections.abc import Iterable
from pathlib import Path

from ctadata.errors import LocalError
from ctadata.system import clock_ticks, open_file_limit

BASE_FILES = 16
"""The number of open files beside those that are divided here: the standard streams, libraries, a log, a receipt."""

FILES_PER_WORKER, FILES_PER_WALKER = 6, 5
"""The largest number of open files of one worker, and of one thread that lists directories: libcurl's own, connections
to a door and two pools, and a part with its directory, or the directories in which it looks."""

WORKER_SHARE, WALKER_SHARE, DIRECTORY_SHARE = 0.6, 0.25, 0.15
"""The shares of the files of workers, of threads that list, and of directories that are kept open."""

FILES_PER_CONNECTION = 256
"""A process that may open this number of files keeps one idle connection in each of its handles. It has some hundred
handles."""

SPARE = 4
"""The number of files that a process must still be able to open, or it is out of files."""

CGROUP, CGROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")
"""The name of the process's cgroup, and the directory of all."""

log = logging.getLogger(__name__)


def limit_workers(wanted: int, *, asked: bool = True) -> int:
    """Return how many workers may run within the limit of open files (`ulimit -n`): at most `wanted`, and at least one.

    Args:
        wanted: The number of workers.
        asked: Whether the user may expect this number; then the log records a smaller one.
    """
    most = _at_most(wanted, WORKER_SHARE, FILES_PER_WORKER)
    if asked and most < wanted:
        log.warning(
            "only %d files may be open at a time (ulimit -n), so %d of %d jobs run", open_file_limit(), most, wanted
        )
    return most


def limit_walkers(wanted: int) -> int:
    """Return how many threads may list directories within the limit of open files: at most `wanted`, at least one."""
    return _at_most(wanted, WALKER_SHARE, FILES_PER_WALKER)


def limit_directories(wanted: int) -> int:
    """Return how many directories may be kept open within the limit of open files: at most `wanted`, at least one."""
    return _at_most(wanted, DIRECTORY_SHARE, 1)


def limit_connections(wanted: int) -> int:
    """Return how many connections a handle may keep within the limit of open files: at most `wanted`, at least two.

    A handle needs two to move a file: one to the door, one to the pool that the door redirects to.
    """
    return max(2, _at_most(wanted, 1, FILES_PER_CONNECTION))


def _at_most(wanted: int, share: float, files: int) -> int:
    """Return how many users of so many files each may have this share of the open files: at most `wanted`, or one."""
    allowed = open_file_limit()
    most = wanted if allowed is None else min(wanted, int((allowed - BASE_FILES) * share) // files)
    return max(1, most)


def is_out_of_files() -> bool:
    """Whether the process can open no further file, or hardly one; then the error message of a library may mislead.

    Other threads may have closed some since the library was refused one, so this asks for `SPARE` files.
    """
    spare: list[int] = []
    try:
        while len(spare) < SPARE:
            spare.append(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return is_file_shortage(error)
    finally:
        for fd in spare:
            os.close(fd)
    return False


def is_file_shortage(error: BaseException) -> bool:
    """Whether the system has refused another file because this process, or all processes, have too many open."""
    return isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE)


def too_many_files_error(path: str = "") -> LocalError:
    """Return the error for a process that can open no further file, such as `path`."""
    what = f"too many files are open: this process may open {open_file_limit()}"
    return LocalError(what, hint="raise ulimit -n", path=path)


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
    if is_file_shortage(error) or is_out_of_files():
        return too_many_files_error()
    return None


class BusyMeter:
    """A measurement of how busy this process is."""

    def __init__(self) -> None:
        """Begin a measurement."""
        self._began, self._used = time.monotonic(), time.process_time()

    @property
    def elapsed(self) -> float:
        """Seconds since the last measurement."""
        return time.monotonic() - self._began

    def measure(self) -> float:
        """Return the processor time since the last measurement, as a share of the time that has passed."""
        began, used = self._began, self._used
        self._began, self._used = time.monotonic(), time.process_time()
        return (self._used - used) / max(self._began - began, 1e-6)


class IdleMeter:
    """A measurement of how many of the processors that this process may use are idle."""

    def __init__(self) -> None:
        """Begin a measurement."""
        self._began, self._idle = time.monotonic(), _idle_seconds()

    def measure(self) -> float:
        """Return the mean number of idle processors since the last measurement.

        A system without /proc/stat (macOS) tells its load of the last minute instead.
        """
        began, idle = self._began, self._idle
        self._began, self._idle = time.monotonic(), _idle_seconds()
        if idle is None or self._idle is None:
            load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
            return max(0.0, usable_processors() - load)
        return (self._idle - idle) / max(self._began - began, 1e-6)


def seconds_runnable(thread: int) -> float:
    """Return for how long a thread of this process could have run while all processors were busy.

    Returns:
        The seconds that Linux counts (/proc/<pid>/task/<thread>/schedstat, its sched-stats.rst); 0 on other systems.
    """
    try:
        return int(Path(f"/proc/self/task/{thread}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def usable_processors() -> int:
    """Return the number of processors that this process may use: those of its affinity, within its cgroup's quota."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([count, *_quotas()]))


def _quotas() -> Iterable[int]:
    """Yield the quotas of the cgroup and those above it, in processors (`cpu.max` of the kernel's cgroup-v2)."""
    try:
        own = next(line for line in CGROUP.read_text().splitlines() if line.startswith("0::/"))
    except (OSError, StopIteration):
        return
    folder = CGROUPS / own.removeprefix("0::/")
    while folder.is_relative_to(CGROUPS):
        with contextlib.suppress(OSError, ValueError):  # "max" is no number
            quota, period = map(int, (folder / "cpu.max").read_text().split())
            yield quota // period
        folder = folder.parent


def _idle_seconds() -> float | None:
    """Return for how long the processors of this process have been idle since the start of the machine (proc(5))."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    try:
        rows = [line.split() for line in Path("/proc/stat").read_text().splitlines() if line.startswith("cpu")]
        allowed = os.sched_getaffinity(0)
        ticks = sum(
            int(idle) + int(waits)
            for name, *_, idle, waits in (row[:6] for row in rows)
            if name[3:].isdigit() and int(name[3:]) in allowed
        )
        return ticks / clock_ticks()
    except (OSError, ValueError):
        return None
