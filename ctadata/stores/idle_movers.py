"""Give back the movers of open files that have been idle for too long.

An open file keeps the address of a pool, so that later reads need no door. The pool keeps a mover for it, and has a
limited number of movers. No thread watches the clock: each read of any file checks whether others are idle, and ends
their movers.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from typing import Protocol

IDLE = 10.0
"""The seconds without a read after which a file gives its mover back. Its next read asks the door for another one."""

MAX_FILES = 32
"""The largest number of files that keep a mover. Beyond it, the file that was read longest ago gives its mover back."""


class KeepsMover(Protocol):
    """An open file that may keep a mover.

    Attributes:
        last_read: The time at which its last read ended, in seconds of `IdleMovers.clock`.
    """

    last_read: float

    @property
    def is_idle(self) -> bool:
        """Whether the file keeps a mover, and no read is under way."""

    def close_movers(self) -> None:
        """Give the mover back."""


class IdleMovers:
    """The open files of this process. It holds no lock, because finalizers call it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start without a file."""
        self.clock = clock
        self._files: dict[int, weakref.ref[KeepsMover]] = {}

    def add(self, file: KeepsMover) -> None:
        """Watch a file."""
        self._files[id(file)] = weakref.ref(file)

    def remove(self, file: KeepsMover) -> None:
        """Stop watching a file."""
        self._files.pop(id(file), None)

    def end_idle(self, reader: KeepsMover | None = None) -> None:
        """End the movers that have been idle for too long, and those beyond `MAX_FILES`.

        Args:
            reader: The file that is about to be read; it keeps its mover.
        """
        files = [ref() for ref in self._files.copy().values()]
        idle = [file for file in files if file is not None and file is not reader and file.is_idle]
        oldest = self.clock() - IDLE
        idle.sort(key=lambda file: file.last_read)
        for number, file in enumerate(idle):
            if file.last_read <= oldest or len(idle) - number >= MAX_FILES:
                file.close_movers()


OPEN_FILES = IdleMovers()
"""The open files of this process."""
