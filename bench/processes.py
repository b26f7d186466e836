"""Many small files with one and with two processes of this client, near and 20 ms away.

Client, server and proxy share the processors of one machine. Apache takes as much of them for a small file as the proxy
does, and together nearly as much as the client: with two processors there is little for a second process. nginx takes a
third of that, so there the client is what limits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

from bench import trees
from bench.far import far
from bench.figures import Row, Target, missing
from bench.nginx import is_installed, nginx
from bench.server import free_port
from bench.setting import Setting
from bench.work import against

SIZE, FILES_FOR_EACH_SMALL = 4000, 4
IN_FLIGHT, MANY_IN_FLIGHT = 64, 128
"""Requests under way. At 20 ms, 64 are 3,200 files a second at most, and two processes have half of them each: little
more than one process moves alone. The rows at nginx have 128, so that the processors are what limits."""

DISTANCE = 20.0
"""Milliseconds of one round trip."""


def two_processes(at: Setting) -> Iterator[Row]:
    """Small files with two processes, beside one."""
    folders, count = at.sizes.folders, FILES_FOR_EACH_SMALL * at.sizes.small
    trees.make_tree(at.server.data / "tiny", folders, count, SIZE)
    for distance in (0.0, DISTANCE):
        yield from _compare(at, count, at.server.port, "Apache", IN_FLIGHT, distance, Target(1.0))
    if not is_installed():
        yield missing("get with two processes, nginx", "one process", "s", Target(1.3), "nginx is not installed")
        return
    plain, certificate = free_port(), at.server.data.parent / "server.pem"
    with nginx(at.folder / "nginx-processes", at.server.data, certificate, plain, plain):
        for distance, target in ((0.0, Target(1.0)), (DISTANCE, Target(1.3))):
            yield from _compare(at, count, plain, "nginx", MANY_IN_FLIGHT, distance, target)


def _compare(
    at: Setting, count: int, server: int, name: str, in_flight: int, distance: float, target: Target
) -> Iterator[Row]:
    """The row of one server at one distance."""
    with far(server, distance) if distance else nullcontext(server) as port:
        words = ("get", "-q", "-j", str(in_flight), "-r", "tiny/", at.out)
        made = {"port": port, "makes": at.out, "expected": (count, count * SIZE)}
        clients = {"ours": at.ours(*words, "--processes", "2", **made), "one process": at.ours(*words, **made)}
        results = at.rounds(clients)
    where = f" at {distance:.0f} ms" if distance else ""
    work = f"get {count:,} x 4 kB with two processes, {name}, -j {in_flight}{where}"
    yield from against(work, results, {"one process": target})
