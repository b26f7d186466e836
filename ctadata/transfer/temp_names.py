"""The names of files on their way, up or down: hidden, ours, and telling whether the run that made them is dead.

`.ctadata-<host>-<boot>-<pid>-<start>-<random>`: host and boot are short hashes, so that only a process on the same
host can judge; start is the process's start time in clock ticks (proc(5), field 22), because process numbers come
round again. A temporary from another host is taken for dead when it has not changed for a day.
"""

from __future__ import annotations

import functools
import hashlib
import os
import secrets
import socket
import time
from pathlib import Path

from ctadata.entries import Entry
from ctadata.errors import CtadataError
from ctadata.paths import TEMPORARY_PREFIX, RemotePath

FOREIGN_AFTER = 86400.0
"""Seconds after which an unchanged temporary from another host counts as dead."""


def new_name() -> str:
    """A name for an upload of this process."""
    return f"{TEMPORARY_PREFIX}{_host()}-{this_boot()}-{os.getpid()}-{_start_of(os.getpid())}-{secrets.token_hex(4)}"


def name_target_in(error: CtadataError, temporary: RemotePath, target: RemotePath) -> None:
    """Have an error about a temporary speak of its target: the user knows no other name."""
    error.path = str(target)
    error.what = error.what.replace(temporary.name, target.name)


def is_dead(entry: Entry, now: float | None = None) -> bool:
    """Whether the run that made this temporary is certain to have ended (a day without change, if on another host)."""
    fields = entry.path.name.removeprefix(TEMPORARY_PREFIX).split("-")
    if not entry.path.name.startswith(TEMPORARY_PREFIX) or len(fields) != 5:
        return False
    host, boot, pid, start, _ = fields
    if host != _host():
        age = (time.time() if now is None else now) - entry.mtime if entry.mtime is not None else 0.0
        return age > FOREIGN_AFTER
    return boot != this_boot() or not pid.isdigit() or _start_of(int(pid)) != start


def is_abandoned(name: str, mtime: float, now: float) -> bool:
    """Whether nobody writes to the local part of this name any more.

    That is certain if the name tells of a process of this very boot that has ended. A part of any other name counts as
    abandoned if nobody has written to it for a day: a lock proves nothing if locks are local to a machine, and two
    machines that were cloned may have one host name and one machine-id.
    """
    fields = name.removeprefix(TEMPORARY_PREFIX).split("-")
    if len(fields) == 5 and fields[:2] == [_host(), this_boot()]:
        return not fields[2].isdigit() or _start_of(int(fields[2])) != fields[3]
    return now - mtime > FOREIGN_AFTER


def may_be_written_elsewhere(name: str, mtime: float, now: float | None = None) -> bool:
    """Whether a process of another host has given this name, and less than a day ago."""
    host = name.removeprefix(TEMPORARY_PREFIX).split("-")[0]
    return host != _host() and (time.time() if now is None else now) - mtime <= FOREIGN_AFTER


@functools.cache
def _host() -> str:
    # processes are told apart by number within one process namespace of one machine
    words = (socket.gethostname(), _text("/etc/machine-id"), _link("/proc/self/ns/pid"))
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:8]


@functools.cache
def this_boot() -> str:
    """This boot of the machine, as a short hash."""
    return hashlib.sha256(_text("/proc/sys/kernel/random/boot_id").encode()).hexdigest()[:8]


def _start_of(pid: int) -> str:
    """When the process started, in clock ticks since boot; empty where there is none of that number."""
    stat = _text(f"/proc/{pid}/stat")
    return stat.rpartition(")")[2].split()[19] if stat else ""


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _link(path: str) -> str:
    try:
        return str(Path(path).readlink())
    except OSError:
        return ""
