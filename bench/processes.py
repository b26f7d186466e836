"""Many small files with one and with two processes of this client, near and 20 ms away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

from bench import trees
from bench.far import far
from bench.figures import Row, Target
from bench.setting import Setting
from bench.work import against

SIZE, FILES_FOR_EACH_SMALL = 4000, 4
IN_FLIGHT = 64
DISTANCE = 20.0
"""Milliseconds of one round trip."""


def two_processes(at: Setting) -> Iterator[Row]:
    """Small files with two processes, beside one."""
    folders, count = at.sizes.folders, FILES_FOR_EACH_SMALL * at.sizes.small
    trees.make_tree(at.server.data / "tiny", folders, count, SIZE)
    for distance, target in ((0.0, Target(1.0)), (DISTANCE, Target(1.3))):
        with far(at.server.port, distance) if distance else nullcontext(None) as port:
            words = ("get", "-q", "-j", str(IN_FLIGHT), "-r", "tiny/", at.out)
            made = {"port": port, "makes": at.out, "expected": (count, count * SIZE)}
            clients = {"ours": at.ours(*words, "--processes", "2", **made), "one process": at.ours(*words, **made)}
            results = at.rounds(clients)
        where = f" at {distance:.0f} ms" if distance else ""
        work = f"get {count:,} x 4 kB with two processes, -j {IN_FLIGHT}{where}"
        yield from against(work, results, {"one process": target})
