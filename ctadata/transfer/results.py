"""What was done, collected for the return value of a function."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TypedDict

from ctadata.errors import NotFound, PartialFailure, UsageError
from ctadata.paths import escape_unprintable
from ctadata.transfer.report import Outcome, Reporter, Summary

_STATUS = {"done": "uploaded", "skipped": "unchanged", "kept": "kept"}


class Upload(TypedDict):
    """What an upload gives back.

    path: where the file is, from the root, without a slash in front.
    status: `uploaded`; `unchanged`, where an equal file was there; `kept`, where `no_clobber` kept another one.
    total_written: bytes of the file.
    """

    path: str
    status: str
    total_written: int


class CollectingReporter:
    """A reporter that keeps what was done, and hands everything on to another."""

    def __init__(self, inner: Reporter) -> None:
        """Nothing has been done."""
        self.outcomes: list[Outcome] = []
        self.planned = inner.planned
        self.moved = inner.moved
        self._inner = inner
        self._lock = threading.Lock()

    def ended(self, outcome: Outcome) -> None:
        """Keep it, unless it failed or could not be copied at all."""
        self._inner.ended(outcome)
        if outcome.state in _STATUS:
            with self._lock:
                self.outcomes.append(outcome)

    def remarked(self, words: str) -> None:
        """Nothing to keep."""
        self._inner.remarked(words)

    @property
    def sizes(self) -> list[int]:
        """Bytes of each file."""
        return [outcome.size for outcome in self.outcomes]

    @property
    def uploads(self) -> list[Upload]:
        """What the upload functions give back."""
        return [
            Upload(path=str(o.remote).removeprefix("/"), status=_STATUS[o.state], total_written=o.size)
            for o in self.outcomes
        ]


@contextmanager
def collect_results(telling: AbstractContextManager[Reporter]) -> Iterator[CollectingReporter]:
    """Collect what is done in the block; who is told of it anyway, is told too."""
    with telling as reporter:
        yield CollectingReporter(reporter)


class NoSuchDirectory(NotFound, NotADirectoryError, FileExistsError):
    """There is no such local directory; it is also what scripts of 0.6 and 0.7 catch."""


class NoDirectory(UsageError, NotADirectoryError):
    """It is a local file; it is also what scripts of 0.6 and 0.7 catch."""


def contents_path(directory: str | os.PathLike[str]) -> str:
    """The name of a local directory, written so that its contents are meant; NoSuchDirectory, NoDirectory."""
    path = os.fspath(directory)
    if not os.path.exists(path):  # noqa: PTH110  (the empty path is here to pathlib, and nowhere to the user)
        raise NoSuchDirectory("no such local directory", path=escape_unprintable(path))
    if not os.path.isdir(path):  # noqa: PTH112
        raise NoDirectory("it is a file, not a directory", path=escape_unprintable(path))
    return os.path.join(path, "")  # noqa: PTH118


def raise_failures(summary: Summary, done: Sequence[int] | Sequence[Upload], *, one: bool) -> None:
    """Raise the error of a call about `one` file, PartialFailure of a call about many; nothing where all went well."""
    if one and summary.errors:
        raise summary.errors[0]
    if summary.errors:
        raise PartialFailure(summary.errors, done)
