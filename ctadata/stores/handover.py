"""Items made in one thread and used in another, while they are made, with a bounded number in between."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")

AHEAD = 2000
"""Items that may wait; more of them and the maker waits."""


class _Abandoned(Exception):
    """Nobody waits for the items any more."""


class _Lane(Generic[T]):
    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._items: list[T] = []
        self._ended = False
        self._abandoned = False
        self._error: BaseException | None = None

    def give(self, items: Sequence[T]) -> None:
        with self._changed:
            while len(self._items) >= AHEAD and not self._abandoned:
                self._changed.wait()
            if self._abandoned:
                raise _Abandoned
            self._items.extend(items)
            self._changed.notify_all()

    def take(self) -> list[T]:
        """All that wait, at least one; empty at the end. Raises what ended the making."""
        with self._changed:
            while not self._items and not self._ended:
                self._changed.wait()
            items, self._items = self._items, []
            self._changed.notify_all()
        if not items and self._error is not None:
            raise self._error
        return items

    def abandon(self) -> None:
        with self._changed:
            self._abandoned = True
            self._changed.notify_all()

    def run(self, make: Callable[[Callable[[Sequence[T]], None]], None]) -> None:
        error: BaseException | None = None
        try:
            make(self.give)
        except _Abandoned:
            pass
        except BaseException as raised:  # noqa: BLE001  (raised where the items are used)
            error = raised
        with self._changed:
            self._error, self._ended = error, True
            self._changed.notify_all()


def handed_over(make: Callable[[Callable[[Sequence[T]], None]], None]) -> Iterator[T]:
    """What `make(give)` gives, as it comes; `make` runs in a thread of its own from the first item asked for.

    Raises what `make` raises, after the items that came before. Where the iterator is closed or dropped, the next
    `give` ends the making.
    """
    lane: _Lane[T] = _Lane()
    threading.Thread(target=lane.run, args=(make,), name="ctadata-listing", daemon=True).start()
    try:
        while items := lane.take():
            yield from items
    finally:
        lane.abandon()
