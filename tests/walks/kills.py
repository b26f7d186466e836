"""Killing a command at a random moment, and what is true of it before it is run again."""

from __future__ import annotations

import os
import random
import select
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from walks.places import PATIENCE, Place

Words = Sequence[str | Path]
STEP = 1 << 16
"""Bytes that count as much as a request, when moments are chosen by what a server has done."""


@dataclass
class Killer:
    """Kills commands at moments spread evenly over what a whole run does at the server; else over its time.

    whole: requests and bytes of a run that nobody killed; seconds where the server does not count them.
    served: bytes that the pools have sent since the last `forget`, where they are counted.
    """

    place: Place
    rng: random.Random
    whole: float = 0.0
    killed: int = 0
    runs: int = 0
    served: int = 0

    def measure(self, words: Words) -> None:
        """Let a command run through, and remember how much it did."""
        self._begin()
        began = time.monotonic()
        self.place.run(*words)
        self.whole = self._done(began)

    def kill(self, words: Words) -> bool:
        """Start a command and kill it at a random moment; False where it was through by then, which it must be well."""
        self._begin()
        began, goal = time.monotonic(), self.rng.uniform(0 if self.place.box else 0.2, self.whole)
        self.runs += 1
        with self.place.start(*words) as process:
            ended = os.pidfd_open(process.pid)
            try:
                while self._done(began) < goal and not select.select([ended], [], [], 0.001)[0]:
                    assert time.monotonic() - began < PATIENCE, f"{words} does not end"
            finally:
                os.close(ended)
            process.kill()
            said = process.communicate()
        hit = process.returncode == -signal.SIGKILL
        assert hit or process.returncode == 0, (words, process.returncode, *said)
        self.killed += hit
        return hit

    def _begin(self) -> None:
        if self.place.box:
            self.served += self.place.box.served()
            self.place.box.forget_seen()

    def _done(self, began: float) -> float:
        if self.place.box:
            return len(self.place.box.seen) + self.place.box.served() / STEP
        return time.monotonic() - began

    def repeat(self, words: Words, times: int, look: Callable[[], None], begin: Callable[[], None]) -> None:
        """Kill so many runs, look at what is there after each, and let the last one run through.

        begin: makes everything as it was before the first run; called where a run was through before its end came.
        """
        while self.killed < times and self.runs < 5 * times + 5:
            hit = self.kill(words)
            look()
            if not hit:
                begin()
        self.place.run(*words)
        assert self.killed, "no run was ever killed"
        print(f"{self.place.name}: killed {self.killed} of {self.runs} runs of {words[0]}")


@dataclass(frozen=True)
class Part:
    """What a killed download has left: the bytes that its journal vouches for, and those that are there besides."""

    vouched: list[tuple[int, int]]
    beyond: list[tuple[int, int]]

    def lost_since(self, before: Part | None) -> list[int]:
        """Bytes that its run had fetched and not vouched for, in each place; `before` it lay what another had lost."""
        old = before.beyond if before else []
        fresh = [stop - start - overlap([(start, stop)], old) for start, stop in self.beyond]
        return [size for size in fresh if size]


def part_of(folder: Path, content: bytes) -> Part | None:
    """The part with a journal in a folder, compared with what is to come of it; None where there is none.

    Either may stand alone: a part that was just made, the journal of one that was just given its final name.
    """
    journals = [journal for journal in folder.glob(".ctadata-*.journal") if journal.with_suffix(".part").exists()]
    if not journals:
        return None
    [journal] = journals
    last: dict[int, int] = {}
    for line in journal.read_text().split("\n")[1:-1]:
        start, stop = map(int, line.split()[:2])
        last[start] = stop
    there = journal.with_suffix(".part").read_bytes()
    vouched = sorted(last.items())
    for start, stop in vouched:
        assert there[start:stop] == content[start:stop], "the journal vouches for bytes that are not there"
    return Part(vouched, _runs(_beyond(there, content, vouched)))


def _beyond(there: bytes, content: bytes, vouched: list[tuple[int, int]]) -> list[tuple[int, int]]:
    at, found = 0, []
    for start, stop in [*vouched, (len(content), len(content))]:
        for first in range(at, start, STEP):
            last = min(first + STEP, start)
            if there[first:last] == content[first:last]:
                found.append((first, last))
        at = stop
    return found


def _runs(blocks: list[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, stop in blocks:
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], stop)
        else:
            joined.append((start, stop))
    return joined


def overlap(some: list[tuple[int, int]], others: list[tuple[int, int]]) -> int:
    """Bytes that lie in ranges of both; those of one list do not overlap."""
    return sum(max(0, min(a[1], b[1]) - max(a[0], b[0])) for a in some for b in others)
