"""The log of all requests to the sandbox's servers; tests wait for entries without polling."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Seen:
    """One request, recorded before the first byte of its response is sent, or when it ended without a response.

    Attributes:
        server: door, pool1, pool2, issuer or frontend.
        target: The raw request target.
        headers: The raw headers in the order of their arrival.
        status: None if no response was sent; after a LostAnswer the status of the lost response.
        body_bytes: Bytes of the request's body that had been read.
        answer_bytes: The Content-Length of the response.
        connection: The number of the TCP connection, counted over the whole sandbox.
        at: Seconds of time.monotonic().
    """

    server: str
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    status: int | None
    body_bytes: int
    answer_bytes: int | None
    connection: int
    at: float

    def header(self, name: str) -> str | None:
        """Return the first value of a header, whose name is compared without case; None if the request has none."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class RequestLog:
    """A growing list of requests, whose new entries threads can wait for."""

    def __init__(self) -> None:
        """Start with an empty log."""
        self._records: list[Seen] = []
        self._served: Counter[str] = Counter()
        self._grown = threading.Condition()

    def record(self, seen: Seen) -> None:
        """Add one request, and wake the waiting threads."""
        with self._grown:
            self._records.append(seen)
            self._grown.notify_all()

    def count(self, server: str, size: int) -> None:
        """Count bytes of a response body that were handed to the network."""
        with self._grown:
            self._served[server] += size
            self._grown.notify_all()

    def served(self, server: str) -> int:
        """Return the bytes of response bodies that a server has sent; `pool` counts pool1 and pool2 together."""
        with self._grown:
            return self._sum(server)

    def _sum(self, server: str) -> int:
        return sum(size for name, size in self._served.items() if server in (name, name.rstrip("0123456789")))

    def wait_until_served(self, server: str, size: int, timeout: float) -> None:
        """Wait until a server has sent `size` bytes of bodies; raise TimeoutError after `timeout` seconds."""
        with self._grown:
            if not self._grown.wait_for(lambda: self._sum(server) >= size, timeout):
                raise TimeoutError(f"only {self._sum(server)} of {size} bytes within {timeout} s")

    def all(self) -> list[Seen]:
        """Return a copy of all entries."""
        with self._grown:
            return list(self._records)

    def clear(self) -> None:
        """Forget all entries and counts."""
        with self._grown:
            self._records.clear()
            self._served.clear()

    def wait_for(self, predicate: Callable[[Seen], bool], timeout: float) -> Seen:
        """Return the first entry that satisfies `predicate`, and wait for it if necessary.

        Raises:
            TimeoutError: There is none within `timeout` seconds.
        """
        with self._grown:
            match = self._grown.wait_for(lambda: next(filter(predicate, self._records), None), timeout)
        if match is None:
            raise TimeoutError(f"no such request within {timeout} s")
        return match
