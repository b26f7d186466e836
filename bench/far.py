"""Starts the proxy of `distance` in a process of its own, and measures what it can carry at most."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from bench.module_process import module_process

WINDOW = 4 * 1024 * 1024
"""Bytes that a connection may have on the way."""

_ZEROS = bytes(1 << 20)


@contextlib.contextmanager
def far(port: int, milliseconds: float, *, window: int = WINDOW, note: Path | None = None) -> Iterator[int]:
    """The port behind which `port` is `milliseconds` away (one round trip), for the `with` block."""
    with module_process("bench.distance", port, milliseconds, window, *([note] if note else [])) as line:
        yield int(line)


def ceiling(milliseconds: float, connections: int, seconds: float = 1.0) -> float:
    """Bytes per second that so many connections get through the proxy from a server that only sends."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as source:
        threading.Thread(target=_pour, args=(source,), daemon=True).start()
        with far(source.getsockname()[1], milliseconds) as port:
            got = [0] * connections
            end = time.monotonic() + seconds
            crew = [threading.Thread(target=_drink, args=(port, got, i, end)) for i in range(connections)]
            for thread in crew:
                thread.start()
            for thread in crew:
                thread.join()
    return sum(got) / seconds


def _pour(source: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            end, _ = source.accept()
            threading.Thread(target=_pour_into, args=(end,), daemon=True).start()


def _pour_into(end: socket.socket) -> None:
    with end, contextlib.suppress(OSError):
        while True:
            end.sendall(_ZEROS)


def _drink(port: int, got: list[int], which: int, end: float) -> None:
    buffer = bytearray(1 << 20)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"x")
        while time.monotonic() < end:
            got[which] += connection.recv_into(buffer)
