"""Congestion control: how many requests one server gets at a time, and how fast they follow each other.

The window is the number of requests that may be in flight. It grows and shrinks as TCP's congestion window does (RFC
5681): by one with each answer until the first trouble, and later by one with each round of answers. A refusal or a
broken connection halves it, at most once a round. As in TCP Vegas (Brakmo and Peterson, 1995), an answer that takes
much longer than the quickest one shows that requests queue at the server, and the window shrinks by one a round. It
never shrinks for this reason below its first size, because a door that fetches files from tape is slow for every
client.

The gap is the time between the starts of two requests. Some doors count requests: dCache's, from 11.2 on, takes 250 a
second from one address and gives a new client no credit, so that the second of two requests within 4 ms gets 429 (its
issue 8118; it forgets an address after 10 s). So the first requests of a burst are staggered, and after a 429 (RFC
6585) all requests are.

The time in `Retry-After` (RFC 9110 section 10.2.3) holds for the server, and so for every request to it.
"""

from __future__ import annotations

import math

START = 4
"""Requests in flight at most before the server has answered; slow answers alone never shrink the window below this."""

GAP = 0.005
"""Seconds between the first requests of a burst; after a 429 the shortest time between any two requests."""
LONGEST_GAP = 1.0
"""Seconds that a gap grows to at most."""
EASED = 0.8
"""The factor by which each answer shortens a gap that a 429 has made longer."""
BURST = 8
"""The number of staggered requests at the beginning of a burst."""
IDLE = 10.0
"""Seconds without a request, after which the next request begins a new burst."""

SLOW_BY = 0.5
SLOW_TIMES = 3.0
"""An answer is slow if it takes more than SLOW_TIMES times the quickest answer of its method plus SLOW_BY seconds."""


class CongestionWindow:
    """The congestion window of one server. It has no lock: the caller holds one.

    All times are seconds of one monotonic clock.

    Attributes:
        width: The number of requests that may be in flight; a fraction is growth that is not yet complete.
        gap: Seconds between the starts of two requests.
        in_flight: The number of requests under way.
        closings: How often the server has asked for a pause.
    """

    def __init__(self, most: int, *, pinned: bool = False) -> None:
        """Start the window of a server that has not answered yet.

        Args:
            most: The largest number of requests in flight.
            pinned: Keep the window at `most`; the gap still grows and shrinks.
        """
        self.width = float(most if pinned else min(START, most))
        self.gap = 0.0
        self.in_flight = 0
        self.closings = 0
        self._most = most
        self._pinned = pinned
        self._threshold = float(most)
        self._closed_until = -math.inf
        self._next = -math.inf
        self._cut = -math.inf
        self._last = -math.inf
        self._started = 0
        self._quickest: dict[str, float] = {}

    @property
    def has_room(self) -> bool:
        """Whether one more request may be in flight."""
        return self.in_flight < int(self.width)

    def begin_request(self, now: float) -> float:
        """Count one more request in flight, and return the time at which it may be sent."""
        if not self.in_flight and now - self._last > IDLE:
            self._started = 0
        staggered = self._started < BURST and self.in_flight > 0
        gap = max(self.gap, GAP) if staggered else self.gap
        at = max(now, self._closed_until, self._next + gap)
        self._next = self._last = at
        self._started += 1
        self.in_flight += 1
        return at

    def end_request(self, now: float) -> None:
        """Count one request less in flight."""
        self.in_flight -= 1
        self._last = max(self._last, now)

    def record_answer(self, began: float, now: float, kind: str = "") -> None:
        """Record that the server has answered a request, and widen the window, or narrow it if the answer was slow.

        Args:
            began: When the request was sent.
            now: When its answer began.
            kind: The name of a kind of request whose answers take similar times (the method); empty if it tells
                nothing.
        """
        self.gap = max(GAP, self.gap * EASED) if self.gap else 0.0
        quickest = self._quickest[kind] = min(self._quickest.get(kind, math.inf), now - began) if kind else math.inf
        if now - began > SLOW_TIMES * quickest + SLOW_BY:
            self._narrow(max(self.width - 1, min(START, self.width)), began, now)
        elif not self._pinned:
            step = 1.0 if self.width < self._threshold else 1 / self.width
            self.width = min(self.width + step, float(self._most))

    def record_refusal(self, began: float, now: float, seconds: float, *, counts: bool) -> None:
        """Record that the server was busy, and halve the window.

        Args:
            began: When the request was sent.
            now: When the refusal came.
            seconds: The pause that the server asks for; 0 if it names none.
            counts: Whether the server has refused because of the number of requests (429); then the gap grows too.
        """
        if seconds and now + seconds > self._closed_until:
            self._closed_until = now + seconds
            self.closings += 1
        if counts and began >= self._cut:
            self.gap = min(max(GAP, 2 * self.gap), LONGEST_GAP)
        self._started = 0
        self._narrow(self.width / 2, began, now)

    def record_failure(self, began: float, now: float) -> None:
        """Record that a request got no answer, or only a part of it, and halve the window.

        The reason is a failed connection, a reset or a stall.
        """
        self._narrow(self.width / 2, began, now)

    def pause_left(self, now: float) -> float:
        """Return the seconds that are left of the pause that the server has asked for."""
        return max(0.0, self._closed_until - now)

    def _narrow(self, width: float, began: float, now: float) -> None:
        """Narrow the window once a round: a request from before the last cut says nothing about today's width."""
        if began < self._cut:
            return
        self._cut = now
        if not self._pinned:
            self.width = self._threshold = max(1.0, width)
