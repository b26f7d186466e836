"""Stage files from tape: request them in bulk, and download each when it is on disk. Other files do not wait for them.

A GET for a file on tape hangs and then fails (dCache waits 180 s), so none is sent. The task of such a file is held
back until the tape library says that the file is online.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from ctadata.entries import Entry
from ctadata.errors import CtadataError, NeedsStaging, TemporaryError
from ctadata.paths import RemotePath
from ctadata.stores.base import Store
from ctadata.stores.recalls import Recall, Recalls

log = logging.getLogger(__name__)
H = TypeVar("H", bound="HoldableTask")

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds from a request to the first check of its state, and the longest time between two checks."""


class HoldableTask(Protocol):
    """A task that can be held back."""

    @property
    def remote(self) -> RemotePath:
        """The file."""

    @property
    def on_tape(self) -> bool:
        """Whether its bytes are on tape only."""


def is_on_tape(entry: Entry) -> bool:
    """Return whether a file's bytes are on tape only (dCache's FileLocality NEARLINE)."""
    return entry.locality == "NEARLINE"


def unknown_locality_error(store: Store, entry: Entry) -> CtadataError | None:
    """Return the error for a file of which the storage does not say where it is, as it should; None if it says it."""
    if entry.locality is not None or not store.features.lists_localities:
        return None
    return CtadataError("the storage does not say whether it is on tape", path=str(entry.path))


def with_current_locality(store: Store, entry: Entry) -> Entry:
    """Return the entry of a listing; if the listing may show an old locality, return it as the store says now."""
    if is_on_tape(entry) and store.features.lists_old_locality:
        with contextlib.suppress(CtadataError):  # the read meets the same error
            return dataclasses.replace(entry, locality=store.info(entry.path).locality)
    return entry


def refuse_tape(entry: Entry, hint: str = "get --stage brings it back and waits for it") -> None:
    """Raise NeedsStaging for a file on tape.

    Args:
        entry: The file.
        hint: What the user can do.
    """
    if is_on_tape(entry):
        raise NeedsStaging("it is on tape, not on disk", hint=hint, path=str(entry.path))


@dataclass(slots=True)
class Staging(Generic[H]):
    """Holds tasks back while their files come from tape.

    Attributes:
        library: The tape library, or what restores archived objects.
        wait: Waits for some seconds; returns whether the run is to end.
        fail: Receives the failure of a file that does not come.
        remark: Receives a sentence about each request.
        batch: The largest number of files in one request.
        lifetime: Seconds that the files stay on disk; None: as the site decides.
    """

    library: Recalls
    wait: Callable[[float], bool]
    fail: Callable[[CtadataError, RemotePath], None]
    remark: Callable[[str], None]
    batch: int = 500
    lifetime: float | None = None
    _requests: dict[str, set[RemotePath]] = field(default_factory=dict)
    _arrived: dict[str, list[RemotePath]] = field(default_factory=dict)
    _held: dict[RemotePath, list[H]] = field(default_factory=dict)
    _unrequested: list[RemotePath] = field(default_factory=list)
    _pause: float = FIRST_PAUSE

    def release_when_online(self, tasks: Iterable[H]) -> Iterator[H]:
        """Yield the tasks: one on tape after its file is online, every other one at once."""
        for task in tasks:
            if not task.on_tape:
                yield task
                continue
            if task.remote not in self._held:
                self._unrequested.append(task.remote)
            self._held.setdefault(task.remote, []).append(task)
            if len(self._unrequested) >= self.batch:
                yield from self._request_and_check()
        yield from self._request_and_check()
        while self._held:
            if self.wait(self._pause):
                return
            self._pause = min(self._pause * 1.5, LONGEST_PAUSE)
            yield from self._check_requests()

    def _request_and_check(self) -> Iterator[H]:
        """Request the files that are not requested yet; first yield tasks whose files have come meanwhile."""
        yield from self._check_requests()
        self._request_waiting()

    def _request_waiting(self) -> None:
        paths, self._unrequested = self._unrequested, []
        if paths:
            self._request(paths)

    def _request(self, paths: list[RemotePath]) -> None:
        try:
            name = self.library.stage(paths, lifetime=self.lifetime)
        except CtadataError as error:
            if error.status == 413 and len(paths) > 1:  # the site accepts fewer files in one request
                self.batch = half = len(paths) // 2
                self._request(paths[:half])
                self._request(paths[half:])
                return
            for path in paths:
                self._give_up(path, type(error)(error.what, hint=error.hint, path=str(path), status=error.status))
            return
        self._requests[name] = set(paths)
        self._pause = FIRST_PAUSE
        files = "1 file is" if len(paths) == 1 else f"{len(paths)} files are"
        self.remark(f"{files} on tape and requested, with stage request {name}")

    def _check_requests(self) -> Iterator[H]:
        for name in list(self._requests):
            try:
                recalls = self.library.status(name)
            except TemporaryError as error:
                log.info("%s: looked at again later", error)
                continue
            except CtadataError as error:
                for path in self._requests.pop(name):
                    self._give_up(path, NeedsStaging(f"its stage request {name} is lost: {error.what}", path=str(path)))
                continue
            yield from self._release_ended(name, recalls)

    def _release_ended(self, name: str, recalls: Sequence[Recall]) -> Iterator[H]:
        waiting = self._requests[name]
        for recall in recalls:
            if not recall.ended or recall.path not in waiting:
                continue
            waiting.discard(recall.path)
            self._pause = FIRST_PAUSE
            if recall.online:
                self._arrived.setdefault(name, []).append(recall.path)
                yield from self._held.pop(recall.path, ())
            else:
                reason = recall.error or "the request was cancelled"
                self._give_up(recall.path, NeedsStaging(f"its staging failed: {reason}", path=str(recall.path)))
        if not waiting:
            del self._requests[name]

    def end(self) -> None:
        """End the run's requests: files that came may leave the disk; files that are still to come go on coming."""
        for name, paths in self._arrived.items():
            with contextlib.suppress(CtadataError):
                self.library.release(name, paths)
        for name in self._requests:
            self.remark(f"stage request {name} goes on; see stage-status, or end it with release")

    def _give_up(self, path: RemotePath, error: CtadataError) -> None:
        for _ in self._held.pop(path, ()):
            self.fail(error, path)
