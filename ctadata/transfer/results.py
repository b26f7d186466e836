"""Collect the outcomes of a run for the return value of a Python function."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TypedDict

from ctadata.errors import NoDirectory, NotFound, PartialFailure
from ctadata.printable import escape_unprintable
from ctadata.transfer.report import Outcome, Reporter, Summary

_STATUS = {"done": "uploaded", "skipped": "unchanged", "kept": "kept"}


class Upload(TypedDict):
    """The result of one upload.

    Attributes:
        path: The file's path from the root, without a slash in front.
        status: `uploaded`; `unchanged` if an equal file was there; `kept` if `no_clobber` kept a different one.
        total_written: Bytes of the file.
    """

    path: str
    status: str
    total_written: int


class CollectingReporter:
    """A reporter that keeps the outcomes of files that did not fail, and passes everything on to another one."""

    def __init__(self, inner: Reporter) -> None:
        """Start without outcomes."""
        self.outcomes: list[Outcome] = []
        self.planned = inner.planned
        self.started, self.moved = inner.started, inner.moved
        self._inner = inner
        self._lock = threading.Lock()

    def ended(self, outcome: Outcome) -> None:
        """Keep the outcome, unless the file failed or could not be copied at all."""
        self._inner.ended(outcome)
        if outcome.state in _STATUS:
            with self._lock:
                self.outcomes.append(outcome)

    def remarked(self, words: str) -> None:
        """Pass on."""
        self._inner.remarked(words)

    def paused(self) -> AbstractContextManager[None]:
        """Pass on."""
        return self._inner.paused()

    @property
    def sizes(self) -> list[int]:
        """Bytes of each file."""
        return [outcome.size for outcome in self.outcomes]

    @property
    def uploads(self) -> list[Upload]:
        """The results of the upload functions."""
        return [
            Upload(path=str(o.remote).removeprefix("/"), status=_STATUS[o.state], total_written=o.size)
            for o in self.outcomes
        ]


@contextmanager
def collect_results(reporters: AbstractContextManager[Reporter]) -> Iterator[CollectingReporter]:
    """Collect the outcomes of the block, and pass each on to the caller's reporter."""
    with reporters as reporter:
        yield CollectingReporter(reporter)


class NoSuchDirectory(NotFound, NotADirectoryError, FileExistsError):
    """The local directory is missing. Scripts of 0.6 and 0.7 catch its base classes."""


class NoLocalDirectory(NoDirectory, NotADirectoryError):
    """The local path is a file. Scripts of 0.6 and 0.7 catch its base classes."""


def contents_path(directory: str | os.PathLike[str]) -> str:
    """Return a local directory with a slash at its end, which stands for its contents.

    Raises:
        NoSuchDirectory: It is missing.
        NoLocalDirectory: It is a file.
    """
    path = os.fspath(directory)
    if not os.path.exists(path):  # noqa: PTH110  (pathlib takes the empty path for the current directory; the user does not)
        raise NoSuchDirectory("no such local directory", path=escape_unprintable(path))
    if not os.path.isdir(path):  # noqa: PTH112
        raise NoLocalDirectory("it is a file, not a directory", path=escape_unprintable(path))
    return os.path.join(path, "")  # noqa: PTH118


def raise_failures(summary: Summary, done: Sequence[int] | Sequence[Upload], *, one: bool) -> None:
    """Raise the failures of a call; return if there are none.

    Args:
        summary: The run's.
        done: The results of the files that did not fail, for PartialFailure.
        one: Whether the call was about one file; then its own error is raised.

    Raises:
        PartialFailure: A call about many files had failures.
        CtadataError: The error of a call about one file.
    """
    if one and summary.errors:
        raise summary.errors[0]
    if summary.errors:
        raise PartialFailure(summary.errors, done)
