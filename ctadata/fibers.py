"""Fibers: functions of one thread that take turns where they wait, so that one of them is at work at any time.

Python runs one thread at a time. Threads on small files from a server close by have work for it all the time, and wake
each other at every call of the system: two of them got a third less done than one fiber thread, eight half. A fiber
(a greenlet) goes on until it waits itself, for a socket or for somebody, and what it calls need not know of it.

What may run in a fiber waits with what is here: `Condition`, `wait_for_event`, `sleep`, `current_poller`. A wait of
another kind holds up all fibers of the thread: that of a disk, which is short; what is long goes to `run_in_thread`. A
lock that is held during a wait is a `Lock` from here: who waits for one of another kind keeps its holder from going on.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

from greenlet import getcurrent, greenlet

T = TypeVar("T")

POLL_SECONDS = 0.25
"""Seconds between two looks at an event that is waited for."""


class Poller(Protocol):
    """Waits for sockets, as `select.poll` does."""

    def register(self, fd: int, eventmask: int, /) -> object:
        """Wait for it from now on."""

    def unregister(self, fd: int, /) -> object:
        """No longer; KeyError where it was not waited for."""

    def poll(self, milliseconds: float, /) -> list[tuple[int, int]]:
        """The sockets that are ready, with what they are ready for; none where so much time has passed."""


class Fibers:
    """The fibers of one thread, and the place where all of them wait.

    waited: seconds for which none could go on.  worked: seconds of processor time, as of the last change of hands.
    """

    def __init__(self) -> None:
        """Nothing runs yet."""
        self.waited = 0.0
        self.worked = 0.0
        self._poll = select.poll()
        self._owners: dict[int, greenlet] = {}
        self._due: dict[greenlet, float] = {}
        self._woken: deque[greenlet] = deque()
        self._asleep = False

    def run(self, functions: Iterable[Callable[[], object]]) -> None:
        """Run each in a fiber, in this thread; returns when all have ended.

        They raise nothing. Where one does, or Ctrl-C ends the wait for all, every other ends where it waits, in this
        thread: what it holds is let go by its own `finally`, and not by whoever comes upon the remains.
        """
        self._hub = getcurrent()
        self._bell, self._bell_rope = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._poll.register(self._bell, select.POLLIN)
        _here.fibers = self
        fibers = [_fiber(function) for function in functions]
        try:
            self._take_turns({fiber: [] for fiber in fibers})
        finally:
            for fiber in fibers:
                _end(fiber)
            _here.fibers = None
            # greenlet asks the garbage collector, in the main thread, about a hub that is held beyond its thread
            del self._hub
            self._owners.clear()
            self._due.clear()
            os.close(self._bell)
            os.close(self._bell_rope)

    def _take_turns(self, ready: dict[greenlet, list[tuple[int, int]]]) -> None:
        alive = len(ready)
        while alive:
            for fiber, events in ready.items():
                self._due.pop(fiber, None)
                fiber.switch(events)
                alive -= fiber.dead
            self.worked = time.thread_time()
            ready = self._wait_for_all() if alive else {}

    def _wait_for_all(self) -> dict[greenlet, list[tuple[int, int]]]:
        """Until a fiber can go on: those that can, with the sockets that are ready for them."""
        began = time.monotonic()
        self._asleep = True  # before the look at who was woken: whoever wakes one from now on rings
        seconds = 0.0 if self._woken else max(0.0, min(self._due.values()) - began)
        events = self._poll.poll(None if seconds == math.inf else seconds * 1000)
        self._asleep = False
        now = time.monotonic()
        self.waited += now - began
        ready: dict[greenlet, list[tuple[int, int]]] = {}
        for fd, event in events:
            if fd == self._bell:
                os.read(self._bell, 4096)
            else:
                ready.setdefault(self._owners[fd], []).append((fd, event))
        while self._woken:
            ready.setdefault(self._woken.popleft(), [])
        for fiber, due in self._due.items():
            if due <= now:
                ready.setdefault(fiber, [])
        return {fiber: found for fiber, found in ready.items() if fiber in self._due}

    def wait(self, seconds: float) -> list[tuple[int, int]]:
        """Let the others go on, for so long at most; earlier where the fiber is woken, or a socket of its own is ready.

        Gives the sockets.
        """
        self._due[getcurrent()] = time.monotonic() + seconds
        ready: list[tuple[int, int]] = self._hub.switch()
        return ready

    def wake(self, fiber: greenlet) -> None:
        """Have a fiber of this thread go on; from any thread."""
        self._woken.append(fiber)
        if self._asleep:
            with contextlib.suppress(BlockingIOError):  # it rings already
                os.write(self._bell_rope, b".")

    def register(self, fd: int, events: int) -> None:
        """The fiber waits for this socket from now on."""
        self._owners[fd] = getcurrent()
        self._poll.register(fd, events)

    def unregister(self, fd: int) -> None:
        """No longer; KeyError where none waits for it."""
        del self._owners[fd]
        self._poll.unregister(fd)

    def poll(self, milliseconds: float) -> list[tuple[int, int]]:
        """Wait for the fiber's sockets."""
        return self.wait(milliseconds / 1000)


class _Here(threading.local):
    """What runs in this thread."""

    fibers: Fibers | None = None


_here = _Here()


def _fiber(function: Callable[[], object]) -> greenlet:
    def start(_events: object) -> None:
        function()

    return greenlet(start)


def _end(fiber: greenlet) -> None:
    """Have a fiber that waits end there, and let it wait once more for nothing as often as its `finally` does."""
    while not fiber.dead:
        with contextlib.suppress(Exception):
            fiber.throw()


def current_poller() -> Poller | None:
    """What a fiber waits for its sockets with; None in a thread without fibers."""
    return _here.fibers


class Condition(threading.Condition):
    """As that of `threading`, for threads and fibers."""

    def __init__(self, lock: threading.Lock | None = None) -> None:
        """With a lock of its own, or that of other conditions."""
        super().__init__(lock or threading.Lock())
        self._waiting: deque[tuple[Fibers, greenlet]] = deque()

    def wait(self, timeout: float | None = None) -> bool:
        """Until somebody notifies, or so many seconds have passed; sometimes it ends without either."""
        fibers = _here.fibers
        if fibers is None:
            return super().wait(timeout)
        waiter = fibers, getcurrent()
        self._waiting.append(waiter)
        self.release()
        try:
            fibers.wait(math.inf if timeout is None else timeout)
        finally:
            self.acquire()
            notified = waiter not in self._waiting
            if not notified:
                self._waiting.remove(waiter)
        return notified

    def notify(self, n: int = 1) -> None:
        """Wake so many, fibers first."""
        while n > 0 and self._waiting:
            fibers, fiber = self._waiting.popleft()
            fibers.wake(fiber)
            n -= 1
        if n > 0:
            super().notify(n)

    def notify_all(self) -> None:
        """Wake all."""
        self.notify(sys.maxsize)


class Lock:
    """Held by one thread or fiber at a time, for a `with` block in which others go on."""

    def __init__(self) -> None:
        """Nobody holds it."""
        self._free = Condition()
        self._held = False

    def __enter__(self) -> None:
        """Wait until nobody holds it."""
        with self._free:
            while self._held:
                self._free.wait()
            self._held = True

    def __exit__(self, *_: object) -> None:
        """Let the next one have it."""
        with self._free:
            self._held = False
            self._free.notify()


def wait_for_event(event: threading.Event, seconds: float) -> bool:
    """Wait until the event is set, for so long at most; whether it is set."""
    fibers = _here.fibers
    if fibers is None:
        return event.wait(seconds)
    until = time.monotonic() + seconds
    while not event.is_set() and (left := until - time.monotonic()) > 0:
        fibers.wait(min(left, POLL_SECONDS))
    return event.is_set()


def sleep(seconds: float) -> None:
    """Wait for so long; with 0 the others go on once."""
    fibers = _here.fibers
    if fibers is None:
        time.sleep(seconds)
        return
    until = time.monotonic() + seconds
    while True:
        fibers.wait(max(0.0, until - time.monotonic()))
        if time.monotonic() >= until:
            return


def run_in_thread(do: Callable[[], T]) -> T:
    """What `do` gives or raises; of a fiber it is done in a thread of its own, and the others go on meanwhile."""
    if _here.fibers is None:
        return do()
    ended, given, raised = Condition(), list[T](), list[BaseException]()

    def work() -> None:
        try:
            given.append(do())
        except BaseException as error:  # noqa: BLE001  (raised again where it is waited for)
            raised.append(error)
        with ended:
            ended.notify_all()

    threading.Thread(target=work, name="ctadata-elsewhere", daemon=True).start()
    with ended:
        while not given and not raised:
            ended.wait()
    if raised:
        raise raised[0]
    return given[0]
