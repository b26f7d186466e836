"""Ask for the entry of a file that was just stored. Some servers show a new file, or its size, only a moment later."""

from __future__ import annotations

from typing import Protocol

from ctadata.entries import Entry
from ctadata.paths import RemotePath
from ctadata.stores.base import Store
from ctadata.stores.late_answers import repeat_until


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

    def is_shown(entry: Entry) -> bool:
        return size is None or entry.size in (None, size)

    return repeat_until(lambda: run.store.info(path), is_shown, run.wait)
