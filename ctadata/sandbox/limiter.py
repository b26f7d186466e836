"""The door's rate limiter (dcache.md 4): few requests a second from one address, and a pause after many a 401.

It gives no credit to a newcomer: of two requests within 4 ms from a client that was idle, the second gets a 429.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from ctadata.sandbox.exchange import Exchange
from ctadata.sandbox.listener import Application

RATE = 250.0
"""Requests a second from one address; as much is the credit of a client that is known and pauses."""
FORGET = 10.0
"""Seconds after which an idle client is a newcomer again."""
FAILURES, WINDOW, BLOCK = 3, 20.0, 10.0
"""That many 401 within a window of seconds block an address for as many seconds."""


@dataclass
class _Client:
    free_at: float
    credit: float = 0.0
    last: float = 0.0
    failures: list[float] = field(default_factory=list)
    blocked_until: float = 0.0


class RateLimited:
    """A server behind the limiter. `retry_after`: 429 says how long to wait, as newer releases do."""

    def __init__(self, inner: Application, clock: Callable[[], float], retry_after: bool) -> None:
        self._inner = inner
        self._clock = clock
        self._retry_after = retry_after
        self._lock = threading.Lock()
        self._clients: dict[str, _Client] = {}

    def disconnected(self, connection: int) -> None:
        """Passed on."""
        self._inner.disconnected(connection)

    def answer(self, exchange: Exchange) -> None:
        """Answer 429, or let the server answer and count its 401."""
        address = exchange.wire.peer
        if not self._admit(address):
            headers = [("Retry-After", "1")] if self._retry_after else []
            exchange.reply(429, "Too Many Requests", headers, b"Server is busy. Please try again later.")
            return
        exchange.on_status = partial(self._count, address)
        self._inner.answer(exchange)

    def _admit(self, address: str) -> bool:
        now = self._clock()
        with self._lock:
            client = self._clients.get(address)
            if client is None or (now - client.last > FORGET and now >= client.blocked_until):
                client = self._clients[address] = _Client(free_at=now)
            client.last = now
            if now < client.blocked_until or now < client.free_at:
                return False
            client.credit = min(RATE, client.credit + (now - client.free_at) * RATE)
            used = min(1.0, client.credit)
            client.credit -= used
            client.free_at = now + (1.0 - used) / RATE
            return True

    def _count(self, address: str, status: int | None) -> None:
        if status != 401:
            return
        now = self._clock()
        with self._lock:
            client = self._clients[address]
            client.failures = [moment for moment in client.failures if now - moment < WINDOW] + [now]
            if len(client.failures) >= FAILURES:
                client.blocked_until = now + BLOCK
                client.failures = []
