"""Starts a module of the benchmark, such as a server, in a process of its own."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PATIENCE = 20.0


@contextlib.contextmanager
def module_process(module: str, *arguments: object) -> Iterator[str]:
    """Yield the first line that the module prints, for the `with` block; the process ends when its stdin does."""
    with subprocess.Popen(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=Path(__file__).parent.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline()
        finally:
            process.stdin.close()
            process.wait(PATIENCE)
