"""Call a function again and again while a block runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Periodic:
    """A context manager that calls a function every so many seconds, in a thread of its own."""

    def __init__(self, seconds: float, call: Callable[[], object]) -> None:
        """Prepare the thread, which starts with the block.

        Args:
            seconds: The time between two calls.
            call: The function; it must raise nothing.
        """
        self._seconds = seconds
        self._call = call
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ctadata-periodic", daemon=True)

    def _run(self) -> None:
        while not self._ended.wait(self._seconds):
            self._call()

    def __enter__(self) -> Self:
        """Start the thread."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the thread; after that, the function is not called."""
        self._ended.set()
        self._thread.join()
