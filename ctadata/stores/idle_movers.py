"""Idle movers: which open files keep a mover of a pool, and which of them have been silent for too long.

An open file keeps the pool's address, so that further reads need no door. The pool keeps a mover for it, of which it
has a limited number. No thread watches the clock: each read of any file looks whether others are idle, and ends their
movers.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from typing import Protocol

IDLE = 10.0
"""Seconds without a read after which a file gives its mover back; the next read asks the door for another one."""

MOST = 32
"""Files of this process that keep a mover at a time; beyond them the one that was read longest ago gives it back."""


class KeepsMover(Protocol):
    """An open file.

    last_read:    when its last read ended, in seconds of `IdleMovers.clock`.
    is_idle:      whether it keeps a mover, and no read is under way.
    """

    last_read: float

    @property
    def is_idle(self) -> bool:
        """Whether it keeps a mover, and no read is under way."""

    def close_movers(self) -> None:
        """Give the mover back."""


class IdleMovers:
    """The open files of this process. It holds no lock: finalisers call it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start without a file."""
        self.clock = clock
        self._files: dict[int, weakref.ref[KeepsMover]] = {}

    def add(self, file: KeepsMover) -> None:
        """Watch a file from now on."""
        self._files[id(file)] = weakref.ref(file)

    def remove(self, file: KeepsMover) -> None:
        """Watch a file no longer."""
        self._files.pop(id(file), None)

    def end_idle(self, reader: KeepsMover | None = None) -> None:
        """End the movers that were silent for too long, and those beyond `MOST`.

        Args:
            reader: The file that is about to be read; it keeps its mover.
        """
        found = [ref() for ref in self._files.copy().values()]
        idle = [file for file in found if file is not None and file is not reader and file.is_idle]
        late = self.clock() - IDLE
        idle.sort(key=lambda file: file.last_read)
        for number, file in enumerate(idle):
            if file.last_read <= late or len(idle) - number >= MOST:
                file.close_movers()


OPEN_FILES = IdleMovers()
"""The open files of this process."""
