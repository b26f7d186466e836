"""A simulated tape library: files that lie on tape alone come back a while after somebody has asked for them.

Nothing runs in the background: what is due by the clock is done when somebody looks (`finish_due`), or by the thread of
a reader that waits.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ctadata.sandbox.namespace import Namespace, NamespaceError, Node

DISK_AND_TAPE = "ONLINE_AND_NEARLINE"
DISK_ONLY = "Cannot stage DISK only files"
POLL_INTERVAL = 0.05
"""Seconds between two looks of a reader that waits for a file."""


@dataclass
class Recall:
    """One file of a stage request; times in Unix seconds."""

    path: str
    started: float | None = None
    finished: float | None = None
    state: str = "SUBMITTED"
    error: str | None = None


@dataclass
class StageRequest:
    """A stage request of a user."""

    owner: str
    created: float
    files: dict[str, Recall]
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def completed(self) -> float | None:
        """When its last file ended; None while one is on its way."""
        ends = [recall.finished for recall in self.files.values()]
        return max((end for end in ends if end is not None), default=None) if None not in ends else None


class Tape:
    """Which files lie on tape alone, who wants them, and when they will be there.

    delay: seconds from a request until a file is on disk; one at a time where `drives` is 1, and so on.
    """

    def __init__(
        self, namespace: Namespace, clock: Callable[[], float], delay: float = 0.0, drives: int = 1000
    ) -> None:
        self._namespace = namespace
        self._clock = clock
        self.delay = delay
        self.drives = drives
        self._lock = threading.RLock()
        self._due: dict[str, float] = {}
        self._requests: dict[str, StageRequest] = {}
        self._broken: dict[str, str] = {}

    # ---- for tests

    def archive(self, path: str) -> None:
        """The bytes of a file lie on tape alone from now on. NotFound."""
        with self._lock:
            self._namespace.find(path).locality = "NEARLINE"

    def make_unreadable(self, path: str, error: str) -> None:
        """The tape of a file cannot be read: its recalls fail with these words."""
        self._broken[path] = error

    @property
    def requests(self) -> list[StageRequest]:
        """Every stage request so far."""
        with self._lock:
            return list(self._requests.values())

    # ---- what the services do

    def is_on_tape(self, node: Node) -> bool:
        """Whether a file's bytes lie on tape alone."""
        return node.locality == "NEARLINE"

    def finish_due(self) -> None:
        """Bring to disk what is due."""
        with self._lock:
            now = self._clock()
            for path in [path for path, due in self._due.items() if due <= now]:
                self._arrive(path, self._due.pop(path))

    def _arrive(self, path: str, when: float) -> None:
        error = self._broken.get(path)
        try:
            if error is None:
                self._namespace.find(path).locality = DISK_AND_TAPE
        except NamespaceError:
            error = "no such file"
        for request in self._requests.values():
            recall = request.files.get(path)
            if recall is not None and recall.finished is None:
                recall.finished, recall.error = when, error
                recall.state = "COMPLETED" if error is None else "FAILED"

    def recall(self, path: str) -> None:
        """Somebody wants the bytes of a file: it is on its way, where it was not yet."""
        with self._lock:
            if path not in self._due:
                later = sorted(self._due.values())[-self.drives] if len(self._due) >= self.drives else self._clock()
                self._due[path] = later + self.delay

    def wait(self, path: str, seconds: float) -> bool:
        """Wait for a file until it is on disk, `seconds` at most; whether it is."""
        self.recall(path)
        waiting, waited = threading.Event(), 0.0
        while True:
            self.finish_due()
            try:
                if not self.is_on_tape(self._namespace.find(path)):
                    return True
            except NamespaceError:
                return False
            if waited >= seconds or path in self._broken:
                return False
            waiting.wait(POLL_INTERVAL)
            waited += POLL_INTERVAL

    def stage(self, owner: str, paths: Iterable[str]) -> StageRequest:
        """A new request; what is on disk already, or was never on tape, or does not exist, ends at once."""
        now = self._clock()
        with self._lock:
            request = StageRequest(owner, now, {path: Recall(path, started=now, state="STARTED") for path in paths})
            self._requests[request.id] = request
            for path, recall in request.files.items():
                try:
                    locality = self._namespace.find(path).locality
                except NamespaceError:
                    recall.state, recall.error, recall.finished = "FAILED", f"No such file or directory {path}", now
                    continue
                if locality == "NEARLINE":
                    self.recall(path)
                elif locality == DISK_AND_TAPE:
                    recall.state, recall.finished = "COMPLETED", now
                else:
                    recall.state, recall.error, recall.finished = "FAILED", DISK_ONLY, now
            return request

    def request(self, name: str) -> StageRequest | None:
        """The request of that id."""
        self.finish_due()
        with self._lock:
            return self._requests.get(name)

    def cancel(self, request: StageRequest, paths: Iterable[str]) -> None:
        """Nobody wants these files of a request any more; KeyError where one is none of its files."""
        with self._lock:
            for recall in [request.files[path] for path in paths]:
                if recall.finished is None:
                    recall.state, recall.finished = "CANCELLED", self._clock()
                    self._due.pop(recall.path, None)

    def forget(self, request: StageRequest) -> None:
        """End a request and forget it."""
        self.cancel(request, list(request.files))
        with self._lock:
            self._requests.pop(request.id, None)

    def release(self, paths: Iterable[str]) -> None:
        """Nobody needs these on disk any more: what has a copy on tape leaves the disk."""
        with self._lock:
            for path in paths:
                node = self._namespace.find(path)
                if node.locality == DISK_AND_TAPE:
                    node.locality = "NEARLINE"
