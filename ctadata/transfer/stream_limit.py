"""The number of streams of one large file: few at first, and more as long as more are faster.

Far away, each stream is held to one TCP window a round trip, so many of them fill the line. Near by, one or two fill
it, and each further one costs processor time. So the number doubles while the bytes of a second grow with it.
"""

from __future__ import annotations

import threading

FIRST = 4
"""The number of streams at first."""

WARM_UP, LOOK = 0.3, 0.3
"""Seconds that further streams get to open their connections, and seconds after that in which bytes are counted."""

GAIN = 1.25
"""How many times as fast a file has to be with twice the streams, for these to go on."""

AGAIN = 60.0
"""Seconds after which more streams are tried again."""


class StreamLimit:
    """The limit of the streams of one file. Any thread may call any method.

    Attributes:
        allowed: The number of streams that may fetch.
    """

    def __init__(self, most: int, first: int = FIRST) -> None:
        """Allow `first` streams, and later up to `most`."""
        self.allowed = min(first, most)
        self._most = most
        self._fewer: tuple[int, float] | None = None  # the streams before the last growth, and their bytes a second
        self._began: tuple[float, int] | None = None  # the look: its time, and the bytes until then
        self._next: float | None = None
        self._lock = threading.Lock()

    def update(self, received: int, now: float) -> None:
        """Compare the rate with the one before, and change the limit.

        Args:
            received: The bytes of the file so far.
            now: Seconds of a monotonic clock.
        """
        with self._lock:
            if self._next is None:
                self._next = now + WARM_UP
            if now < self._next:
                return
            if self._began is None:
                self._began, self._next = (now, received), now + LOOK
                return
            (began, before), self._began = self._began, None
            self._next = now + self._judge((received - before) / (now - began))

    def _judge(self, rate: float) -> float:
        """Change the limit for this rate, in bytes per second; return the seconds until the next look."""
        if self._fewer is not None and rate <= GAIN * self._fewer[1]:
            self.allowed, self._fewer = self._fewer[0], None
            return AGAIN
        if self.allowed == self._most:
            self._fewer = None
            return AGAIN
        self._fewer = self.allowed, rate
        self.allowed = min(2 * self.allowed, self._most)
        return WARM_UP
