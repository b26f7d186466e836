"""How many requests one server gets at a time, and how fast they follow each other: it moves with what the server says.

The width, how many may be in flight, grows and shrinks as TCP's window does (RFC 5681): by one with each answer until
there was trouble, later by one with each round of answers; refusals and broken connections halve it, once a round. As
in TCP Vegas (Brakmo and Peterson, 1995), answers that take much longer than the quickest ones say that requests queue
at the server: it shrinks by one a round, but never below where it started, because a door that fetches from tape is
slow for everybody.

The gap between two starts is about doors that count requests: dCache's, from 11.2 on, takes 250 a second from one
address, and gives a newcomer no credit: of two requests within 4 ms the second gets 429 (its issue 8118; it forgets an
address after 10 s). So the first requests of a burst are staggered, and after a 429 (RFC 6585) all are.

What `Retry-After` names (RFC 9110 section 10.2.3) holds for the server, so for every request to it.
"""

from __future__ import annotations

import math

START = 4
"""Requests in flight before anything is known of a server; slow answers alone never narrow it further."""

GAP = 0.005
"""Seconds between the first requests of a burst, and at least between all of them once a server has said 429."""
LONGEST_GAP = 1.0
EASED = 0.8
"""What each answer makes of a gap that refusals have made longer."""
BURST = 8
"""Requests that are staggered."""
IDLE = 10.0
"""Seconds without a request after which the next ones are a new burst."""

SLOW_BY = 0.5
SLOW_TIMES = 3.0
"""An answer is slow that takes so many times as long as the quickest one of its method, and so many seconds more."""


class CongestionWindow:
    """The state of one server; `now` is in seconds of any clock that runs. Not for several threads."""

    def __init__(self, most: int, *, pinned: bool = False) -> None:
        """Of a server nothing is known of; `most` in flight at a time, and `pinned` always as many."""
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
        """Whether one more may be in flight."""
        return self.in_flight < int(self.width)

    def begin(self, now: float) -> float:
        """One more is in flight; gives the moment at which it may be sent."""
        if not self.in_flight and now - self._last > IDLE:
            self._started = 0
        staggered = self._started < BURST and self.in_flight > 0
        gap = max(self.gap, GAP) if staggered else self.gap
        at = max(now, self._closed_until, self._next + gap)
        self._next = self._last = at
        self._started += 1
        self.in_flight += 1
        return at

    def end(self, now: float) -> None:
        """One less is in flight."""
        self.in_flight -= 1
        self._last = max(self._last, now)

    def answered(self, began: float, now: float, kind: str = "") -> None:
        """A server that works has answered what was sent at `began`; `kind` names what takes equally long."""
        self.gap = max(GAP, self.gap * EASED) if self.gap else 0.0
        quickest = self._quickest[kind] = min(self._quickest.get(kind, math.inf), now - began) if kind else math.inf
        if now - began > SLOW_TIMES * quickest + SLOW_BY:
            self._narrow(max(self.width - 1, min(START, self.width)), began, now)
        elif not self._pinned:
            step = 1.0 if self.width < self._threshold else 1 / self.width
            self.width = min(self.width + step, float(self._most))

    def refused(self, began: float, now: float, seconds: float, *, counts: bool) -> None:
        """The server is busy: no request for so many seconds. `counts`: because there were too many (429)."""
        if seconds and now + seconds > self._closed_until:
            self._closed_until = now + seconds
            self.closings += 1
        if counts and began >= self._cut:
            self.gap = min(max(GAP, 2 * self.gap), LONGEST_GAP)
        self._started = 0
        self._narrow(self.width / 2, began, now)

    def broke(self, began: float, now: float) -> None:
        """What was sent at `began` got no answer, or not all of it: no connection, a reset, a stall."""
        self._narrow(self.width / 2, began, now)

    def closed_for(self, now: float) -> float:
        """Seconds until the server wants to hear of us again."""
        return max(0.0, self._closed_until - now)

    def _narrow(self, width: float, began: float, now: float) -> None:
        """Once a round: what was sent before the last cut says nothing about the width since."""
        if began < self._cut:
            return
        self._cut = now
        if not self._pinned:
            self.width = self._threshold = max(1.0, width)
