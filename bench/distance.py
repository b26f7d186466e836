"""A server far away, on loopback: a proxy that delays each direction by half a round trip and holds each connection
to one window per round trip, as TCP would.

    python -m bench.distance PORT MILLISECONDS WINDOW [NOTE]

prints the port it listens at, and ends when its stdin does. What is read at t is passed on at t + half a round trip and
leaves the window at t + one; the first bytes of a connection wait one round trip more, in which TCP shakes hands.
Into the file NOTE goes the moment (monotonic clock) when a connection has had more than 8 KiB from the server: more
than TLS sends before the answer.

It shares the processors with the client and the server that are measured, so it looks only at the connections that have
something to do: epoll names those with bytes, and a heap those whose bytes are due.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

BLOCK = 256 * 1024
ANSWERED = 8192


class Direction:
    """One direction of one connection."""

    def __init__(self, source: socket.socket, sink: socket.socket, half: float, window: int, extra: float) -> None:
        """From `source` to `sink`; `half` a round trip in seconds, `extra` seconds more for the first bytes."""
        self.source, self.sink = source, sink
        self.ended = False  # the source has ended
        self.done = False  # and all its bytes have been passed on
        self.blocked = False  # the sink takes no more for now
        self.full = False  # as many bytes are under way as the window allows
        self.total = 0
        self._half, self._window, self._extra = half, window, extra
        self._waiting: deque[tuple[float, memoryview]] = deque()
        self._unconfirmed: deque[tuple[float, int]] = deque()
        self._flying = 0

    def take(self, now: float) -> None:
        """Read what has come; an empty block is the end."""
        self._confirm(now)
        if self.full:
            return
        block = self.source.recv(min(BLOCK, self._window - self._flying))
        self._waiting.append((now + self._half + self._extra, memoryview(block)))
        self._unconfirmed.append((now + 2 * self._half + self._extra, len(block)))
        self._flying += len(block)
        self.total += len(block)
        self.ended, self._extra = not block, 0.0
        self.full = self._flying >= self._window

    def give(self, now: float) -> None:
        """Pass on the bytes that are due."""
        self._confirm(now)
        self.blocked = False
        while self._waiting and self._waiting[0][0] <= now:
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
                return

    def _confirm(self, now: float) -> None:
        while self._unconfirmed and self._unconfirmed[0][0] <= now:
            self._flying -= self._unconfirmed.popleft()[1]
        self.full = self._flying >= self._window

    @property
    def next_due(self) -> float:
        """When the last bytes that were read are due."""
        return self._waiting[-1][0]

    @property
    def has_room_at(self) -> float:
        """When the window, which is full, has room again."""
        return self._unconfirmed[0][0]


class Proxy:
    """All connections, in one thread."""

    def __init__(self, port: int, round_trip: float, window: int, note: Path | None = None) -> None:
        """In front of `port` of this machine; `round_trip` in seconds, `window` in bytes."""
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.listener.setblocking(False)
        self._port, self._half, self._window, self._note = port, round_trip / 2, window, note
        self._from: dict[int, Direction] = {}  # by the descriptor of the source
        self._to: dict[int, Direction] = {}  # by the descriptor of the sink
        self._masks: dict[int, int] = {}
        self._due: list[tuple[float, int, Direction]] = []
        self._numbers = itertools.count()
        self._epoll = select.epoll()

    def serve(self, until: int) -> None:
        """Until the descriptor `until` has something to read, or ends."""
        self._epoll.register(self.listener, select.EPOLLIN)
        while True:
            wait = max(0.0, self._due[0][0] - time.monotonic()) if self._due else None
            # epoll waits for whole milliseconds, select for microseconds
            readable, _, _ = select.select([self._epoll, until], [], [], wait)
            if until in readable:
                return
            if readable:
                self._pass_events(self._epoll.poll(0))
            now = time.monotonic()
            while self._due and self._due[0][0] <= now:
                self._step(heapq.heappop(self._due)[2], Direction.give, now)

    def _pass_events(self, events: list[tuple[int, int]]) -> None:
        now = time.monotonic()
        for descriptor, event in events:
            if descriptor == self.listener.fileno():
                self._accept()
                continue
            if event & select.EPOLLOUT and descriptor in self._to:
                self._step(self._to[descriptor], Direction.give, now)
            if event & ~select.EPOLLOUT and descriptor in self._from:
                self._step(self._from[descriptor], Direction.take, now)

    def _step(self, direction: Direction, step: Callable[[Direction, float], None], now: float) -> None:
        """Let a direction take or give; plan when it gives next, and what epoll looks for meanwhile."""
        if direction.source.fileno() < 0:
            return  # it was closed before its bytes were due
        taken = direction.total
        try:
            step(direction, now)
        except BlockingIOError:
            return
        except OSError:
            self._close(direction)
            return
        if step is Direction.take and (direction.total > taken or direction.ended):
            heapq.heappush(self._due, (direction.next_due, next(self._numbers), direction))
        if direction.full:
            heapq.heappush(self._due, (direction.has_room_at, next(self._numbers), direction))
        if direction.done and self._from[direction.sink.fileno()].done:
            self._close(direction)
            return
        self._look_for(direction.source)
        self._look_for(direction.sink)
        if self._note and direction.total > ANSWERED and direction.source.getpeername()[1] == self._port:
            self._note.write_text(str(now))
            self._note = None

    def _look_for(self, end: socket.socket) -> None:
        """Let epoll look for what this end of a connection is to do: bytes to read, or room for bytes."""
        descriptor = end.fileno()
        taking, giving = self._from[descriptor], self._to[descriptor]
        mask = 0 if taking.ended or taking.full else select.EPOLLIN
        mask |= select.EPOLLOUT if giving.blocked else 0
        before = self._masks.get(descriptor, 0)
        if mask == before:
            return
        self._masks[descriptor] = mask
        if not mask:
            self._epoll.unregister(descriptor)  # else it would go on to report that the other end has closed
        elif before:
            self._epoll.modify(descriptor, mask)
        else:
            self._epoll.register(descriptor, mask)

    def _accept(self) -> None:
        client, _ = self.listener.accept()
        server = socket.create_connection(("127.0.0.1", self._port))
        for end in (client, server):
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        there = Direction(client, server, self._half, self._window, 2 * self._half)
        back = Direction(server, client, self._half, self._window, 0.0)
        for direction in (there, back):
            self._from[direction.source.fileno()] = self._to[direction.sink.fileno()] = direction
        self._look_for(client)
        self._look_for(server)

    def _close(self, direction: Direction) -> None:
        for end in (direction.source, direction.sink):
            for known in (self._from, self._to, self._masks):
                known.pop(end.fileno(), None)
            end.close()


def main(port: str, milliseconds: str, window: str, note: str | None = None) -> None:
    """Serve until stdin ends."""
    proxy = Proxy(int(port), float(milliseconds) / 1000, int(window), Path(note) if note else None)
    print(proxy.listener.getsockname()[1], flush=True)  # noqa: T201
    proxy.serve(sys.stdin.fileno())


if __name__ == "__main__":
    main(*sys.argv[1:])
