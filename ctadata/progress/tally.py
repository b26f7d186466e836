"""Tally: what a run has told so far, counted cheaply; the reporters draw it when they like."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

from ctadata.transfer.report import Outcome, State

WINDOW = 10.0
"""Seconds over which the rate is taken."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How far a run is.

    done, planned: files ended (equal ones included), and files known.   moved, size: the same in bytes.
    rate:   bytes per second, lately.   left: seconds for what is known to be missing; infinite where nothing moves.
    active: files on their way, the longest first, with the bytes that went by.
    """

    done: int
    planned: int
    moved: int
    size: int
    rate: float
    left: float
    active: tuple[tuple[str, int], ...]


@dataclass(slots=True)
class Tally:
    """Counts; any thread may tell it, any thread may ask. `clock` gives seconds."""

    clock: Callable[[], float] = monotonic
    done: int = 0
    planned_files: int = 0
    size: int = 0
    bytes_moved: int = 0
    active: dict[str, int] = field(default_factory=dict)
    samples: deque[tuple[float, int]] = field(default_factory=deque)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """The rate is taken from here on."""
        self.samples.append((self.clock(), 0))

    def planned(self, files: int, size: int) -> None:
        """So many more files and bytes are known; negative where they turn out not to be moved."""
        with self.lock:
            self.planned_files += files
            self.size += size

    def moved(self, name: str, size: int) -> None:
        """Bytes of a file went by; negative where they turned out void."""
        with self.lock:
            self.bytes_moved += size
            self.active[name] = self.active.get(name, 0) + size

    def ended(self, outcome: Outcome) -> None:
        """A file ended; what a failed one had moved counts no more."""
        with self.lock:
            went = self.active.pop(str(outcome.remote), 0)
            if outcome.state is State.FAILED:
                self.bytes_moved -= went
            if outcome.state not in (State.PASSED, State.DELETED):
                self.done += 1

    def snapshot(self) -> Snapshot:
        """How far it is now."""
        with self.lock:
            rate = self._rate()
            missing = max(0, self.size - self.bytes_moved)
            return Snapshot(
                done=self.done,
                planned=max(self.planned_files, self.done),
                moved=self.bytes_moved,
                size=max(self.size, self.bytes_moved),
                rate=rate,
                left=missing / rate if rate > 0 else float("inf"),
                active=tuple(self.active.items()),
            )

    def _rate(self) -> float:
        now = self.clock()
        self.samples.append((now, self.bytes_moved))
        # one sample from before the window stays, so that rare looks still see a rate
        while len(self.samples) > 2 and self.samples[1][0] <= now - WINDOW:
            self.samples.popleft()
        then, moved = self.samples[0]
        return max(0.0, (self.bytes_moved - moved) / (now - then)) if now > then else 0.0
