"""Read what the user names as input: a file, a pipe or a terminal. A stop ends the wait for a writer.

A read of a pipe or a terminal waits for somebody to write, and so does the usual open of a FIFO that nobody writes to
(fifo(7)). Ctrl-C does not interrupt these waits while a command has blocked the signals (`ctadata.system.Signals`).
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from ctadata import system
from ctadata.errors import Stopped

BLOCK = 1 << 16
"""The bytes that a pipe holds (pipe(7))."""

CHECK = 0.2
"""Seconds between two looks at the event that ends a wait."""


@contextlib.contextmanager
def open_input(path: str | Path) -> Iterator[int]:
    """Yield the descriptor of a file, a FIFO or a device that the user named; the open waits for nobody.

    Raises:
        OSError: The system refuses.
    """
    fd = system.open_file(path, os.O_RDONLY, follow=True)
    try:
        yield fd
    finally:
        os.close(fd)


def read_blocks(fd: int, stop: threading.Event, size: int = BLOCK) -> Iterator[bytes]:
    """Yield the bytes of an open file, pipe or terminal, as they come.

    Args:
        fd: The descriptor.
        stop: When set, a wait for further bytes ends within a second. On Windows it waits for them.
        size: The largest number of bytes that are read with one call.

    Raises:
        Stopped: `stop` is set.
        OSError: The system refuses.
    """
    while True:
        is_ready = system.wait_for_pipe(fd, CHECK)
        if stop.is_set():
            raise Stopped("stopped")
        if not is_ready:
            continue
        try:
            block = os.read(fd, size)
        except BlockingIOError:  # another reader of the pipe was faster
            continue
        if not block:
            return
        yield block
