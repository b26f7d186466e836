"""Items made in some threads and used in another, while they are made, with a bounded number in between."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Generic, TypeVar

from ctadata.fibers import Condition

T = TypeVar("T")

CAPACITY = 2000
"""Items that may wait; more of them and the makers wait."""


class Channel(Generic[T]):
    """Between makers, who `give` and then `end`, and one user, who iterates.

    Adding to a deque and taking from it need no lock (each is one step of the interpreter); whoever has to wait says
    so first and looks again, and is woken by whoever changes what it waits for. Most items meet nobody who waits.
    """

    def __init__(self, makers: int = 1, ahead: int = CAPACITY) -> None:
        """So many makers will end; so many items may wait, give or take what comes at once."""
        self._items: deque[T] = deque()
        self._ahead = ahead
        self._makers = makers
        self._changed = Condition()
        self._user_waits = False
        self._makers_wait = False
        self._left = False
        self._error: BaseException | None = None

    def put(self, items: Sequence[T]) -> bool:
        """Hand over; waits while too many are there already. False where nobody will take any more."""
        self._items.extend(items)
        if self._user_waits:
            self._wake()
        if len(self._items) >= self._ahead:
            self._wait_for_room()
        return not self._left

    def finish(self, error: BaseException | None = None) -> None:
        """A maker has ended; `error` is raised where the items are used, after those that came before."""
        with self._changed:
            self._makers -= 1
            self._error = self._error or error
            self._changed.notify_all()

    def stop(self) -> None:
        """The user takes no more: `give` says so, and nobody waits for room."""
        with self._changed:
            self._left = True
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        """Each item, until all makers have ended; then raises what ended one of them."""
        take = self._items.popleft
        while True:
            try:
                item = take()
            except IndexError:
                if self._wait_for_items():
                    continue
                break
            if self._makers_wait and len(self._items) <= self._ahead // 2:
                self._wake()
            yield item
        if self._error is not None:
            raise self._error

    def _wake(self) -> None:
        with self._changed:
            self._user_waits = self._makers_wait = False
            self._changed.notify_all()

    def _wait_for_items(self) -> bool:
        """Whether there are some."""
        with self._changed:
            self._user_waits = True
            while not self._items and self._makers:
                self._changed.wait()
                self._user_waits = True
            self._user_waits = False
            return bool(self._items)

    def _wait_for_room(self) -> None:
        with self._changed:
            self._makers_wait = True
            while len(self._items) > self._ahead // 2 and not self._left:
                self._changed.wait()
                self._makers_wait = True


class _Left(Exception):
    """Nobody waits for the items any more."""


Make = Callable[[Callable[[Sequence[T]], None]], None]
"""Makes items, and hands them to the function it is called with, some at a time."""


class ThreadedIterator(Iterator[T]):
    """What `make(give)` gives, as it comes; `make` runs in a thread of its own from the first item asked for.

    Raises what `make` raises, after the items that came before. Where the iterator is closed or dropped, the next
    `give` ends the making.
    """

    def __init__(self, make: Make[T]) -> None:
        """Nothing is made yet."""
        self.make = make
        self._items = _made(make)

    def __iter__(self) -> Iterator[T]:
        """Each item."""
        return self._items

    def __next__(self) -> T:
        """The next item."""
        return next(self._items)

    def close(self) -> None:
        """Take no more."""
        self._items.close()


def for_each(items: Iterable[T], take: Callable[[T], object]) -> None:
    """Hand every item to `take`, in this thread: what was to be made in another one is made in this one.

    A thread and two hand-overs for each small collection took a third of the time in which a tree is listed. What
    `take` raises ends the making, and is raised here.
    """
    if not isinstance(items, ThreadedIterator):
        for item in items:
            take(item)
        return

    def give(batch: Sequence[T]) -> None:
        for item in batch:
            take(item)

    items.make(give)


def _made(make: Make[T]) -> Generator[T, None, None]:
    channel: Channel[T] = Channel()
    threading.Thread(target=_run, args=(make, channel), name="ctadata-listing", daemon=True).start()
    try:
        yield from channel
    finally:
        channel.stop()


def _run(make: Make[T], channel: Channel[T]) -> None:
    def give(items: Sequence[T]) -> None:
        if not channel.put(items):
            raise _Left

    error: BaseException | None = None
    try:
        make(give)
    except _Left:
        pass
    except BaseException as raised:  # noqa: BLE001  (raised where the items are used)
        error = raised
    channel.finish(error)
