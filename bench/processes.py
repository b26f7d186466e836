"""Many small files with one and with two processes of this client, near and with answers that take 20 ms.

Client, server and proxy share the processors of one machine. The proxy that makes the distance of other rows takes as
much of them for a small file as Apache does, and together nearly as much as the client: with two processors there is
little for a second process. So here nginx waits before each answer, which costs no processor time. The row with Apache
and the proxy shows what happens where the processors are full.
"""

from __future__ import annotations

from collections.abc import Iterator

from bench import trees
from bench.far import far
from bench.figures import Row, Target, missing
from bench.nginx import WAIT, is_installed, nginx
from bench.server import free_port
from bench.setting import Setting
from bench.work import against

SIZE, FILES_FOR_EACH_SMALL = 4000, 4


def two_processes(at: Setting) -> Iterator[Row]:
    """Small files with two processes, beside one."""
    folders, count = at.sizes.folders, FILES_FOR_EACH_SMALL * at.sizes.small
    trees.make_tree(at.server.data / "tiny", folders, count, SIZE)
    yield from _compare(at, count, at.server.port, "Apache", Target(1.0))
    with far(at.server.port, WAIT) as port:
        yield from _compare(at, count, port, f"Apache at {WAIT} ms", None)
    if not is_installed():
        yield missing("get with two processes, nginx", "one process", "s", Target(1.3), "nginx is not installed")
        return
    plain, certificate = free_port(), at.server.data.parent / "server.pem"
    with nginx(at.folder / "nginx-processes", at.server.data, certificate, plain, plain) as running:
        yield from _compare(at, count, plain, "nginx", Target(1.0))
        if running.waiting is None:
            why = "the Lua module of nginx is not installed"
            yield missing("get with two processes, nginx that waits", "one process", "s", Target(1.3), why)
            return
        yield from _compare(at, count, running.waiting, f"nginx that waits {WAIT} ms", Target(1.3))


def _compare(at: Setting, count: int, port: int, name: str, target: Target | None) -> Iterator[Row]:
    """The row of one server."""
    words = ("get", "-q", "-r", "tiny/", at.out)
    made = {"port": port, "makes": at.out, "expected": (count, count * SIZE)}
    clients = {"ours": at.ours(*words, "--processes", "2", **made), "one process": at.ours(*words, **made)}
    yield from against(f"get {count:,} x 4 kB with two processes, {name}", at.rounds(clients), {"one process": target})
