"""Ask for the entry of a file that was just stored. Some servers show a new file, or its size, only a moment later."""

from __future__ import annotations

import contextlib
from typing import Protocol

from ctadata.entries import Entry
from ctadata.errors import NotFound
from ctadata.paths import RemotePath
from ctadata.stores.base import Store

WAITS = (0.1, 0.2, 0.4, 0.8)
"""Seconds before each further request."""


class WaitingRun(Protocol):
    """The run, as far as a look at a stored file needs it."""

    store: Store

    def wait(self, seconds: float) -> None:
        """Wait for some seconds; raise Stopped if the run is stopped meanwhile."""


def wait_for_entry(run: WaitingRun, path: RemotePath, size: int | None) -> Entry:
    """Return the entry of a file that was just stored; ask again for 1.5 seconds if it is missing or has another size.

    A server that states no size is not asked again for it.

    Args:
        run: The run.
        path: The file.
        size: The bytes that it should have; None: any.

    Raises:
        NotFound: There still is no such file.
        Stopped: The run was stopped.
    """
    for pause in WAITS:
        with contextlib.suppress(NotFound):
            entry = run.store.info(path)
            if size is None or entry.size in (None, size):
                return entry
        run.wait(pause)
    return run.store.info(path)
