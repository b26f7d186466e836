"""How many workers take tasks: all of them, but few where what they wait for is each other.

Python runs one thread at a time. Workers on small files from a server close by have work for it all the time: more
than two of them then wake each other in vain at each call of the system, and eight are slower by half than two. A
large file is another matter: its bytes are worked on by libcurl, which needs no interpreter meanwhile.
"""

from __future__ import annotations

FEWEST = 2
"""One works while the other waits for the server."""

BUSY, IDLE = 0.8, 0.6
"""Of the time that has passed: the processor time of all workers from which they crowd, and below which they do not."""

SMALL = 0.002
"""Seconds of processor time: a task that takes less is one for the interpreter."""


class Crowding:
    """The state of a crew; not for several threads. Times are in seconds."""

    def __init__(self, most: int, *, pinned: bool = False) -> None:
        """Of so many workers; `pinned`: always all of them."""
        self.width = most
        self._most = most
        self._fewest = most if pinned else min(most, FEWEST)

    def look(self, passed: float, worked: float, done: int) -> None:
        """In the time that has passed they have used so much of the processor, and done so many tasks."""
        crowded = worked > BUSY * passed and worked < SMALL * done
        if crowded:
            self.width = max(self._fewest, self.width // 2)
        elif worked < IDLE * passed or worked >= SMALL * done:
            self.width = min(self._most, 2 * self.width)
