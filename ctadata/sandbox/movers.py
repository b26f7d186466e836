"""Movers: what a pool has been asked to send or to take, each behind a UUID that is its only credential.

dcache.md 1.3 and 1.4: one file, 300 s to the first request; a full GET or a PUT uses it up; ranges may share it from
several connections and it ends with the last of them.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ctadata.sandbox.namespace import Node

CONNECT_LIMIT = 300.0
"""Seconds a mover waits for its first request."""


@dataclass(frozen=True)
class Upload:
    """What the door knows of an upload before its bytes: sizes in bytes, times in Unix seconds."""

    expected_size: int | None = None
    want_digest: str | None = None
    content_md5: str | None = None
    mtime: float | None = None


@dataclass
class Mover:
    """One transfer at a pool. `path` is the door's request path, decoded; `upload` is None for a download."""

    path: str
    url: str
    node: Node
    born: float
    upload: Upload | None = None
    checksums: Mapping[str, bytes] = field(default_factory=dict)
    disposition: str = "attachment"
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))
    users: set[int] = field(default_factory=set)
    used: bool = False


class Movers:
    """The movers of one pool."""

    def __init__(self, clock: Callable[[], float], timed_out: Callable[[Mover], None]) -> None:
        self._clock = clock
        self._timed_out = timed_out
        self._lock = threading.Lock()
        self._movers: dict[str, Mover] = {}

    def start(self, mover: Mover) -> None:
        """Let the pool know a mover."""
        with self._lock:
            self._movers[mover.uuid] = mover

    def open(self, identifier: str) -> Mover | None:
        """The mover of a UUID, which is waited for no longer; None where it is over."""
        self.expire()
        with self._lock:
            mover = self._movers.get(identifier)
            if mover is not None:
                mover.used = True
            return mover

    def join(self, mover: Mover, connection: int) -> None:
        """A connection uses a mover; it lasts as long as one of them does."""
        with self._lock:
            mover.users.add(connection)

    def end(self, mover: Mover) -> bool:
        """A mover has done its work; False where it was over already."""
        with self._lock:
            return self._movers.pop(mover.uuid, None) is not None

    def disconnected(self, connection: int) -> None:
        """A connection has ended, and with it the downloads that nobody else reads."""
        with self._lock:
            for mover in [m for m in self._movers.values() if connection in m.users]:
                mover.users.discard(connection)
                if not mover.users and mover.upload is None:
                    del self._movers[mover.uuid]

    def expire(self) -> None:
        """End the movers to which nobody came in time."""
        now = self._clock()
        with self._lock:
            late = [m for m in self._movers.values() if not m.used and now - m.born > CONNECT_LIMIT]
            for mover in late:
                del self._movers[mover.uuid]
        for mover in late:
            self._timed_out(mover)

    def clear(self) -> None:
        """Forget all movers, as a pool does that starts anew."""
        with self._lock:
            self._movers.clear()
