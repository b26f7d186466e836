"""Fibers: functions of one thread that take turns, so that one of them works while the others wait.

Python runs one thread at a time. Threads that transfer small files from a nearby server always have work, and wake each
other at every system call: two threads get a third less done than one thread with fibers, and eight threads half as
much. A fiber (a greenlet) runs until it waits for a socket or for another fiber. The functions that it calls need not
know that they run in a fiber.

A function that runs in a fiber waits with this module: `Condition`, `wait_for_event`, `sleep`, `wait_for_sockets`. Any
other wait stops all fibers of the thread. That is acceptable for a local disk, which is quick; a longer wait belongs
into `run_in_thread`. A lock that is held during a wait must be a `Lock` of this module: with a lock of `threading`, the
fiber that waits for the lock would stop the fiber that holds it.
"""

from __future__ import annotations

import contextlib
import math
import sys
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Generic, TypeVar

from greenlet import getcurrent, greenlet

from ctadata import system

T = TypeVar("T")

POLL_SECONDS = 0.25
"""Seconds between two checks of an event that a fiber waits for."""

NO_SOCKETS: Mapping[int, int] = MappingProxyType({})


class Fibers:
    """The fibers of one thread, and the loop in which they wait.

    Attributes:
        waited: Seconds in which no fiber could run.
        queued: The number of fibers that wait for their turn at a server (`queueing`).
        left_queue: Called when one of them waits no longer.
        thread: The thread's number in the system; 0 before it runs.
    """

    def __init__(self) -> None:
        """Create a loop without fibers."""
        self.waited = 0.0
        self.queued = 0
        self.left_queue: Callable[[], object] = lambda: None
        self.thread = 0
        self._poll = system.Poll()
        self._owners: dict[int, greenlet] = {}
        self._due: dict[greenlet, float] = {}
        self._parked: set[greenlet] = set()  # they wait until they are woken
        self._woken: deque[greenlet] = deque()
        self._woken_last: deque[greenlet] = deque()  # they run when no other fiber can
        self._asleep = False

    def run(self, functions: Iterable[Callable[[], object]]) -> None:
        """Run each function in a fiber of this thread, and return when all have ended.

        The functions raise nothing. If one does, or if Ctrl-C ends the wait, every other fiber is ended where it waits,
        in this thread: so its own `finally` blocks release what it holds, and not the garbage collector.
        """
        self._hub, self.thread = getcurrent(), threading.get_native_id()
        self._waker = system.Waker()
        self._poll.register(self._waker.fd, system.POLLIN)
        _thread.fibers = self
        fibers = [_fiber(function) for function in functions]
        try:
            self._take_turns({fiber: [] for fiber in fibers})
        finally:
            for fiber in fibers:
                _end(fiber)
            _thread.fibers = None
            # greenlet runs the garbage collector for a hub that outlives its thread
            del self._hub
            self._owners.clear()
            self._due.clear()
            self._parked.clear()
            self._waker.close()

    def _take_turns(self, ready: dict[greenlet, list[tuple[int, int]]]) -> None:
        alive = len(ready)
        while alive:
            for fiber, events in ready.items():
                self._due.pop(fiber, None)
                self._parked.discard(fiber)
                fiber.switch(events)
                alive -= fiber.dead
            ready = self._wait_for_all() if alive else {}

    def _wait_for_all(self) -> dict[greenlet, list[tuple[int, int]]]:
        """Wait until a fiber can run. Return those that can, with the sockets that are ready for each."""
        began = time.monotonic()
        self._asleep = True  # before `_woken` is read: from now on `wake` uses the waker
        first = min(self._due.values(), default=math.inf)
        seconds = 0.0 if self._woken or self._woken_last else max(0.0, first - began)
        events = self._poll.poll(None if seconds == math.inf else seconds * 1000)
        self._asleep = False
        now = time.monotonic()
        self.waited += now - began
        ready: dict[greenlet, list[tuple[int, int]]] = {}
        for fd, event in events:
            if fd == self._waker.fd:
                self._waker.drain()
            else:
                ready.setdefault(self._owners[fd], []).append((fd, event))
        if first <= now:
            ready.update((fiber, []) for fiber, due in self._due.items() if due <= now and fiber not in ready)
        while self._woken or (self._woken_last and not ready):
            fiber = (self._woken or self._woken_last).popleft()
            if fiber in self._parked or fiber in self._due:
                ready.setdefault(fiber, [])
        return ready

    def wait(self, seconds: float, sockets: Mapping[int, int] = NO_SOCKETS) -> list[tuple[int, int]]:
        """Let the other fibers run until the time passes, the fiber is woken, or one of its sockets is ready.

        Args:
            seconds: The longest wait; `math.inf` for no limit.
            sockets: The events that the fiber waits for, as of `select.poll`, by the descriptor of the socket.

        Returns:
            The ready sockets with their events.
        """
        fiber = getcurrent()
        if seconds == math.inf:
            self._parked.add(fiber)
        else:
            self._due[fiber] = time.monotonic() + seconds
        for fd, events in sockets.items():
            self._owners[fd] = fiber
            self._poll.register(fd, events)
        try:
            ready: list[tuple[int, int]] = self._hub.switch()
        finally:
            for fd in sockets:
                del self._owners[fd]
                self._poll.unregister(fd)
        return ready

    def wake(self, fiber: greenlet, *, last: bool = False) -> None:
        """Let a fiber of this thread run again; with `last`, when no other fiber can. Any thread may call this."""
        (self._woken_last if last else self._woken).append(fiber)
        if self._asleep:
            self._waker.wake()


class _ThreadState(threading.local):
    """The fibers of this thread; None in a thread without fibers."""

    fibers: Fibers | None = None


_thread = _ThreadState()


def _fiber(function: Callable[[], object]) -> greenlet:
    def start(_events: object) -> None:
        function()

    return greenlet(start)


def _end(fiber: greenlet) -> None:
    """End a waiting fiber: raise GreenletExit in it until its `finally` blocks, which may wait themselves, are done."""
    while not fiber.dead:
        with contextlib.suppress(Exception):
            fiber.throw()


def is_in_fiber() -> bool:
    """Whether the caller runs in a fiber."""
    return _thread.fibers is not None


def wait_for_sockets(sockets: Mapping[int, int], seconds: float) -> list[tuple[int, int]]:
    """Wait until a socket is ready, at most some seconds.

    Args:
        sockets: The events to wait for, as of `select.poll`, by the descriptor of the socket.
        seconds: The longest wait.

    Returns:
        The ready sockets with their events.
    """
    fibers = _thread.fibers
    if fibers is not None:
        return fibers.wait(seconds, sockets)
    poll = system.Poll()
    for fd, events in sockets.items():
        poll.register(fd, events)
    return poll.poll(seconds * 1000)


class Condition(threading.Condition):
    """A `threading.Condition` that fibers can wait for too."""

    def __init__(self, lock: threading.Lock | None = None, *, last: bool = False) -> None:
        """Create a condition with its own lock or that of other conditions; `last` is as for `Fibers.wake`."""
        super().__init__(lock or threading.Lock())
        self._last = last
        self._waiting: OrderedDict[greenlet, Fibers] = OrderedDict()
        self._threads = 0  # that wait

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the condition is notified, or the time passes; spurious wake-ups are possible.

        Returns:
            Whether the condition was notified.
        """
        fibers = _thread.fibers
        if fibers is None:
            self._threads += 1
            try:
                return super().wait(timeout)
            finally:
                self._threads -= 1
        fiber = getcurrent()
        self._waiting[fiber] = fibers
        self.release()
        try:
            fibers.wait(math.inf if timeout is None else timeout)
        finally:
            self.acquire()
            notified = self._waiting.pop(fiber, None) is None
        return notified

    def notify(self, n: int = 1) -> None:
        """Wake `n` waiters, fibers first."""
        while n > 0 and self._waiting:
            fiber, fibers = self._waiting.popitem(last=False)
            fibers.wake(fiber, last=self._last)
            n -= 1
        if n > 0 and self._threads:
            super().notify(n)

    def notify_all(self) -> None:
        """Wake all waiters."""
        if self._waiting or self._threads:
            self.notify(sys.maxsize)


class Lock:
    """A lock that one thread or fiber holds at a time, also while it waits. It is used as a context manager."""

    def __init__(self) -> None:
        """Create a free lock."""
        self._free = Condition()
        self._held = False

    def __enter__(self) -> None:
        """Wait until the lock is free, and take it."""
        with self._free:
            while self._held:
                self._free.wait()
            self._held = True

    def __exit__(self, *_: object) -> None:
        """Free the lock, and wake the next waiter."""
        with self._free:
            self._held = False
            self._free.notify()


@contextlib.contextmanager
def queueing() -> Iterator[None]:
    """Count the running fiber as queued while the block lasts; in a thread without fibers, do nothing."""
    if (fibers := _thread.fibers) is None:
        yield
        return
    fibers.queued += 1
    try:
        yield
    finally:
        fibers.queued -= 1
        fibers.left_queue()


def wait_for_event(event: threading.Event, seconds: float) -> bool:
    """Wait until the event is set, at most some seconds.

    Returns:
        Whether the event is set.
    """
    fibers = _thread.fibers
    if fibers is None:
        return event.wait(seconds)
    until = time.monotonic() + seconds
    while not event.is_set() and (left := until - time.monotonic()) > 0:
        fibers.wait(min(left, POLL_SECONDS))
    return event.is_set()


def sleep(seconds: float) -> None:
    """Wait some seconds; with 0, let each other fiber run once."""
    fibers = _thread.fibers
    if fibers is None:
        time.sleep(seconds)
        return
    until = time.monotonic() + seconds
    while True:
        fibers.wait(max(0.0, until - time.monotonic()))
        if time.monotonic() >= until:
            return


class Beside(Generic[T]):
    """The result of a function that another thread calls meanwhile."""

    def __init__(self, do: Callable[[], T]) -> None:
        """Start the thread that calls `do`."""
        self._results, self._errors = list[T](), list[BaseException]()
        self._ended = Condition()
        self._thread = threading.Thread(target=self._work, args=(do,), name="ctadata-beside", daemon=True)
        self._thread.start()

    def _work(self, do: Callable[[], T]) -> None:
        try:
            self._results.append(do())
        except BaseException as error:  # noqa: BLE001  (raised again by `result`)
            self._errors.append(error)
        with self._ended:
            self._ended.notify_all()

    @property
    def has_result(self) -> bool:
        """Whether the function has returned, so that `result` waits for nothing and raises nothing."""
        return bool(self._results)

    def result(self) -> T:
        """Wait until the function has ended, and return its result, or raise its error."""
        with self._ended:
            self._ended.wait_for(lambda: self._results or self._errors)
        if self._errors:
            raise self._errors[0]
        return self._results[0]

    def join(self, seconds: float) -> None:
        """Wait until the thread has ended, at most some seconds."""
        self._thread.join(seconds)


def run_in_thread(do: Callable[[], T]) -> T:
    """Call `do` and return its result; in a fiber, call it in another thread while the other fibers run."""
    return do() if _thread.fibers is None else Beside(do).result()
