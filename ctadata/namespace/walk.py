"""Walking a tree with several threads, overlapped with what is done about its files.

One walker serves the recursive listing, the download and the upload of a tree: `expand` says of a node (a
directory) what lies in it, by giving it: further nodes, which are walked too, and items, which come out of the
iterator. It is stopped where nobody takes them any more, by an exception out of `give` that it lets pass. The
newest node is expanded first, so that few wait; at most `WAITING` items wait, so that memory does not grow with
the tree. The roots are taken when no other node is left, one at a time, from whatever gives them.

One thread walks where that keeps Python busy, which runs one thread at a time; more where it waits for the server or
the disk.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from ctadata.stores.channel import Channel

N = TypeVar("N")
T = TypeVar("T")

WAITING = 20_000
"""Items that may wait, some 10 MB of them. Where they are more, a server waits with its listing in the middle, and some
end it then: so many that few directories of files that take long have more.
"""

WALKERS = 4
"""Collections listed at a time, at most."""

LOOK = 0.05
"""Seconds between two looks at whether more are wanted."""

BUSY, FULL = 0.7, 0.95
"""Processor time of this process, as a share of the time that has passed: from which no more are wanted, and above
which fewer."""


@dataclass(frozen=True, slots=True)
class Node(Generic[N]):
    """Says of what `expand` gives that it is to be walked too."""

    value: N


class _Over(Exception):
    """Nobody takes items any more."""


Expand = Callable[[N, Callable[[Node[N] | T], object]], None]
"""Gives what lies in a node to the function that it is called with."""


class _Look:
    """How busy this process has been since the last look."""

    def __init__(self) -> None:
        self.now, self.used = time.monotonic(), time.process_time()

    @property
    def is_due(self) -> bool:
        return time.monotonic() - self.now >= LOOK

    def again(self) -> float:
        """Processor time, as a share of the time that has passed."""
        before, used = self.now, self.used
        self.now, self.used = time.monotonic(), time.process_time()
        return (self.used - used) / max(self.now - before, 1e-6)


class _Walk(Generic[N, T]):
    """The state of one walk: nodes to expand, those in work, items that wait."""

    def __init__(self, roots: Iterable[N], expand: Expand[N, T], threads: int) -> None:
        self.expand = expand
        self.roots = iter(roots)
        self.taking = threading.Lock()
        self.rootless = False
        self.nodes: list[N] = []
        self.working = 0
        self.ended = False
        self.change = threading.Condition()
        self.threads = threads
        self.wanted = 1
        self.over = threading.Event()
        self.items: Channel[T] = Channel(threads, WAITING)

    def work(self, place: int) -> None:
        """Expand nodes, once so many are wanted, until none is left and nobody can find more."""
        wrong = None
        try:
            self._wait_until_wanted(place)
            look = _Look()
            while (node := self._next() or self._root() or self._last()) is not None:
                self._expand(node.value)
                self._done()
                self._step_back(place, look)
        except BaseException as error:  # noqa: BLE001  (raised again where the items are taken)
            wrong = error
            self._end()
        self.over.set()
        self.items.finish(wrong)

    def _wait_until_wanted(self, place: int) -> None:
        look = _Look()
        while place >= self.wanted and not self.over.wait(LOOK):
            busy, has_more = look.again(), bool(self.nodes) or not self.rootless
            if place == self.wanted and has_more and busy < BUSY:
                self.wanted = min(self.threads, 2 * self.wanted)

    def _step_back(self, place: int, look: _Look) -> None:
        """Where Python is busy all the time, half of the threads wait until they are wanted again."""
        if place and look.is_due:
            busy = look.again()
            if place == self.wanted - 1 and busy > FULL:
                self.wanted = (place + 1) // 2
            self._wait_until_wanted(place)

    def _next(self) -> Node[N] | None:
        with self.change:
            if not self.nodes or self.ended:
                return None
            self.working += 1
            return Node(self.nodes.pop())

    def _root(self) -> Node[N] | None:
        with self.taking:
            if self.ended:
                return None
            with self.change:
                self.working += 1  # before the root is out: nobody may think that all is done
            for root in self.roots:
                return Node(root)
            self.rootless = True
            self._done()
            return None

    def _last(self) -> Node[N] | None:
        """Wait for a node that others find; None where they have all ended."""
        with self.change:
            while not self.nodes and self.working and not self.ended:
                self.change.wait()
            return self._next()

    def _done(self) -> None:
        with self.change:
            self.working -= 1
            self.change.notify_all()

    def _expand(self, node: N) -> None:
        found: list[N] = []

        def take(thing: Node[N] | T) -> None:
            if isinstance(thing, Node):
                found.append(thing.value)
            elif not self.items.put((thing,)) or self.ended:
                raise _Over

        with contextlib.suppress(_Over):
            self.expand(node, take)
        with self.change:
            self.nodes.extend(reversed(found))
            self.change.notify_all()

    def _end(self) -> None:
        with self.change:
            self.ended = True
            self.change.notify_all()
        self.over.set()

    def take(self) -> Iterator[T]:
        """The items, while the threads work; an error of `expand` is raised here."""
        places = range(self.threads)
        crew = [threading.Thread(target=self.work, args=(i,), name=f"walk-{i}", daemon=True) for i in places]
        try:
            for thread in crew:
                thread.start()
            yield from self.items
        finally:
            self._end()
            self.items.stop()
            for thread in crew:
                if thread.is_alive():  # an interrupt may have kept it from being started
                    thread.join()


def walk(roots: Iterable[N], expand: Expand[N, T], *, threads: int) -> Iterator[T]:
    """Every item below `roots`, in no certain order across nodes; raises what `expand` raises."""
    state: _Walk[N, T] = _Walk(roots, expand, threads)
    return state.take()
