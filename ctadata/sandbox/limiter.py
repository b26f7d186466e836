"""The door's rate limiter (dcache.md 4): a number of requests a second from one address, and a block after several 401.

A new client has no credit: of two requests within 4 ms from a client that was idle, the second gets 429. The limit for
all addresses together, 1000 requests a second, is left out, because all clients here have one address.
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
"""Requests a second from one address; also the largest credit of a client that pauses."""
FORGET_SECONDS = 10.0
"""Seconds after which an idle client counts as new."""
FAILURES, WINDOW, BLOCK = 3, 20.0, 10.0
"""FAILURES answers 401, each within WINDOW seconds of the last one, block an address for BLOCK seconds."""


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
    """A server behind the limiter."""

    def __init__(self, inner: Application, clock: Callable[[], float], retry_after: bool) -> None:
        """Put the limiter before a server.

        Args:
            inner: The server.
            clock: Return the seconds of a clock.
            retry_after: Whether a 429 has a `Retry-After` header, as in newer releases.
        """
        self._inner = inner
        self._clock = clock
        self._retry_after = retry_after
        self._lock = threading.Lock()
        self._clients: dict[str, _Client] = {}
        self._failures: dict[str, _Failures] = {}
        self._blocked_until: dict[str, float] = {}

    def disconnected(self, connection: int, broken: bool) -> None:
        """Pass the event on to the server."""
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
        """Return the seconds for which the request is refused; 0 if it is accepted, and count it then."""
        blocked = self._blocked_until.get(address, now) - now
        if blocked > 0:
            return blocked
        client = self._clients.get(address)
        if client is None or now - client.last > FORGET_SECONDS:
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
            if failures.count >= FAILURES:  # after the block the client counts as new
                self._blocked_until[address] = now + BLOCK
                self._failures.pop(address)
                self._clients.pop(address, None)
