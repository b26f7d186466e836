"""A server far away, on loopback: a proxy that delays each direction by half a round trip and holds each connection
to one window per round trip, as TCP would.

    python -m bench.distance PORT MILLISECONDS WINDOW [NOTE]

prints the port it listens at, and ends when its stdin does. What is read at t is passed on at t + half a round trip and
leaves the window at t + one; the first bytes of a connection wait one round trip more, in which TCP shakes hands.
Into the file NOTE goes the moment (monotonic clock) when a connection has had more than 8 KiB from the server: more
than TLS sends before the answer.
"""

from __future__ import annotations

import contextlib
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path

BLOCK = 256 * 1024
ANSWERED = 8192


class Lane:
    """One direction of one connection."""

    def __init__(self, source: socket.socket, sink: socket.socket, half: float, window: int, extra: float) -> None:
        """From `source` to `sink`; `half` a round trip in seconds, `extra` seconds more for the first bytes."""
        self.source, self.sink = source, sink
        self.ended = False  # the source has ended
        self.done = False  # and everything of it has been passed on
        self.blocked = False
        self.total = 0
        self._half, self._window, self._extra = half, window, extra
        self._waiting: deque[tuple[float, memoryview]] = deque()
        self._unconfirmed: deque[tuple[float, int]] = deque()
        self._flying = 0

    @property
    def wants(self) -> bool:
        """Whether there is room in the window."""
        return not self.ended and self._flying < self._window

    def take(self, now: float) -> None:
        """Read what has come; an empty block is the end."""
        block = self.source.recv(min(BLOCK, self._window - self._flying))
        self._waiting.append((now + self._half + self._extra, memoryview(block)))
        self._unconfirmed.append((now + 2 * self._half + self._extra, len(block)))
        self._flying += len(block)
        self.total += len(block)
        self.ended, self._extra = not block, 0.0

    def give(self, now: float) -> None:
        """Pass on what is due; forget what is confirmed."""
        while self._unconfirmed and self._unconfirmed[0][0] <= now:
            self._flying -= self._unconfirmed.popleft()[1]
        self.blocked = False
        while self._waiting and self._waiting[0][0] <= now and not self.blocked:
            due, block = self._waiting.popleft()
            if not block:
                self.done = True
                with contextlib.suppress(OSError):
                    self.sink.shutdown(socket.SHUT_WR)
                return
            try:
                sent = self.sink.send(block)
            except BlockingIOError:
                sent = 0
            if sent < len(block):
                self._waiting.appendleft((due, block[sent:]))
                self.blocked = True

    def next_event(self) -> float:
        """When there will be something to do without anything coming in."""
        due = self._waiting[0][0] if self._waiting and not self.blocked else float("inf")
        return min(due, self._unconfirmed[0][0] if self._unconfirmed else float("inf"))


class Proxy:
    """All connections, in one thread."""

    def __init__(self, port: int, round_trip: float, window: int, note: Path | None = None) -> None:
        """In front of `port` of this machine; `round_trip` in seconds, `window` in bytes."""
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.listener.setblocking(False)
        self._port, self._half, self._window, self._note = port, round_trip / 2, window, note
        self._lanes: dict[socket.socket, Lane] = {}

    def serve(self, until: socket.socket | int) -> None:
        """Until `until` has something to read, or ends."""
        while True:
            lanes = self._lanes.values()
            reads = [lane.source for lane in lanes if lane.wants]
            writes = [lane.sink for lane in lanes if lane.blocked]
            due = min((lane.next_event() for lane in lanes), default=float("inf")) - time.monotonic()
            wait = None if due == float("inf") else max(0.0, due)
            readable, _, _ = select.select([self.listener, until, *reads], writes, [], wait)
            if until in readable:
                return
            self._turn(readable)

    def _turn(self, readable: Iterable[object]) -> None:
        now = time.monotonic()
        for source in readable:
            if source is self.listener:
                self._accept()
            elif isinstance(source, socket.socket) and source in self._lanes:
                self._guarded(self._lanes[source], "take", now)
        for lane in list(self._lanes.values()):
            self._guarded(lane, "give", now)
        for lane in [lane for lane in self._lanes.values() if lane.done and self._lanes[lane.sink].done]:
            self._close(lane)

    def _guarded(self, lane: Lane, step: str, now: float) -> None:
        try:
            lane.take(now) if step == "take" else lane.give(now)
        except BlockingIOError:
            return
        except OSError:
            self._close(lane)
        if self._note and lane.total > ANSWERED and lane.source.getpeername()[1] == self._port:
            self._note.write_text(str(now))
            self._note = None

    def _accept(self) -> None:
        client, _ = self.listener.accept()
        server = socket.create_connection(("127.0.0.1", self._port))
        for end in (client, server):
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._lanes[client] = Lane(client, server, self._half, self._window, 2 * self._half)
        self._lanes[server] = Lane(server, client, self._half, self._window, 0.0)

    def _close(self, lane: Lane) -> None:
        for end in (lane.source, lane.sink):
            self._lanes.pop(end, None)
            end.close()


def main(port: str, milliseconds: str, window: str, note: str | None = None) -> None:
    """Serve until stdin ends."""
    proxy = Proxy(int(port), float(milliseconds) / 1000, int(window), Path(note) if note else None)
    print(proxy.listener.getsockname()[1], flush=True)  # noqa: T201
    proxy.serve(sys.stdin.fileno())


if __name__ == "__main__":
    main(*sys.argv[1:])
