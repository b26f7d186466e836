"""A file that was just stored, as the storage shows it; some servers show it, or its size, a moment late."""

from __future__ import annotations

import contextlib

from ctadata.entries import Entry
from ctadata.errors import NotFound
from ctadata.paths import RemotePath
from ctadata.transfer.run import Run

WAITS = (0.1, 0.2, 0.4, 0.8)
"""Seconds before each further look."""


def wait_for_entry(run: Run, path: RemotePath, size: int | None) -> Entry:
    """The entry of a file that should have `size` bytes (None: any); looked at again for a second and a half.

    A server that tells no size is not asked for it again.

    NotFound; Stopped.
    """
    for pause in WAITS:
        with contextlib.suppress(NotFound):
            entry = run.store.info(path)
            if size is None or entry.size in (None, size):
                return entry
        run.wait(pause)
    return run.store.info(path)
