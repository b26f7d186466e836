"""Limit the requests to each server: a request waits for a slot, and `congestion` decides when it may start.

There is one limiter for each origin, because a door and each of its pools can be slow, busy or broken independently.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass

from ctadata import fibers
from ctadata.errors import Busy, Stopped
from ctadata.http.congestion import CongestionWindow
from ctadata.http.failures import parse_retry_after
from ctadata.http.messages import Origin, Response

BUSY_STATUSES = (429, 503)
"""The statuses of a busy server (RFC 6585 section 4, RFC 9110 section 15.6.4)."""

_DCACHE = re.compile(r"dCache/([0-9]{1,4})\.([0-9]{1,4})")

_STOP_CHECK = 0.25
"""Seconds between two checks of the stop event while a request waits for a slot."""


@dataclass(slots=True)
class Slot:
    """The slot of one request at a server.

    Attributes:
        began: The time at which the request may be sent, in seconds of the limiter's clock.
        kind: The kind of request, as for `CongestionWindow.record_answer`.
        is_answered: Whether an answer was recorded.
        is_released: Whether it is free for the next request.
    """

    began: float
    kind: str
    is_answered: bool = False
    is_released: bool = False


def counts_requests(server: str | None) -> bool:
    """Whether the server with this `Server` header answers 429 to a client that sends too many requests a second.

    dCache's doors do from 11.2 on (its class RateLimitedHandlerList; the limit is on by default).
    """
    version = _DCACHE.match(server or "")
    return version is not None and (int(version[1]), int(version[2])) >= (11, 2)


class HostLimiter:
    """The limiter of one server. Any number of threads and fibers may use it.

    Attributes:
        is_known: Whether `note_server` has seen a response.
        is_measured: Whether `note_round_trip` was called.
    """

    def __init__(
        self, name: str, window: CongestionWindow, clock: Callable[[], float], spread: Callable[[], float]
    ) -> None:
        """Create the limiter of a server.

        Args:
            name: The name of the server in error messages.
            window: The congestion window of the server.
            clock: Return the seconds of a monotonic clock.
            spread: Return the random seconds to wait beyond the time in `Retry-After`, so that clients do not all
                return at the same moment.
        """
        self._name = name
        self._window = window
        self._clock = clock
        self._spread = spread
        self.is_known = False
        self.is_measured = False
        self._waiting = 0  # requests
        self._lock = threading.Lock()
        self._room = fibers.Condition(self._lock)

    def acquire(self, kind: str, stop: threading.Event, sleep: Callable[[float], object], patience: float) -> Slot:
        """Wait for a slot, and for the time at which its request may be sent.

        Args:
            kind: The kind of request, as for `CongestionWindow.record_answer`.
            stop: Ends the wait when it is set.
            sleep: Wait for some seconds, or until `stop` is set.
            patience: The longest pause of a busy server that is waited for, in seconds.

        Raises:
            Stopped: `stop` is set.
            Busy: The server asks for a pause of more than `patience` seconds.
        """
        while True:
            with self._lock:
                if not self._window.has_room:
                    self._wait_for_room(stop)
                if stop.is_set():
                    raise Stopped("stopped")
                now, closings = self._clock(), self._window.closings
                if (closed := self._window.closed_until - now) > patience:
                    raise Busy(
                        f"the server is busy, and asks for a pause: {self._name}",
                        hint=f"try again in {closed:.0f} s",
                        retry_after=closed,
                    )
                at = self._window.begin_request(now)
            slot = Slot(at, kind)
            if at <= now:
                return slot
            sleep(at - now)
            if closings == self._window.closings and not stop.is_set():
                slot.began = self._clock()
                return slot
            self.release(slot)  # the server has refused another request meanwhile: wait again

    def _wait_for_room(self, stop: threading.Event) -> None:
        self._waiting += 1
        try:
            with fibers.queueing():
                while not self._window.has_room and not stop.is_set():
                    self._room.wait(_STOP_CHECK)
        finally:
            self._waiting -= 1

    def limit(self, most: int) -> None:
        """Allow at most `most` requests in flight from now on."""
        with self._lock:
            self._window.limit(most)

    def note_server(self, response: Response) -> None:
        """Take note of the first response: some servers are known to count requests."""
        self.is_known = True
        if counts_requests(response.headers.get("Server")):
            with self._lock:
                self._window.pace()

    def note_round_trip(self, seconds: float) -> None:
        """Take note of the distance to the server, in seconds of a round trip; its first connection shows it."""
        self.is_measured = True
        with self._lock:
            self._window.note_round_trip(seconds)
            self._room.notify_all()

    def record_response(self, slot: Slot, response: Response, *, complete: bool = True) -> None:
        """Record an answer, a refusal, or a failure of the server that says nothing.

        Args:
            slot: The slot of the request.
            response: The response, which may be known by its headers only.
            complete: Whether it has come to its end. The slot of a listing is released before: from then on the
                caller's speed decides how fast its body comes, and the caller itself may wait for a slot.
        """
        status = response.status
        if not self.is_known:
            self.note_server(response)
        if status in BUSY_STATUSES:
            pause = parse_retry_after(response.headers.get("Retry-After"))
            with self._lock:
                seconds = 0.0 if pause is None else pause + self._spread()
                self._window.record_refusal(slot.began, self._clock(), seconds, counts=status == 429)
        elif status < 500:
            slot.is_answered = True
            slot.is_released = not complete and response.method == "PROPFIND"
            with self._lock:
                now = self._clock()
                self._window.record_answer(slot.began, now, slot.kind)
                if slot.is_released:
                    self._window.end_request(now)
                if self._waiting and self._window.has_room:
                    self._room.notify()

    def record_failure(self, slot: Slot) -> None:
        """Record that the request got no answer, or only a part of one."""
        with self._lock:
            self._window.record_failure(slot.began, self._clock())

    def release(self, slot: Slot) -> None:
        """Free the slot, and wake a waiting request. Further calls do nothing."""
        if slot.is_released:
            return
        slot.is_released = True
        with self._lock:
            self._window.end_request(self._clock())
            if self._waiting:
                self._room.notify()


class HostLimiters(dict[Origin, HostLimiter]):
    """The limiters of all servers that a client talks to. Each is created when it is first looked up."""

    def __init__(
        self, most: int, *, pinned: bool, clock: Callable[[], float], spread: Callable[[], float] = lambda: 0.0
    ) -> None:
        """Start without limiters.

        Args:
            most: The largest number of requests to one server at a time.
            pinned: Allow always `most` requests, however the server answers.
            clock: As for `HostLimiter`.
            spread: As for `HostLimiter`.
        """
        super().__init__()
        self._most = most
        self._pinned = pinned
        self._clock = clock
        self._spread = spread
        self._lock = threading.Lock()

    def __missing__(self, origin: Origin) -> HostLimiter:
        """Return the new limiter of a server."""
        with self._lock:
            window = CongestionWindow(self._most, pinned=self._pinned)
            return self.setdefault(origin, HostLimiter(str(origin), window, self._clock, self._spread))

    def limit(self, most: int) -> None:
        """Allow at most `most` requests to one server from now on; those under way are not ended."""
        with self._lock:
            self._most = most
            for limiter in self.values():
                limiter.limit(most)
