"""Files on tape: asked for in bulk, and downloaded as they come to disk, while the others are already on the way.

A GET for a file on tape hangs for minutes and then fails (dCache waits 180 s), so none is ever sent: such a file's
task is held back until the tape library says that the file is online.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from ctadata.entries import Entry
from ctadata.errors import CtadataError, NeedsStaging, TemporaryError
from ctadata.paths import RemotePath

log = logging.getLogger(__name__)
H = TypeVar("H", bound="Held")

FIRST_LOOK, LONGEST_LOOK = 1.0, 60.0
"""Seconds from a request to the first look at how it stands, and between two looks at most."""


class Recall(Protocol):
    """How the recall of one file stands."""

    @property
    def path(self) -> RemotePath:
        """Which file."""

    @property
    def error(self) -> str:
        """The server's words, where it failed."""

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""

    @property
    def online(self) -> bool:
        """Whether the file can be read."""


class Library(Protocol):
    """Who brings files from tape."""

    def stage(self, paths: Sequence[RemotePath], *, lifetime: float | None = None) -> str:
        """Ask for files; gives the id of the request."""

    def status(self, request: str) -> Sequence[Recall]:
        """How the files of a request stand."""

    def release(self, request: str, paths: Sequence[RemotePath]) -> None:
        """They need not be kept on disk any longer."""


class Held(Protocol):
    """A task that can be held back."""

    @property
    def remote(self) -> RemotePath:
        """The file."""

    @property
    def on_tape(self) -> bool:
        """Whether its bytes are on tape alone."""


def is_on_tape(entry: Entry) -> bool:
    """Whether a file's bytes are on tape alone (dCache's FileLocality)."""
    return entry.locality == "NEARLINE"


def refuse_tape(entry: Entry, hint: str = "get --stage brings it back and waits for it") -> None:
    """NeedsStaging for a file on tape, which nothing asks for here; hint: what does."""
    if is_on_tape(entry):
        raise NeedsStaging("it is on tape, and not on disk", hint=hint, path=str(entry.path))


@dataclass(slots=True)
class Staging(Generic[H]):
    """Holds tasks back while their files come from tape.

    wait:  waits for seconds; true where the run is to end.
    fail:  is told of a file that does not come.
    tell:  is told, in words, what was asked for.
    batch: files of one request.
    """

    library: Library
    wait: Callable[[float], bool]
    fail: Callable[[CtadataError, RemotePath], None]
    tell: Callable[[str], None]
    batch: int = 500
    lifetime: float | None = None
    _requests: dict[str, set[RemotePath]] = field(default_factory=dict)
    _came: dict[str, list[RemotePath]] = field(default_factory=dict)
    _held: dict[RemotePath, list[H]] = field(default_factory=dict)
    _unasked: list[RemotePath] = field(default_factory=list)
    _pause: float = FIRST_LOOK

    def feed(self, tasks: Iterable[H]) -> Iterator[H]:
        """The tasks, those on tape after their files are online; every other as it comes."""
        for task in tasks:
            if not task.on_tape:
                yield task
                continue
            if task.remote not in self._held:
                self._unasked.append(task.remote)
            self._held.setdefault(task.remote, []).append(task)
            if len(self._unasked) >= self.batch:
                yield from self._ask_and_look()
        yield from self._ask_and_look()
        while self._held:
            if self.wait(self._pause):
                return
            self._pause = min(self._pause * 1.5, LONGEST_LOOK)
            yield from self._arrivals()

    def _ask_and_look(self) -> Iterator[H]:
        """Ask for what is not asked for yet; on the way, what was asked for earlier may have come."""
        yield from self._arrivals()
        self._ask()

    def _ask(self) -> None:
        paths, self._unasked = self._unasked, []
        if paths:
            self._request(paths)

    def _request(self, paths: list[RemotePath]) -> None:
        try:
            name = self.library.stage(paths, lifetime=self.lifetime)
        except CtadataError as error:
            if error.status == 413 and len(paths) > 1:  # the site takes fewer at a time
                self.batch = half = len(paths) // 2
                self._request(paths[:half])
                self._request(paths[half:])
                return
            for path in paths:
                self._give_up(path, type(error)(error.what, hint=error.hint, path=str(path), status=error.status))
            return
        self._requests[name] = set(paths)
        self._pause = FIRST_LOOK
        files = "1 file is" if len(paths) == 1 else f"{len(paths)} files are"
        self.tell(f"{files} on tape and asked for, as stage request {name}")

    def _arrivals(self) -> Iterator[H]:
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
            yield from self._ended(name, recalls)

    def _ended(self, name: str, recalls: Sequence[Recall]) -> Iterator[H]:
        waiting = self._requests[name]
        for recall in recalls:
            if not recall.ended or recall.path not in waiting:
                continue
            waiting.discard(recall.path)
            self._pause = FIRST_LOOK
            if recall.online:
                self._came.setdefault(name, []).append(recall.path)
                yield from self._held.pop(recall.path, ())
            else:
                said = recall.error or "the request was cancelled"
                self._give_up(recall.path, NeedsStaging(f"it does not come from tape: {said}", path=str(recall.path)))
        if not waiting:
            del self._requests[name]

    def end(self) -> None:
        """The run is over: what came for it need not be kept on disk; what is still to come goes on coming."""
        for name, paths in self._came.items():
            with contextlib.suppress(CtadataError):
                self.library.release(name, paths)
        for name in self._requests:
            self.tell(f"stage request {name} goes on; see stage-status, or end it with release")

    def _give_up(self, path: RemotePath, error: CtadataError) -> None:
        for _ in self._held.pop(path, ()):
            self.fail(error, path)
