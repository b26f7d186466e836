"""Movers: the transfers of a pool. A UUID is the only credential of a mover.

A mover serves one file. It waits 300 s for its first request. A full GET, a PUT, or a range with `Connection: close`
ends it. Several connections may share it for other ranges; it ends with the last of these connections.

If a connection breaks off in the middle of a body, the mover fails for all connections (dCache, `exceptionCaught` and
`releaseAllFiles`): the other connections stay open and send nothing more, and the pool redirects new requests with
this UUID to the door.
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
"""Seconds that a mover waits for its first request."""


@dataclass(frozen=True)
class Upload:
    """What the headers announce of an upload.

    Attributes:
        expected_size: Bytes; None if no header tells.
        want_digest: The value of Want-Digest.
        content_md5: The value of Content-MD5.
        mtime: The mtime to keep, in Unix seconds.
    """

    expected_size: int | None = None
    want_digest: str | None = None
    content_md5: str | None = None
    mtime: float | None = None


@dataclass
class Mover:
    """One transfer at a pool.

    Attributes:
        path: The decoded path of the request to the door.
        upload: None for a download.
        users: The connections that have used the mover, by number.
        under_way: The connections on which bytes of the mover are being sent.
        used: Whether a request has come.
        ended_by: The connection that ended the mover; 0 if it failed; None if it goes on.
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
        """Return whether a connection gets no more bytes of this mover."""
        return self.ended_by not in (None, connection)


class Movers:
    """The movers of one pool."""

    def __init__(
        self, clock: Callable[[], float], timed_out: Callable[[Mover], None], transfer_log: TransferLog
    ) -> None:
        """Start without a mover.

        Args:
            clock: Returns Unix seconds.
            timed_out: Called with a mover that got no request in time.
            transfer_log: Records ranges, broken connections and failures.
        """
        self._clock = clock
        self._timed_out = timed_out
        self._transfer_log = transfer_log
        self._lock = threading.Lock()
        self._movers: dict[str, Mover] = {}
        self._sent_last: dict[int, Mover] = {}

    def start(self, mover: Mover) -> None:
        """Add a mover to the pool."""
        with self._lock:
            self._movers[mover.uuid] = mover

    def open(self, identifier: str) -> Mover | None:
        """Return the mover of a UUID, which then waits for no first request any more; None if it has ended.

        A mover has also ended if all its connections are closed, even if the pool has not noticed that yet.
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
        """Add a connection to a mover, which lasts as long as one of its connections."""
        with self._lock:
            mover.users[connection] = wire

    def begin(self, mover: Mover, connection: int, ranges: Sequence[tuple[int, int]]) -> None:
        """Record that a connection begins to send these ranges (first and last byte) of a mover."""
        with self._lock:
            mover.under_way.add(connection)
            self._sent_last[connection] = mover
        for first, last in ranges:
            self._transfer_log.add(RangeRequest(mover.path, mover.uuid, connection, first, last))

    def finish(self, mover: Mover, connection: int) -> None:
        """Record that the last byte of a request was handed to the network."""
        with self._lock:
            mover.under_way.discard(connection)

    def end(self, mover: Mover, connection: int) -> None:
        """End a mover because a connection has used it up."""
        with self._lock:
            self._movers.pop(mover.uuid, None)
            if mover.ended_by is None:
                mover.ended_by = connection

    def fail(self, mover: Mover) -> None:
        """Let a mover fail: no connection gets another byte of it."""
        with self._lock:
            self._movers.pop(mover.uuid, None)
            mover.ended_by = 0
        self._transfer_log.fail(mover.uuid)

    def disconnected(self, connection: int, broken: bool) -> None:
        """Handle the end of a connection: end downloads that have no other connection.

        If the connection broke off in the middle of a body (`broken`), all downloads that it has used fail.
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
        """End the movers whose first request did not come in time."""
        now = self._clock()
        with self._lock:
            late = [m for m in self._movers.values() if not m.used and now - m.born > CONNECT_LIMIT]
            for mover in late:
                del self._movers[mover.uuid]
        for mover in late:
            self._timed_out(mover)

    def clear(self) -> None:
        """Forget all movers, as a pool that restarts."""
        with self._lock:
            self._movers.clear()
