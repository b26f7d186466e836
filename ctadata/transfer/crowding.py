"""How many workers take tasks: all of them, but few where what they wait for is each other.

Python runs one thread at a time. Workers on small files from a server close by have work for it all the time: more
than two of them then wake each other in vain at each call of the system, and eight are slower by half than two. A
large file is another matter: its bytes are worked on by libcurl, which needs no interpreter meanwhile.

So where a whole processor is busy, half as many are tried, and stay where they get about as much done.
"""

from __future__ import annotations

FEWEST = 2
"""One works while the other waits for the server."""

BUSY, IDLE = 0.85, 0.3
"""Of the time that has passed: the processor time of all workers from which they may crowd, and below which there is
room for more."""

SMALL = 0.004
"""Seconds of processor time: a task that takes less is one for the interpreter."""

AS_MUCH = 0.9
"""Of the tasks a second that were done before: what fewer workers must get done."""

REST, LONGEST_REST = 4, 64
"""Looks until fewer are tried again, where they got less done; twice as many each time, at most so many."""


class Crowding:
    """The state of a crew; not for several threads. Times are in seconds."""

    def __init__(self, most: int, *, pinned: bool = False) -> None:
        """Of so many workers; `pinned`: always all of them."""
        self.width = most
        self._most = most
        self._fewest = most if pinned else min(most, FEWEST)
        self._before: tuple[int, float] | None = None  # the width that was left for trial, and its tasks a second
        self._rest, self._next_rest = 0, REST

    def look(self, passed: float, worked: float, done: int) -> None:
        """In the time that has passed they have used so much of the processor, and done so many tasks."""
        rate, (before, self._before) = done / passed, (self._before, None)
        self._rest = max(0, self._rest - 1)
        if before and rate < AS_MUCH * before[1]:
            self.width, self._rest = before[0], self._next_rest
            self._next_rest = min(LONGEST_REST, 2 * self._next_rest)
        elif worked < IDLE * passed or worked >= SMALL * done:
            self.width = min(self._most, 2 * self.width)
        elif worked > BUSY * passed and self.width > self._fewest and not self._rest:
            self._before = (self.width, rate)
            self.width = max(self._fewest, self.width // 2)
