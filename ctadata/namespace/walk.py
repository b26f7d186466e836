"""Walk a tree with several threads, while other threads transfer its files.

One walk serves the recursive listing, the download and the upload of a tree. The function `expand` receives a node (a
directory) and emits what lies in it: further nodes, which are walked too, and items, which the walk yields. When nobody
takes the items any more, the walk stops `expand` by an exception out of `emit`, which `expand` lets pass. The newest
node is expanded first, so that few nodes wait. At most `WAITING` items wait, so that memory does not grow with the
tree. The roots are taken one at a time when no other node is left.

One thread walks if that keeps Python busy, because Python runs one thread at a time; more threads walk if the walk
waits for the server or the disk.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from ctadata.resources import BusyMeter, limit_walkers
from ctadata.stores.channel import Channel

N = TypeVar("N")
T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)

WAITING = 20_000
"""The largest number of items that wait, some 10 MB.

If more come, the server has to wait in the middle of its listing, and some servers then break it off. Few directories
with large files hold more.
"""

WALKERS = 64
"""The largest number of directories that are listed at the same time. The HTTP client may send fewer requests."""

INTERVAL = 0.02
"""The time between two measurements of how busy the process is, in seconds."""

BUSY, FULL = 0.7, 0.95
"""The processor time of this process as a share of the time that has passed. Below `BUSY` so many threads walk that it
would be reached, if each adds what the others take; above `FULL` some stop."""


@dataclass(frozen=True, slots=True)
class Node(Generic[N]):
    """Marks a value that `expand` emits as a node, which is walked too."""

    value: N


class _Stopped(Exception):
    """Nobody takes items any more."""


class Emit(Protocol[N, T_contra]):
    """Takes what `expand` finds in a node: many values of a large directory cost little more than one."""

    def __call__(self, *values: Node[N] | T_contra) -> object:
        """Take further nodes and items."""


Expand = Callable[[N, Emit[N, T]], None]
"""Emits what lies in a node, through the function that it receives."""


class _Walk(Generic[N, T]):
    """The state of one walk: the nodes to expand, the number of nodes in work, and the items that wait."""

    def __init__(self, roots: Iterable[N], expand: Expand[N, T], threads: int) -> None:
        self.expand = expand
        self.roots = iter(roots)
        self.roots_lock = threading.Lock()
        self.roots_taken = False
        self.nodes: list[N] = []
        self.working = 0
        self.ended = False
        self.change = threading.Condition()
        self.threads = threads
        self.wanted = 1
        self.stopped = threading.Event()
        self.items: Channel[T] = Channel(1, WAITING)
        self.workers: list[threading.Thread] = []
        self.alive = 0
        self.failure: BaseException | None = None

    def start_workers(self, count: int) -> None:
        """Start threads until there are `count`. Most walks need few, so a thread is started when it may be wanted."""
        with self.change:
            for place in range(len(self.workers), min(count, self.threads)):
                if self.ended:
                    break
                thread = threading.Thread(target=self.work, args=(place,), name=f"walk-{place}", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # the system gives no further thread
                    if not place:
                        raise
                    self.threads = place
                    break
                self.workers.append(thread)
                self.alive += 1

    def work(self, place: int) -> None:
        """Expand nodes in thread number `place` once it is wanted, until no node is left and none can come."""
        try:
            self._wait_until_wanted(place)
            meter = BusyMeter()
            while (node := self._pop_node() or self._take_root() or self._wait_for_node()) is not None:
                self._expand(node.value)
                self._finish_node()
                self._step_back(place, meter)
        except BaseException as error:  # noqa: BLE001  (raised again in the thread that takes the items)
            self.failure = self.failure or error
            self._end()
        self.stopped.set()
        with self.change:
            self.alive -= 1
            is_last = not self.alive
        if is_last:
            self.items.finish(self.failure)

    def _wait_until_wanted(self, place: int) -> None:
        meter = BusyMeter()
        while place >= self.wanted:
            has_more = bool(self.nodes) or not self.roots_taken
            if self.stopped.wait(INTERVAL):
                break
            busy = meter.measure()
            if place == self.wanted and has_more and busy < BUSY:
                enough = int(self.wanted * BUSY / max(busy, 0.01)) if self.nodes else 2 * self.wanted
                self.wanted = min(self.threads, max(self.wanted + 1, enough))
                self.start_workers(self.wanted + 1)  # the last of them looks whether still more are wanted

    def _step_back(self, place: int, meter: BusyMeter) -> None:
        """If Python is busy all the time, let half of the threads wait until they are wanted again."""
        if place and meter.elapsed >= INTERVAL:
            busy = meter.measure()
            if place == self.wanted - 1 and busy > FULL:
                self.wanted = (place + 1) // 2
            self._wait_until_wanted(place)

    def _pop_node(self) -> Node[N] | None:
        with self.change:
            if not self.nodes or self.ended:
                return None
            self.working += 1
            return Node(self.nodes.pop())

    def _take_root(self) -> Node[N] | None:
        with self.roots_lock:
            if self.ended:
                return None
            with self.change:
                self.working += 1  # before the root is taken: no other thread may take the walk for finished
            for root in self.roots:
                return Node(root)
            self.roots_taken = True
            self._finish_node()
            return None

    def _wait_for_node(self) -> Node[N] | None:
        """Wait for a node that another thread finds; return None if all threads have ended."""
        with self.change:
            while not self.nodes and self.working and not self.ended:
                self.change.wait()
            return self._pop_node()

    def _finish_node(self) -> None:
        with self.change:
            self.working -= 1
            self.change.notify_all()

    def _expand(self, node: N) -> None:
        found: list[N] = []

        def emit(*values: Node[N] | T) -> None:
            items = [value for value in values if not isinstance(value, Node)]
            if len(items) < len(values):
                found.extend(value.value for value in values if isinstance(value, Node))
            if items and (not self.items.put(items) or self.ended):
                raise _Stopped

        with contextlib.suppress(_Stopped):
            self.expand(node, emit)
        with self.change:
            self.nodes.extend(reversed(found))
            self.change.notify_all()

    def _end(self) -> None:
        with self.change:
            self.ended = True
            self.change.notify_all()
        self.stopped.set()

    def take(self) -> Iterator[T]:
        """Yield the items while the threads work; raise an error of `expand` here."""
        try:
            self.start_workers(2)
            yield from self.items
        finally:
            self._end()
            self.items.stop()
            for thread in self.workers:
                if thread.is_alive():  # an interrupt may have come before it was started
                    thread.join()


def walk(roots: Iterable[N], expand: Expand[N, T], *, threads: int) -> Iterator[T]:
    """Yield every item below `roots`. The order across nodes is not fixed.

    Args:
        roots: The first nodes; they may be generated while the walk goes on.
        expand: Emits what lies in a node.
        threads: The largest number of threads that expand nodes; there are fewer where few files may be open.

    Raises:
        Exception: What `expand` raises.
    """
    state: _Walk[N, T] = _Walk(roots, expand, limit_walkers(threads))
    return state.take()
