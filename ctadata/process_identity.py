"""Identify this machine, its current boot, and a process, among machines that share a home directory."""

from __future__ import annotations

import time
from pathlib import Path

from ctadata import system


def host_name() -> str:
    """Return the name of this machine."""
    return system.host_name()


def read_boot_id() -> str:
    """Return the id of the current boot of the kernel, which containers share; empty if the kernel does not tell it."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def read_boot_time() -> float:
    """Return the time of the last boot, in seconds since 1970; 0 if the kernel does not tell it."""
    try:
        return time.time() - float(Path("/proc/uptime").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0.0


def read_process_start(pid: int) -> int | None:
    """Return the start time of a process in clock ticks; None if the kernel does not tell it.

    The source is field 22 of /proc/<pid>/stat (proc(5)).
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[19])
    except (OSError, ValueError, IndexError):
        return None
