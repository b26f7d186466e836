"""Host limits: each request waits for a slot at the server that it goes to; `congestion` says when that is.

One gate for each origin: a door and each of its pools are busy, slow and broken each for itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from ctadata import fibers
from ctadata.errors import Busy, Interrupted, Stopped, TimedOut, Unreachable
from ctadata.http.congestion import CongestionWindow
from ctadata.http.failures import parse_retry_after
from ctadata.http.messages import Accept, Consumer, Origin, Response

BUSY_STATUSES = (429, 503)
"""RFC 6585 section 4; RFC 9110 section 15.6.4."""

_LOOK = 0.25
"""Seconds between two looks at the stop, while there is no room."""


class Slot:
    """One request at a gate, from the moment when it may be sent."""

    __slots__ = ("_gate", "_gone", "_heard", "_kind", "began")

    def __init__(self, gate: HostLimiter, began: float, kind: str) -> None:
        """`kind` names what takes equally long; empty for what takes as long as its body is."""
        self.began = began
        self._gate = gate
        self._kind = kind
        self._heard = False
        self._gone = False

    def watched(self, accept: Accept | None) -> Accept | None:
        """The same, telling us when the answer begins.

        The turn of a listing ends then: from there on it waits for whoever reads it, who may wait for a turn.
        """
        if accept is None:
            return None

        def watching(response: Response) -> Consumer | None:
            self.hear()
            if response.method == "PROPFIND":
                self.leave()
            return accept(response)

        return watching

    def end(self, response: Response) -> None:
        """The answer has come."""
        if response.status in BUSY_STATUSES:
            seconds = parse_retry_after(response.headers.get("Retry-After"))
            self._gate.refused(self.began, seconds, counts=response.status == 429)
        elif response.status < 500:
            self.hear()

    def hear(self) -> None:
        """The answer begins."""
        if not self._heard:
            self._heard = True
            self._gate.answered(self.began, self._kind)

    def leave(self) -> None:
        """The next may come."""
        if not self._gone:
            self._gone = True
            self._gate.leave()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The request has ended; where without an answer, or with a part of one, the gate is told."""
        if isinstance(error, Unreachable | TimedOut | Interrupted):
            self._gate.broke(self.began)
        self.leave()


class HostLimiter:
    """The requests to one server; any number of threads and fibers."""

    def __init__(
        self, name: str, pace: CongestionWindow, clock: Callable[[], float], spread: Callable[[], float]
    ) -> None:
        """Of a server with this name, for words; `spread` gives seconds to wait beyond what the server has named."""
        self._name = name
        self._pace = pace
        self._clock = clock
        self._spread = spread
        self._lock = threading.Lock()
        self._room = fibers.Condition(self._lock)

    def enter(self, kind: str, stop: threading.Event, sleep: Callable[[float], object], patience: float) -> Slot:
        """Wait for a turn. Stopped; Busy where the server wants to be left alone for more than `patience` seconds."""
        while True:
            at, closings = self._begin(stop, patience)
            if (seconds := at - self._clock()) <= 0:
                return Slot(self, at, kind)
            sleep(seconds)
            if closings == self._pace.closings and not stop.is_set():
                return Slot(self, self._clock(), kind)
            self.leave()  # it has refused somebody else meanwhile: wait anew

    def _begin(self, stop: threading.Event, patience: float) -> tuple[float, int]:
        with self._lock:
            while not self._pace.has_room and not stop.is_set():
                self._room.wait(_LOOK)
            if stop.is_set():
                raise Stopped("stopped")
            now = self._clock()
            if (closed := self._pace.closed_for(now)) > patience:
                raise Busy(
                    f"the server is busy, and wants no requests for a while: {self._name}",
                    hint=f"try again in {closed:.0f} s",
                    retry_after=closed,
                )
            return self._pace.begin(now), self._pace.closings

    def leave(self) -> None:
        """One less is in flight."""
        with self._lock:
            self._pace.end(self._clock())
            self._room.notify()

    def answered(self, began: float, kind: str) -> None:
        """What was sent at `began` is being answered; perhaps one more may come."""
        with self._lock:
            self._pace.answered(began, self._clock(), kind)
            if self._pace.has_room:
                self._room.notify()

    def refused(self, began: float, seconds: float | None, *, counts: bool) -> None:
        """The server is busy, as `CongestionWindow.refused` takes it; None where it has named no time."""
        with self._lock:
            closed = 0.0 if seconds is None else seconds + self._spread()
            self._pace.refused(began, self._clock(), closed, counts=counts)

    def broke(self, began: float) -> None:
        """What was sent at `began` was not answered in full."""
        with self._lock:
            self._pace.broke(began, self._clock())


class HostLimiters:
    """The gates of all servers that a client meets."""

    def __init__(
        self, most: int, *, pinned: bool, clock: Callable[[], float], spread: Callable[[], float] = lambda: 0.0
    ) -> None:
        """`most` requests to a server at a time; `pinned`: as many always. The rest: see `HostLimiter`."""
        self._most = most
        self._pinned = pinned
        self._clock = clock
        self._spread = spread
        self._gates: dict[Origin, HostLimiter] = {}
        self._lock = threading.Lock()

    def of(self, origin: Origin) -> HostLimiter:
        """The gate of a server."""
        gate = self._gates.get(origin)
        if gate is None:
            with self._lock:
                fresh = HostLimiter(
                    str(origin), CongestionWindow(self._most, pinned=self._pinned), self._clock, self._spread
                )
                gate = self._gates.setdefault(origin, fresh)
        return gate
