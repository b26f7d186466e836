"""What the servers saw: one frozen record for each request, kept in order, to wait for without polling."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Seen:
    """One request as it came in, written down before the first byte of its answer goes out, or when it ended without.

    `server` is door, pool1, pool2, issuer or frontend; `target` and `headers` are raw, in the order received; `status`
    is None where no answer was given (but a LostAnswer's is what was lost); `body_bytes` is how much of the request's
    body had been read, `answer_bytes` the Content-Length announced in the answer; `connection` numbers the TCP
    connections of the whole sandbox; `at` is time.monotonic() in seconds.
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
        """The first value of a header, its name in any case; None when it was not sent."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class RequestLog:
    """A list that grows while threads wait for what they want to see in it."""

    def __init__(self) -> None:
        self._records: list[Seen] = []
        self._served: Counter[str] = Counter()
        self._grown = threading.Condition()

    def record(self, seen: Seen) -> None:
        """Add one record and wake who waits."""
        with self._grown:
            self._records.append(seen)
            self._grown.notify_all()

    def count(self, server: str, size: int) -> None:
        """Bytes of an answer's body were handed to the network."""
        with self._grown:
            self._served[server] += size
            self._grown.notify_all()

    def served(self, server: str) -> int:
        """Bytes of bodies sent by a server, or by all whose names only differ in a number at their end."""
        with self._grown:
            return self._sum(server)

    def _sum(self, server: str) -> int:
        return sum(size for name, size in self._served.items() if server in (name, name.rstrip("0123456789")))

    def wait_until_served(self, server: str, size: int, timeout: float) -> None:
        """Wait until a server has sent that many bytes of bodies; TimeoutError after `timeout` seconds."""
        with self._grown:
            if not self._grown.wait_for(lambda: self._sum(server) >= size, timeout):
                raise TimeoutError(f"only {self._sum(server)} of {size} bytes within {timeout} s")

    def all(self) -> list[Seen]:
        """A copy of everything seen so far."""
        with self._grown:
            return list(self._records)

    def clear(self) -> None:
        """Forget everything seen and counted so far."""
        with self._grown:
            self._records.clear()
            self._served.clear()

    def wait_for(self, predicate: Callable[[Seen], bool], timeout: float) -> Seen:
        """The first record, past or to come, that satisfies `predicate`; TimeoutError after `timeout` seconds."""
        with self._grown:
            found = self._grown.wait_for(lambda: next(filter(predicate, self._records), None), timeout)
        if found is None:
            raise TimeoutError(f"no such request within {timeout} s")
        return found
