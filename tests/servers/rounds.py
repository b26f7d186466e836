"""Requests counted in sequence: each round is a set of requests that the client sends without waiting between them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from servers.plain_dav import PlainDav

PATIENCE = 30.0
"""Seconds until a round that does not become complete fails the test; a client that is right never waits so long."""


class Rounds:
    """The rounds of requests that a server expects. It answers none of a round until all of it have arrived.

    So a client that waits for the first answer before it sends the next request of a round fails, however fast the
    machine is.
    """

    def __init__(self, *rounds: str) -> None:
        """Expect rounds of methods, each as `PROPFIND GET`."""
        self.rounds = [Counter(methods.split()) for methods in rounds]
        self.faults: list[str] = []
        self._current = 0
        self._change = threading.Condition()

    def arrive(self, method: str, path: str) -> None:
        """Take note of a request, and wait until its round is complete."""
        with self._change:
            if self._current == len(self.rounds) or not self.rounds[self._current][method]:
                self.faults.append(f"round {self._current + 1} has no {method} {path}")
                return
            mine, left = self._current, self.rounds[self._current]
            left[method] -= 1
            if not left.total():
                self._current += 1
                self._change.notify_all()
            elif not self._change.wait_for(lambda: self._current > mine, PATIENCE):
                self.faults.append(f"round {mine + 1} waits for {dict(+left)}")
                self._current = max(self._current, mine + 1)
                self._change.notify_all()

    def check(self) -> None:
        """Assert that these rounds came, and no other request."""
        assert not self.faults, self.faults
        assert self._current == len(self.rounds), f"these rounds did not come: {self.rounds[self._current :]}"


@contextmanager
def rounds(dav: PlainDav, *expected: str) -> Iterator[None]:
    """Assert that the block sends these rounds of requests to the server."""
    counting, before = Rounds(*expected), dav.before
    dav.before = counting.arrive
    try:
        yield
    finally:
        dav.before = before
    counting.check()
