"""Limit the requests to each server: a request waits for a slot, and `congestion` decides when it may start.

There is one limiter for each origin, because a door and each of its pools can be slow, busy or broken independently.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable

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


class Slot:
    """The slot of one request at a server.

    Attributes:
        began: The time at which the request may be sent, in seconds of the limiter's clock.
    """

    __slots__ = ("_is_answered", "_is_released", "_kind", "_limiter", "began")

    def __init__(self, limiter: HostLimiter, began: float, kind: str) -> None:
        """Create the slot of a request.

        Args:
            limiter: The limiter of the server.
            began: The time at which the request may be sent.
            kind: The kind of request, as for `CongestionWindow.record_answer`.
        """
        self.began = began
        self._limiter = limiter
        self._kind = kind
        self._is_answered = False
        self._is_released = False

    def record_response(self, response: Response, *, complete: bool = True) -> None:
        """Record an answer, a refusal, or a failure of the server that says nothing. Further calls do nothing.

        Args:
            response: The response, which may be known by its headers only.
            complete: Whether it has come to its end. The slot of a listing is released before: from then on the
                caller's speed decides how fast its body comes, and the caller itself may wait for a slot.
        """
        if self._is_answered:
            return
        limiter, status = self._limiter, response.status
        if not limiter.is_known:
            limiter.note_server(response)
        if status in BUSY_STATUSES:
            seconds = parse_retry_after(response.headers.get("Retry-After"))
            limiter.record_refusal(self.began, seconds, counts=status == 429)
        elif status < 500:
            self._is_answered = True
            self._is_released = not complete and response.method == "PROPFIND"
            limiter.record_answer(self.began, self._kind, ends=self._is_released)

    def record_failure(self) -> None:
        """Record that the request got no answer, or only a part of one."""
        self._limiter.record_failure(self.began)

    def release(self) -> None:
        """Free the slot for the next request. Further calls do nothing."""
        if not self._is_released:
            self._is_released = True
            self._limiter.release()


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
            if (seconds := at - now) <= 0:
                return Slot(self, at, kind)
            sleep(seconds)
            if closings == self._window.closings and not stop.is_set():
                return Slot(self, self._clock(), kind)
            self.release()  # the server has refused another request meanwhile: wait again

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

    def release(self) -> None:
        """Free a slot, and wake a waiting request."""
        with self._lock:
            self._window.end_request(self._clock())
            if self._waiting:
                self._room.notify()

    def record_answer(self, began: float, kind: str, *, ends: bool) -> None:
        """Record that the answer to a request of `began` begins, and wake a waiting request if there is room.

        Args:
            began: When the request was sent.
            kind: As for `CongestionWindow.record_answer`.
            ends: Whether the slot of the request is free from now on.
        """
        with self._lock:
            now = self._clock()
            self._window.record_answer(began, now, kind)
            if ends:
                self._window.end_request(now)
            if self._waiting and self._window.has_room:
                self._room.notify()

    def record_refusal(self, began: float, seconds: float | None, *, counts: bool) -> None:
        """Record a refusal; `seconds` is the pause that the server asks for, None if it names none."""
        with self._lock:
            closed = 0.0 if seconds is None else seconds + self._spread()
            self._window.record_refusal(began, self._clock(), closed, counts=counts)

    def record_failure(self, began: float) -> None:
        """Record that the request of `began` got no answer, or only a part of one."""
        with self._lock:
            self._window.record_failure(began, self._clock())


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
