"""This machine and its processes, told apart from others that share a home with it."""

from __future__ import annotations

import os
import time
from pathlib import Path


def host_name() -> str:
    """The name of this machine."""
    return os.uname().nodename


def read_boot_id() -> str:
    """Which run of this machine it is, or of the kernel that its containers share; empty where that is not told."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def read_boot_time() -> float:
    """When it was started, seconds since 1970; the distant past where that is not told."""
    try:
        return time.time() - float(Path("/proc/uptime").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0.0


def read_process_start(pid: int) -> int | None:
    """When the kernel started a process, in its ticks (proc(5), field 22 of stat); None where it does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[19])
    except (OSError, ValueError, IndexError):
        return None
