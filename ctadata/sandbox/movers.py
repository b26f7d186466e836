"""Movers: what a pool has been asked to send or to take, each behind a UUID that is its only credential.

One mover serves one file. It waits 300 s for its first request. A full GET, a PUT, or a range with `Connection: close`
uses it up; other ranges may share it from several connections, and it ends with the last of these connections.

A connection that breaks off in the middle of a body fails the mover for all (dCache, `exceptionCaught` and
`releaseAllFiles`): its other connections fall silent and stay open, and new requests for the UUID go back to the door.
"""

from __future__ import annotations

import socket
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ctadata.sandbox.namespace import Node
from ctadata.sandbox.tcp_state import is_over
from ctadata.sandbox.transfer_log import BrokenConnection, RangeRequest, TransferLog

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
    """One transfer at a pool. `path` is the door's request path, decoded; `upload` is None for a download.

    `users` are the connections that have used it, by number, `under_way` those on which its bytes are under way.
    `ended_by` is the connection that used it up, and 0 where it failed.
    """

    path: str
    url: str
    node: Node
    born: float
    upload: Upload | None = None
    checksums: Mapping[str, bytes] = field(default_factory=dict)
    disposition: str = "attachment"
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))
    users: dict[int, socket.socket] = field(default_factory=dict)
    under_way: set[int] = field(default_factory=set)
    used: bool = False
    ended_by: int | None = None

    def is_over_for(self, connection: int) -> bool:
        """Whether a connection gets no more bytes of it."""
        return self.ended_by not in (None, connection)


class Movers:
    """The movers of one pool."""

    def __init__(
        self, clock: Callable[[], float], timed_out: Callable[[Mover], None], transfer_log: TransferLog
    ) -> None:
        self._clock = clock
        self._timed_out = timed_out
        self._transfer_log = transfer_log
        self._lock = threading.Lock()
        self._movers: dict[str, Mover] = {}
        self._sent_last: dict[int, Mover] = {}

    def start(self, mover: Mover) -> None:
        """Let the pool know a mover."""
        with self._lock:
            self._movers[mover.uuid] = mover

    def open(self, identifier: str) -> Mover | None:
        """The mover of a UUID, which is waited for no longer; None where it is over.

        It is over too where all connections that have used it are closed, noticed or not.
        """
        self.expire()
        with self._lock:
            mover = self._movers.get(identifier)
            if mover is not None and mover.users and all(map(is_over, mover.users.values())):
                return None
            if mover is not None:
                mover.used = True
            return mover

    def join(self, mover: Mover, connection: int, wire: socket.socket) -> None:
        """A connection uses a mover; it lasts as long as one of them does."""
        with self._lock:
            mover.users[connection] = wire

    def begin(self, mover: Mover, connection: int, ranges: Sequence[tuple[int, int]]) -> None:
        """Bytes of a mover are under way on a connection from now on."""
        with self._lock:
            mover.under_way.add(connection)
            self._sent_last[connection] = mover
        for first, last in ranges:
            self._transfer_log.add(RangeRequest(mover.path, mover.uuid, connection, first, last))

    def finish(self, mover: Mover, connection: int) -> None:
        """The last of the bytes that a connection asked for were handed to the network."""
        with self._lock:
            mover.under_way.discard(connection)

    def end(self, mover: Mover, connection: int) -> None:
        """A connection has used a mover up."""
        with self._lock:
            self._movers.pop(mover.uuid, None)
            if mover.ended_by is None:
                mover.ended_by = connection

    def fail(self, mover: Mover) -> None:
        """A mover fails: nobody gets another byte of it."""
        with self._lock:
            self._movers.pop(mover.uuid, None)
            mover.ended_by = 0
        self._transfer_log.fail(mover.uuid)

    def disconnected(self, connection: int, broken: bool) -> None:
        """A connection has ended, well or in the middle (`broken`).

        The downloads that nobody else reads end with it; where it broke off, all downloads it has used fail.
        """
        with self._lock:
            current = self._sent_last.pop(connection, None)
            siblings = (
                frozenset(current.under_way - {connection})
                if current is not None and current.ended_by != 0
                else frozenset()
            )
            used = [m for m in self._movers.values() if connection in m.users and m.upload is None]
            for mover in used:
                mover.users.pop(connection, None)
                if not mover.users and not broken:
                    del self._movers[mover.uuid]
            if current is not None:
                current.under_way.discard(connection)
        if broken and current is not None:
            self._transfer_log.add(BrokenConnection(current.path, current.uuid, connection, siblings))
        for mover in used if broken else ():
            self.fail(mover)

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
