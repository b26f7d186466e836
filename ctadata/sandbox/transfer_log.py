"""The journal of the pools: which bytes each mover was asked for, and which connections broke off in the middle."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field


@dataclass(frozen=True)
class RangeRequest:
    """One range that a connection asked a mover for; `first` and `last` are byte offsets in the file, both included."""

    path: str
    uuid: str
    connection: int
    first: int
    last: int


@dataclass(frozen=True)
class BrokenConnection:
    """One connection that ended while bytes of a mover were under way on it.

    `siblings` are the other connections on which bytes of the same mover were under way at that moment; none where
    the mover had failed before.
    """

    path: str
    uuid: str
    connection: int
    siblings: frozenset[int]


@dataclass
class TransferLog:
    """What the pools of one sandbox were asked for, in order."""

    _requested: list[RangeRequest] = field(default_factory=list)
    _broken: list[BrokenConnection] = field(default_factory=list)
    _failed: list[str] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def add(self, entry: RangeRequest | BrokenConnection) -> None:
        """Write one entry."""
        with self._changed:
            if isinstance(entry, RangeRequest):
                self._requested.append(entry)
            else:
                self._broken.append(entry)
            self._changed.notify_all()

    def fail(self, uuid: str) -> None:
        """Write down that a mover failed."""
        with self._changed:
            self._failed.append(uuid)
            self._changed.notify_all()

    def clear(self) -> None:
        """Forget everything."""
        with self._changed:
            self._requested.clear()
            self._broken.clear()
            self._failed.clear()

    def requested(self, path: str | None = None) -> list[RangeRequest]:
        """Every range asked for, of one file or of all."""
        with self._changed:
            return [entry for entry in self._requested if path in (None, entry.path)]

    def broken(self, path: str | None = None) -> list[BrokenConnection]:
        """Every connection that ended in the middle, of one file or of all."""
        with self._changed:
            return [entry for entry in self._broken if path in (None, entry.path)]

    @property
    def failed(self) -> list[str]:
        """The UUIDs of the movers that failed, in order."""
        with self._changed:
            return list(self._failed)

    def wait_for_failure(self, uuid: str, timeout: float = 10.0) -> None:
        """Wait until the mover of that UUID has failed; TimeoutError after `timeout` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: uuid in self._failed, timeout):
                raise TimeoutError(f"the mover {uuid} has not failed within {timeout} s")

    def requested_twice(self, path: str) -> list[tuple[RangeRequest, RangeRequest]]:
        """The pairs of ranges of a file that share bytes, whichever mover and connection they were asked of."""
        ranges = sorted(self.requested(path), key=lambda entry: (entry.first, entry.last))
        found, widest = [], None
        for entry in ranges:
            if widest is not None and entry.first <= widest.last:
                found.append((widest, entry))
            if widest is None or entry.last > widest.last:
                widest = entry
        return found
