"""Count what a run reports, at little cost. The reporters draw the counts when a picture is due."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

from ctadata.transfer.report import Outcome, State

WINDOW = 10.0
"""Seconds over which the rate is measured."""


def percent_done(moved: int, size: int, done: int, planned: int) -> int:
    """Return the share of the bytes that have moved; without bytes, the share of the files that ended; rounded down."""
    part, whole = (moved, size) if size else (done, planned)
    return 100 * part // whole if whole else 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The progress of a run at one moment.

    Attributes:
        done: Files that ended, skipped ones included.
        planned: Files that are known.
        moved: Bytes that have moved.
        size: Bytes that are known.
        rate: Bytes per second, over the last seconds.
        elapsed: Seconds since the start.
        left: Seconds until what is known will have moved; infinite if nothing moves.
        failed: Files that failed.
        active: Files in transfer, the longest one first, each with its bytes that have moved, and its size; 0 if that
            is not known.
    """

    done: int
    planned: int
    moved: int
    size: int
    rate: float
    elapsed: float
    left: float
    failed: int
    active: tuple[tuple[str, int, int], ...]

    @property
    def percent(self) -> int:
        """The share of the bytes that have moved, and without bytes the share of the files that ended; rounded down."""
        return percent_done(self.moved, self.size, self.done, self.planned)


@dataclass(slots=True)
class Tally:
    """The counts of a run. Any thread may call any method.

    Attributes:
        clock: Returns seconds of a monotonic clock.
        began: The start, in seconds of the clock.
    """

    clock: Callable[[], float] = monotonic
    began: float = field(init=False)
    done: int = 0
    failed: int = 0
    planned_files: int = 0
    size: int = 0
    bytes_moved: int = 0
    active: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    samples: deque[tuple[float, int]] = field(default_factory=deque)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Measure the rate from now on."""
        self.began = self.clock()
        self.samples.append((self.began, 0))

    def planned(self, files: int, size: int) -> None:
        """Count more files and bytes; negative if they turn out not to be moved."""
        with self.lock:
            self.planned_files += files
            self.size += size

    def started(self, name: str, size: int) -> None:
        """Keep the size of a file until it ends."""
        with self.lock:
            self.sizes[name] = size

    def moved(self, name: str, size: int) -> None:
        """Count bytes of a file; negative if they no longer count."""
        with self.lock:
            self.bytes_moved += size
            self.active[name] = self.active.get(name, 0) + size

    def ended(self, outcome: Outcome) -> None:
        """Count an outcome; the bytes of a failed file no longer count."""
        name = str(outcome.remote)
        with self.lock:
            moved = self.active.pop(name, 0)
            self.sizes.pop(name, None)
            if outcome.state is State.FAILED:
                self.bytes_moved -= moved
                self.failed += 1
            if outcome.state not in (State.PASSED, State.DELETED):
                self.done += 1

    def snapshot(self) -> Snapshot:
        """Return the progress at this moment."""
        with self.lock:
            rate = self._rate()
            missing = max(0, self.size - self.bytes_moved)
            return Snapshot(
                done=self.done,
                planned=max(self.planned_files, self.done),
                moved=self.bytes_moved,
                size=max(self.size, self.bytes_moved),
                rate=rate,
                elapsed=self.clock() - self.began,
                left=missing / rate if rate > 0 else float("inf"),
                failed=self.failed,
                active=tuple((name, moved, self.sizes.get(name, 0)) for name, moved in self.active.items()),
            )

    def _rate(self) -> float:
        now = self.clock()
        self.samples.append((now, self.bytes_moved))
        # one sample from before the window stays, so that rare looks still see a rate
        while len(self.samples) > 2 and self.samples[1][0] <= now - WINDOW:
            self.samples.popleft()
        then, moved = self.samples[0]
        return max(0.0, (self.bytes_moved - moved) / (now - then)) if now > then else 0.0
