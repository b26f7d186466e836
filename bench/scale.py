"""`python -m bench.scale`: how long a campaign takes that no machine here can hold, by a small simulation.

Tasks take shares of one listing, as `--shard` does. A task reads the listing, moves its files, and goes on to the next
piece of the campaign. All tasks share the doors and the network. A node dies at random; its task starts again on
another node, reads the listing again, skips what is there, and goes on.

Tasks that move files are served at the same speed, so the time runs by the files that each of them has moved meanwhile:
an event is the end of a piece, a death, or a task that is ready. Only every `SAMPLE`th task is simulated, with its part
of the doors and of the network.
"""

from __future__ import annotations

import dataclasses
import heapq
import random
import sys
from dataclasses import dataclass

HOUR, DAY = 3600.0, 86400.0
SAMPLE = 20
"""One task of so many is simulated."""

GIVEN_UP = 100 * DAY
"""Seconds after which a campaign counts as one that does not end."""


@dataclass(frozen=True)
class Plan:
    """A campaign, and what was measured.

    Attributes:
        files: Files of the campaign.
        size: Bytes of a file.
        tasks: Tasks at the same time, each on a node of its own.
        pieces: Listings into which the campaign is divided; a task reads one at a time.
        doors: Doors of the storage.
        door_rate: Requests per second that one door takes.
        requests: Requests to a door for each file.
        network: Bytes per second that site and cluster exchange.
        card: Bytes per second of one node.
        per_task: Files per second that one process moves, however small they are.
        lines: Lines of a listing per second that a task reads and divides.
        skips: Files per second that a task skips because they are there.
        life: Mean seconds until a node dies; 0: it never does.
        requeue: Seconds until a task starts again.
        held: Bytes of memory for each large file until the listing ends.
    """

    files: float = 1e9
    size: float = 100e6
    tasks: int = 1000
    pieces: int = 1000
    doors: int = 16
    door_rate: float = 250.0
    requests: float = 1.0
    network: float = 50e9
    card: float = 1.25e9
    per_task: float = 3000.0
    lines: float = 38_000.0
    skips: float = 25_000.0
    life: float = HOUR
    requeue: float = 120.0
    held: float = 1700.0


@dataclass(frozen=True)
class Result:
    """What came of a campaign.

    Attributes:
        seconds: From the first task to the last one.
        limit: What limits the speed while all tasks move files.
        moving: The share of the tasks' time in which they move files; the rest is reading, skipping and waiting.
        deaths: Deaths of nodes.
        memory: Bytes that a task needs for the large files of a piece.
    """

    seconds: float
    limit: str
    moving: float
    deaths: float
    memory: float

    @property
    def ends(self) -> bool:
        """Whether the campaign ended."""
        return self.seconds < GIVEN_UP


def limits(plan: Plan, moving: float) -> dict[str, float]:
    """Return the files per second of one task that each limit allows, if so many tasks move files."""
    return {
        "doors": plan.doors * plan.door_rate / plan.requests / moving,
        "network": plan.network / plan.size / moving,
        "card": plan.card / plan.size,
        "task": plan.per_task,
    }


class _Simulation:
    def __init__(self, plan: Plan, seed: int) -> None:
        self.plan, self.random = plan, random.Random(seed)  # noqa: S311  (no secret)
        self.tasks = max(1, plan.tasks // SAMPLE)
        self.share = plan.files / plan.tasks / plan.pieces  # files of one task in one piece
        self.now = self.moved = 0.0  # `moved`: files that each moving task has moved until now
        self.piece, self.left, self.turn = [0] * self.tasks, [self.share] * self.tasks, [0] * self.tasks
        self.ends: dict[int, float] = {}  # of the moving tasks, in files of `moved`
        self.heap: list[tuple[float, int, int]] = []  # ends, each with its task and turn
        self.events: list[tuple[float, int, int, str]] = []
        self.spent = 0.0
        self.deaths = 0

    def run(self) -> Result:
        for task in range(self.tasks):
            self.begin(task, self.now)
        while self.now < GIVEN_UP and self.step():
            pass
        scale = self.plan.tasks / self.tasks
        allowed = limits(self.plan, self.plan.tasks)
        return Result(
            seconds=self.now,
            limit=min(allowed, key=lambda name: allowed[name]),
            moving=self.spent / (self.now * self.tasks) if self.now else 0.0,
            deaths=self.deaths * scale,
            memory=self.plan.held * self.plan.files / self.plan.pieces,
        )

    def begin(self, task: int, at: float) -> None:
        """Let a task read the listing of its piece, and look at what is there already."""
        self.turn[task] += 1
        done = self.share - self.left[task]
        ready = at + self.plan.files / self.plan.pieces / self.plan.lines + done / self.plan.skips
        dies = at + self.random.expovariate(1 / self.plan.life) if self.plan.life else float("inf")
        if dies < ready:
            heapq.heappush(self.events, (dies, task, self.turn[task], "death"))
            return
        heapq.heappush(self.events, (ready, task, self.turn[task], "ready"))
        heapq.heappush(self.events, (dies, task, self.turn[task], "death"))

    def step(self) -> bool:
        while self.heap and self.turn[self.heap[0][1]] != self.heap[0][2]:
            heapq.heappop(self.heap)
        while self.events and self.turn[self.events[0][1]] != self.events[0][2]:
            heapq.heappop(self.events)
        if not self.heap and not self.events:
            return False
        speed = min(limits(self.plan, len(self.ends) * self.plan.tasks / self.tasks).values()) if self.ends else 0.0
        end = self.now + (self.heap[0][0] - self.moved) / speed if self.heap else float("inf")
        event = self.events[0][0] if self.events else float("inf")
        passed = min(end, event, GIVEN_UP) - self.now
        self.spent += passed * len(self.ends)
        self.now, self.moved = self.now + passed, self.moved + passed * speed
        if min(end, event) >= GIVEN_UP:
            return False
        self.end_piece() if end <= event else self.take_event()
        return True

    def end_piece(self) -> None:
        _, task, _ = heapq.heappop(self.heap)
        del self.ends[task]
        self.turn[task] += 1
        self.piece[task] += 1
        if self.piece[task] < self.plan.pieces:
            self.left[task] = self.share
            self.begin(task, self.now)

    def take_event(self) -> None:
        _, task, turn, kind = heapq.heappop(self.events)
        if kind == "ready":
            self.ends[task] = self.moved + self.left[task]
            heapq.heappush(self.heap, (self.ends[task], task, turn))
            return
        self.deaths += 1
        if task in self.ends:  # the file in work is moved again
            self.left[task] = min(self.share, self.ends.pop(task) - self.moved + 1)
        self.begin(task, self.now + self.plan.requeue)


def simulate(plan: Plan, seed: int = 1) -> Result:
    """Simulate a campaign; the same seed gives the same result."""
    return _Simulation(plan, seed).run()


ROWS = (
    ("1,000 listings", {}),
    ("one listing of all", {"pieces": 1}),
    ("10 listings", {"pieces": 10}),
    ("100 listings", {"pieces": 100}),
    ("no node dies", {"life": 0.0}),
    ("a node dies after a day", {"life": DAY}),
    ("40 tasks", {"tasks": 40}),
    ("4 doors", {"doors": 4}),
    ("1 door", {"doors": 1}),
    ("1 door, put: two requests for each file", {"doors": 1, "requests": 2.0}),
    ("1 door, each task lists by itself", {"doors": 1, "requests": 2.0, "lines": 140_000.0}),
    ("files of 1 MB, 1 PB", {"size": 1e6}),
    ("files of 10 GB, 100 PB, 10 listings", {"size": 10e9, "files": 1e7, "pieces": 10}),
    ("network of 10 Gbit/s, 1 PB in 10^7 files, 10 listings", {"network": 1.25e9, "files": 1e7, "pieces": 10}),
)
"""The rows of the table: what differs from the usual plan."""


def table(seed: int = 1) -> str:
    """Return the table of docs/design/scale.md."""
    lines = ["| campaign | days | limit | time in motion | memory of a task |", "|---|---|---|---|---|"]
    for name, changes in ROWS:
        plan = dataclasses.replace(Plan(), **changes)
        result = simulate(plan, seed)
        days = f"{result.seconds / DAY:.1f}" if result.ends else "does not end"
        memory = f"{result.memory / 1e9:,.1f} GB" if plan.size >= 64 << 20 else "-"
        lines.append(f"| {name} | {days} | {result.limit} | {result.moving:.0%} | {memory} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(int(sys.argv[1]) if len(sys.argv) > 1 else 1))  # noqa: T201
