"""The transfer log of the pools: which ranges each mover was asked for, and which connections broke off."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field


@dataclass(frozen=True)
class RangeRequest:
    """One range that a connection requested of a mover.

    Attributes:
        first: The offset of the first byte.
        last: The offset of the last byte, which is included.
    """

    path: str
    uuid: str
    connection: int
    first: int
    last: int


@dataclass(frozen=True)
class BrokenConnection:
    """One connection that ended while it was sending bytes of a mover.

    Attributes:
        siblings: The other connections that were sending bytes of the same mover; none if the mover had failed before.
    """

    path: str
    uuid: str
    connection: int
    siblings: frozenset[int]


@dataclass
class TransferLog:
    """The requests and failures at the pools of one sandbox, in order."""

    _requested: list[RangeRequest] = field(default_factory=list)
    _broken: list[BrokenConnection] = field(default_factory=list)
    _failed: list[str] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def add(self, entry: RangeRequest | BrokenConnection) -> None:
        """Add one entry."""
        with self._changed:
            if isinstance(entry, RangeRequest):
                self._requested.append(entry)
            else:
                self._broken.append(entry)
            self._changed.notify_all()

    def fail(self, uuid: str) -> None:
        """Record that a mover failed."""
        with self._changed:
            self._failed.append(uuid)
            self._changed.notify_all()

    def clear(self) -> None:
        """Forget all entries."""
        with self._changed:
            self._requested.clear()
            self._broken.clear()
            self._failed.clear()

    def requested(self, path: str | None = None) -> list[RangeRequest]:
        """Return every requested range of one file, or of all files if `path` is None."""
        with self._changed:
            return [entry for entry in self._requested if path in (None, entry.path)]

    def broken(self, path: str | None = None) -> list[BrokenConnection]:
        """Return every connection that broke off, of one file or of all."""
        with self._changed:
            return [entry for entry in self._broken if path in (None, entry.path)]

    @property
    def failed(self) -> list[str]:
        """The UUIDs of the movers that failed, in order."""
        with self._changed:
            return list(self._failed)

    def wait_for_failure(self, uuid: str, timeout: float = 10.0) -> None:
        """Wait until the mover of this UUID has failed; raise TimeoutError after `timeout` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: uuid in self._failed, timeout):
                raise TimeoutError(f"the mover {uuid} has not failed within {timeout} s")

    def requested_twice(self, path: str) -> list[tuple[RangeRequest, RangeRequest]]:
        """Return the pairs of ranges of a file that share bytes, over all movers and connections."""
        ranges = sorted(self.requested(path), key=lambda entry: (entry.first, entry.last))
        pairs, widest = [], None
        for entry in ranges:
            if widest is not None and entry.first <= widest.last:
                pairs.append((widest, entry))
            if widest is None or entry.last > widest.last:
                widest = entry
        return pairs
