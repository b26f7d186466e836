"""A simulated tape library: a file that is on tape only returns to disk some time after a request for it.

There is no background thread. `finish_due`, or the thread of a waiting reader, does all that is due by the clock.
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
"""Seconds between two checks of a reader that waits for a file."""


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
        """When the last file of the request ended, in Unix seconds; None if one has not ended."""
        ends = [recall.finished for recall in self.files.values()]
        return max((end for end in ends if end is not None), default=None) if None not in ends else None


class Tape:
    """The tape library: which files are on tape only, which are requested, and when they will be on disk.

    Attributes:
        delay: Seconds from a request until a file is on disk.
        drives: Files that the library reads at a time.
    """

    def __init__(
        self, namespace: Namespace, clock: Callable[[], float], delay: float = 0.0, drives: int = 1000
    ) -> None:
        """Start without requests."""
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
        """Move the bytes of a file to tape; raise NotFound if there is no such file."""
        with self._lock:
            self._namespace.find(path).locality = "NEARLINE"

    def make_unreadable(self, path: str, error: str) -> None:
        """Let all recalls of a file fail with this error text."""
        self._broken[path] = error

    @property
    def requests(self) -> list[StageRequest]:
        """All stage requests that are remembered."""
        with self._lock:
            return list(self._requests.values())

    # ---- for the servers
    def is_on_tape(self, node: Node) -> bool:
        """Return whether the bytes of a file are on tape only."""
        return node.locality == "NEARLINE"

    def finish_due(self) -> None:
        """Bring the files to disk that are due."""
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
        """Request a file from tape, unless it is requested already."""
        with self._lock:
            if path not in self._due:
                later = sorted(self._due.values())[-self.drives] if len(self._due) >= self.drives else self._clock()
                self._due[path] = later + self.delay

    def wait(self, path: str, seconds: float) -> bool:
        """Wait until a file is on disk, at most `seconds`, and return whether it is."""
        self.recall(path)
        poll, waited = threading.Event(), 0.0
        while True:
            self.finish_due()
            try:
                if not self.is_on_tape(self._namespace.find(path)):
                    return True
            except NamespaceError:
                return False
            if waited >= seconds or path in self._broken:
                return False
            poll.wait(POLL_INTERVAL)
            waited += POLL_INTERVAL

    def stage(self, owner: str, paths: Iterable[str]) -> StageRequest:
        """Create a stage request; files that are on disk, were never on tape, or do not exist end at once."""
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
        """Return the stage request of this id; None if there is none."""
        self.finish_due()
        with self._lock:
            return self._requests.get(name)

    def cancel(self, request: StageRequest, paths: Iterable[str]) -> None:
        """Cancel some files of a request; raise KeyError if one is none of its files."""
        with self._lock:
            for recall in [request.files[path] for path in paths]:
                if recall.finished is None:
                    recall.state, recall.finished = "CANCELLED", self._clock()
                    self._due.pop(recall.path, None)

    def forget(self, request: StageRequest) -> None:
        """Cancel a request and forget it."""
        self.cancel(request, list(request.files))
        with self._lock:
            self._requests.pop(request.id, None)

    def release(self, paths: Iterable[str]) -> None:
        """Remove files from disk that have a copy on tape."""
        with self._lock:
            for path in paths:
                node = self._namespace.find(path)
                if node.locality == DISK_AND_TAPE:
                    node.locality = "NEARLINE"
