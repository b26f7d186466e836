"""The names of temporary files, local and remote. Each is hidden and names the process that writes the file.

`.ctadata-<host>-<boot>-<pid>-<start>-<random>`: host and boot are short hashes, so only a process on the same host can
look the process up. `start` is the process's start time in clock ticks (proc(5), field 22), because process numbers are
reused. A temporary of another host counts as abandoned when nothing has changed it for a day.
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
from ctadata.process_identity import read_boot_time
from ctadata.system import process_exists

FOREIGN_AFTER = 86400.0
"""Seconds after which an unchanged temporary of another host counts as abandoned."""

EARLIER_BOOT_AFTER = 600.0
"""Seconds after which an unchanged part of an earlier boot counts as abandoned. No run waits that long for a server."""


def new_name() -> str:
    """Return a new name for a temporary of this process."""
    return f"{_prefix_of(os.getpid())}{secrets.token_hex(4)}"


def name_target_in(error: CtadataError, temporary: RemotePath, target: RemotePath) -> None:
    """Name the target instead of the temporary in an error, because the user knows only the target."""
    error.path = str(target)
    error.what = error.what.replace(temporary.name, target.name)


def is_dead(entry: Entry, now: float | None = None) -> bool:
    """Return whether the process that made a remote temporary has ended for certain.

    Args:
        entry: The temporary.
        now: Seconds since 1970; None: the current time. A temporary of another host has to be a day old.
    """
    fields = entry.path.name.removeprefix(TEMPORARY_PREFIX).split("-")
    if not entry.path.name.startswith(TEMPORARY_PREFIX) or len(fields) != 5:
        return False
    host, boot, pid, start, _ = fields
    if host != _host():
        age = (time.time() if now is None else now) - entry.mtime if entry.mtime is not None else 0.0
        return age > FOREIGN_AFTER
    return boot != this_boot() or not pid.isdigit() or _start_of(int(pid)) != start


def is_abandoned(name: str, mtime: float, now: float) -> bool:
    """Return whether no process writes to a local part of this name any more.

    That is certain if the name is of a process of this very boot that has ended. A part of an earlier boot of this host
    counts as abandoned if nothing was written to it since this boot, and for ten minutes. A part of any other name
    counts as abandoned if nothing was written to it for a day. A lock is no proof, because locks may be local to a
    machine, and two cloned machines may share host name and machine-id.

    Args:
        name: The part's name; a name that begins with the hash of a target, as a resumable part has, is understood too.
        mtime: Its mtime, in seconds since 1970.
        now: The current time, in seconds since 1970.
    """
    if is_of_this_boot(name):
        return has_ended(name)
    if _writer(name)[0] == _host() and mtime < read_boot_time() and now - mtime > EARLIER_BOOT_AFTER:
        return True
    return now - mtime > FOREIGN_AFTER


def has_ended(name: str) -> bool:
    """Return whether a local part is of a process of this very boot that has ended."""
    _, _, pid, start = _writer(name)
    return is_of_this_boot(name) and (not pid.isdigit() or _start_of(int(pid)) != start)


def is_process_gone(name: str) -> bool | None:
    """Return whether the process that made this name has ended; None if it is of another machine, so nobody knows."""
    host, boot, pid, start = _writer(name)
    if host != _host():
        return None
    return boot != this_boot() or not pid.isdigit() or _start_of(int(pid)) != start


def is_of_this_boot(name: str) -> bool:
    """Return whether a process of this very boot has made a local part, so that its locks are seen here."""
    return _writer(name)[:2] == (_host(), this_boot())


def _writer(name: str) -> tuple[str, str, str, str]:
    """Return host, boot, process and its start; empty if the name does not have them."""
    fields = name.removeprefix(TEMPORARY_PREFIX).split("-")
    return (fields[-5], fields[-4], fields[-3], fields[-2]) if len(fields) in (5, 6) else ("", "", "", "")


@functools.lru_cache(maxsize=1)  # by the process number, because a process may fork
def _prefix_of(pid: int) -> str:
    return f"{TEMPORARY_PREFIX}{_host()}-{this_boot()}-{pid}-{_start_of(pid)}-"


@functools.cache
def _host() -> str:
    # a process number is unique within one process namespace of one machine
    words = (socket.gethostname(), _text("/etc/machine-id"), _link("/proc/self/ns/pid"))
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:8]


@functools.cache
def this_boot() -> str:
    """Return a short hash of this boot of the machine."""
    return hashlib.sha256(_text("/proc/sys/kernel/random/boot_id").encode()).hexdigest()[:8]


def _start_of(pid: int) -> str:
    """Return when a process started, in clock ticks since boot; empty if there is no process of that number.

    A system without /proc, as macOS, does not tell the time: it is 0 for each process there.
    """
    stat = _text(f"/proc/{pid}/stat")
    if stat:
        fields = stat.rpartition(")")[2].split()
        return "" if fields[0] in ("Z", "X") else fields[19]  # a zombie has ended, but nobody has asked for its end
    return "0" if not _text("/proc/self/stat") and process_exists(pid) else ""


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
