"""Congestion control: how many requests one server gets at a time, and how fast they follow each other.

The window is the number of requests that may be in flight. It grows while the server answers as quickly as before, as
TCP's congestion window does (RFC 5681), so it fills the distance to the server: rate x round trip.

- It starts with `START`, and at a distance with as many as it takes to send `FIRST_RATE` requests a second: those who
  are far away wait longer for each doubling (RFC 6928 widened TCP's first window for the same reason).
- Slow start: it grows by one with each answer, so it doubles each round trip.
- When even the quickest answer of a round takes clearly longer than the quickest of all, requests queue at the server,
  and more of them would only wait longer (HyStart++, RFC 9406; TCP Vegas, Brakmo and Peterson, 1995). Then it rests. It
  shrinks by one a round if they wait longer than an answer takes. Without a queue it grows on, by a quarter a round.
- A refusal or a broken connection halves it, at most once a round. Then it grows by one a round.
- It grows only if it was full: what nobody needed says nothing about the server (RFC 7661).

It never shrinks below `START` because of slow answers, because a door that fetches files from tape is slow for
every client.

The gap is the time between the starts of two requests. Some doors count requests: dCache's, from 11.2 on, takes 250 a
second from one address and gives a new client no credit, so that the second of two requests within 4 ms gets 429 (its
issue 8118; it forgets an address after 10 s). So the first requests of a burst are staggered. All requests are, if the
server is known to count them, or after a 429 (RFC 6585).

The time in `Retry-After` (RFC 9110 section 10.2.3) holds for the server, and so for every request to it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

START = 8
"""Requests in flight at most before the server has answered; slow answers alone never shrink the window below this."""

FIRST_RATE = 640
"""Requests a second that the first window allows, if the server is so far away that `START` does not
(round trips of more than 12.5 ms)."""
FAR_START = 64
"""Requests in flight at most before the server has answered them, at any distance."""

GAP = 0.005
"""Seconds between the first requests of a burst."""
PACE = 0.0044
"""Seconds between any two requests to a server that counts them, at least; 0.9 of what a dCache door takes."""
LATE = 0.05
"""Seconds by which paced requests that come late may follow each other faster, so that their rate is kept."""
LONGEST_GAP = 1.0
"""Seconds that a gap grows to at most."""
SETTLED_IN = 1.0
"""Seconds after a 429 in which the requests from before it still arrive, so that further ones say nothing new."""
EASED_IN = 10.0
"""Seconds in which a gap that a 429 has made longer shrinks to 1/e of its excess."""
BURST = 8
"""The number of staggered requests at the beginning of a burst."""
IDLE = 10.0
"""Seconds without a request, after which the next request begins a new burst."""

QUEUE_PART, LEAST_QUEUE, MOST_QUEUE = 1 / 8, 0.002, 0.016
"""Requests queue if the quickest answer of a round took longer than the quickest of all by this part of the latter. The
part counts as at least and at most so many seconds (RFC 9406 section 4.3; it has 4 ms, but our servers may be near)."""
SAMPLES = 8
"""The answers of a kind from which a round is judged (RFC 9406's N_RTT_SAMPLE)."""
CAREFUL = 4
"""After slow start the window grows by a share of 1/CAREFUL each round (RFC 9406's CSS_GROWTH_DIVISOR)."""

SLOW_BY = 0.5
SLOW_TIMES = 3.0
"""An answer is slow if it takes more than SLOW_TIMES times the quickest answer of its kind plus SLOW_BY seconds."""


@dataclass(slots=True)
class _Round:
    """The answers of one round trip, `SAMPLES` or more: those until one to a request that was sent after it had begun.

    Attributes:
        began: When it began.
        quickest: The seconds of the quickest answer of each kind.
        answers: The number of answers of each kind.
        count: The number of all answers.
    """

    began: float = -math.inf
    quickest: dict[str, float] = field(default_factory=dict)
    answers: dict[str, int] = field(default_factory=dict)
    count: int = 0


class CongestionWindow:
    """The congestion window of one server. It has no lock: the caller holds one.

    All times are seconds of one monotonic clock.

    Attributes:
        width: The number of requests that may be in flight; a fraction is growth that is not yet complete.
        gap: Seconds between the starts of two requests.
        in_flight: The number of requests under way.
        closings: How often the server has asked for a pause.
        closed_until: The end of the pause that the server has asked for.
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
        self._growth = 1.0  # the share of the window by which it grows each round
        self._is_cut = False  # by a failure or a refusal; then it grows by one a round
        self._rests = False
        self.closed_until = -math.inf
        self._next = -math.inf
        self._cut = -math.inf
        self._last = -math.inf
        self._eased = -math.inf
        self._paced_from = -math.inf  # from then on a 429 says that the gap is too short
        self._started = 0
        self._quickest: dict[str, float] = {}
        self._round = _Round()
        self._full_at = -math.inf  # when the window was seen full for the last time

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
        late = LATE if gap and not staggered else 0.0
        at = max(now - late, self.closed_until, self._next + gap)
        self._next = at
        self._last = begins = max(at, now)
        self._started += 1
        self.in_flight += 1
        return begins

    def end_request(self, now: float) -> None:
        """Count one request less in flight."""
        self.in_flight -= 1
        if now > self._last:
            self._last = now

    def limit(self, most: int) -> None:
        """Allow at most `most` requests in flight from now on; those under way are not ended."""
        self._most, self.width = most, float(most) if self._pinned else min(self.width, float(most))

    def note_round_trip(self, seconds: float) -> None:
        """Widen the first window for a server at this distance, in seconds of a round trip."""
        if not self._pinned and not self._is_cut:
            self.width = max(self.width, min(FIRST_RATE * seconds, FAR_START, self._most))

    def pace(self) -> None:
        """Take note that the server counts requests."""
        self.gap = max(self.gap, PACE)
        self._next = max(self._next, self._last)

    def record_answer(self, began: float, now: float, kind: str = "") -> None:
        """Record that the server has answered a request, and widen the window, or narrow it if the answer was slow.

        Args:
            began: When the request was sent.
            now: When its answer began.
            kind: The name of a kind of request whose answers take similar times (the method); empty if it tells
                nothing.
        """
        if self.gap > PACE:
            self._ease(now)
        if self.in_flight >= int(self.width):
            self._full_at = now
        round_ = self._round
        if kind:
            took = now - began
            quickest = self._quickest[kind] = min(self._quickest.get(kind, math.inf), took)
            round_.quickest[kind] = min(round_.quickest.get(kind, math.inf), took)
            round_.answers[kind] = round_.answers.get(kind, 0) + 1
            round_.count += 1
            if took > SLOW_TIMES * quickest + SLOW_BY:
                self._narrow(max(self.width - 1, min(START, self.width)), began, now)
                return
        if round_.count >= SAMPLES and began >= round_.began:
            self._end_round(now)
        if not self._pinned and not self._rests and self._full_at >= began:
            step = 1 / self.width if self._is_cut else self._growth
            self.width = min(self.width + step, float(self._most))

    def _end_round(self, now: float) -> None:
        """Judge the round by its quickest answers, and begin the next one."""
        ended, self._round = self._round, _Round(now)
        self._rests = False
        for kind, answers in ended.answers.items():
            quickest, queue = self._quickest[kind], ended.quickest[kind] - self._quickest[kind]
            if answers >= SAMPLES and queue >= min(max(QUEUE_PART * quickest, LEAST_QUEUE), MOST_QUEUE):
                self._rests = True
                self._growth = 1 / CAREFUL
                if queue > quickest + LEAST_QUEUE and not self._pinned:
                    self.width = max(self.width - 1, min(START, self.width))

    def record_refusal(self, began: float, now: float, seconds: float, *, counts: bool) -> None:
        """Record that the server was busy, and halve the window.

        Args:
            began: When the request was sent.
            now: When the refusal came.
            seconds: The pause that the server asks for; 0 if it names none.
            counts: Whether the server has refused because of the number of requests (429); then the gap grows too.
        """
        if seconds and now + seconds > self.closed_until:
            self.closed_until = now + seconds
            self.closings += 1
        if counts:
            self._next = max(self._next, now)  # there is no credit for time that has passed
        if counts and began >= self._paced_from:
            self._ease(now)
            self._paced_from = now + SETTLED_IN
            self.gap = min(max(PACE, 1.5 * self.gap), LONGEST_GAP) if self.gap else PACE
        self._started = 0
        self._narrow(self.width / 2, began, now)

    def record_failure(self, began: float, now: float) -> None:
        """Record that a request got no answer, or only a part of it, and halve the window.

        The reason is a failed connection, a reset or a stall.
        """
        self._narrow(self.width / 2, began, now)

    def _narrow(self, width: float, began: float, now: float) -> None:
        """Narrow the window once a round: a request from before the last cut says nothing about today's width."""
        if began < self._cut:
            return
        self._cut = now
        if not self._pinned:
            self.width, self._is_cut = max(1.0, width), True

    def _ease(self, now: float) -> None:
        """Shorten a gap that a 429 has made longer, by the time that has passed."""
        if self.gap > PACE:
            self.gap = PACE + (self.gap - PACE) * math.exp(-max(0.0, now - self._eased) / EASED_IN)
        self._eased = now
