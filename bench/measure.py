"""One command, measured from its start to its end: seconds, CPU, peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LAUNCH = Path(__file__).with_name("launch.py")
PATIENCE = 3600
"""Seconds that a command may take."""

_KEPT = ("PATH", "LANG", "LC_ALL", "TZ")
"""Of the environment only these reach a command: no proxies, no CA bundles, no tokens, no switches of Python."""


@dataclass(frozen=True)
class Took:
    """What a command took.

    code:  its exit code.   seconds: wall clock.   cpu: seconds, user and system.   memory: peak, in MB (10^6 bytes).
    first: seconds to its first line of output, `first_at` the same on the monotonic clock; -1 where none was looked at.
    first_cpu: the number that this line ends with, its processor seconds so far; -1 without one.
    lines: of its output, where they were counted.
    """

    code: int
    seconds: float
    cpu: float
    memory: float
    first: float = -1.0
    first_at: float = -1.0
    first_cpu: float = -1.0
    lines: int = 0


def run(
    command: Sequence[str | Path],
    folder: Path,
    environment: Mapping[str, str],
    *,
    counted: bool = False,
    stdout: Path | None = None,
) -> Took:
    """Run a command in `folder`, which takes its stderr (`err`) and our notes; with `counted` its lines are counted."""
    report, out = folder / "report", "-" if counted else str(stdout or "/dev/null")
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    launch = [sys.executable, "-I", "-S", str(LAUNCH), str(report), str(PATIENCE), out]
    with (folder / "err").open("wb") as err:
        subprocess.run(
            [*launch, *map(str, command)],
            cwd=folder,
            env={**kept, "HOME": str(folder), **environment},
            stdin=subprocess.DEVNULL,
            stderr=err,
            check=True,
        )
    code, seconds, user, system, peak, first, first_at, first_cpu, lines = report.read_text().split()
    used = float(user) + float(system)
    return Took(
        int(code),
        float(seconds),
        used,
        int(peak) * 1024 / 1e6,
        float(first),
        float(first_at),
        float(first_cpu),
        int(lines),
    )


def words(folder: Path) -> str:
    """The end of what the last command said on stderr, in one line."""
    return " ".join((folder / "err").read_text(errors="replace").split())[-200:]
