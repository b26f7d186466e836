"""The door's rate limiter (dcache.md 4): few requests a second from one address, and a pause after many a 401.

It gives no credit to a newcomer: of two requests within 4 ms from a client that was idle, the second gets a 429. What
all addresses together may ask for, 1000 a second, is left out: here they are one.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ctadata.sandbox.exchange import Exchange
from ctadata.sandbox.listener import Application

RATE = 250.0
"""Requests a second from one address; as much is the credit of a client that is known and pauses."""
FORGET = 10.0
"""Seconds after which an idle client is a newcomer again."""
FAILURES, WINDOW, BLOCK = 3, 20.0, 10.0
"""That many 401, each within so many seconds of the last one, block an address for as many seconds."""


@dataclass
class _Client:
    free_at: float
    last: float
    credit: float = 0.0


@dataclass
class _Failures:
    last: float
    count: int = 0


class RateLimited:
    """A server behind the limiter. `retry_after`: 429 says how long to wait, as newer releases do."""

    def __init__(self, inner: Application, clock: Callable[[], float], retry_after: bool) -> None:
        self._inner = inner
        self._clock = clock
        self._retry_after = retry_after
        self._lock = threading.Lock()
        self._clients: dict[str, _Client] = {}
        self._failures: dict[str, _Failures] = {}
        self._blocked_until: dict[str, float] = {}

    def disconnected(self, connection: int, broken: bool) -> None:
        """Passed on."""
        self._inner.disconnected(connection, broken)

    def answer(self, exchange: Exchange) -> None:
        """Answer 429, or let the server answer and count its 401."""
        forwarded = exchange.request.header("X-Forwarded-For")
        address = forwarded.split(",")[0] if forwarded else exchange.wire.peer
        with self._lock:
            wait = self._wait(address, self._clock())
        if wait:
            headers = [("Retry-After", str(math.ceil(wait)))] if self._retry_after else []
            exchange.reply(429, "Too Many Requests", headers, b"Server is busy. Please try again later.")
            return
        exchange.on_status = partial(self._count, address)
        self._inner.answer(exchange)

    def _wait(self, address: str, now: float) -> float:
        """Seconds for which this one is refused; 0 where it is taken, and counted."""
        blocked = self._blocked_until.get(address, now) - now
        if blocked > 0:
            return blocked
        client = self._clients.get(address)
        if client is None or now - client.last > FORGET:
            client = self._clients[address] = _Client(now, now)
        client.last = now
        if now < client.free_at:
            return client.free_at - now
        client.credit = min(RATE, client.credit + (now - client.free_at) * RATE)
        used = min(1.0, client.credit)
        client.credit -= used
        client.free_at = now + (1.0 - used) / RATE
        return 0.0

    def _count(self, address: str, status: int | None) -> None:
        if status != 401:
            return
        now = self._clock()
        with self._lock:
            failures = self._failures.get(address)
            if failures is None or now - failures.last > WINDOW:
                failures = self._failures[address] = _Failures(now)
            failures.last = now
            failures.count += 1
            if failures.count >= FAILURES:  # who comes back after it is a newcomer
                self._blocked_until[address] = now + BLOCK
                self._failures.pop(address)
                self._clients.pop(address, None)
