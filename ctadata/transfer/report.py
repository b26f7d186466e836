"""The reports of a run: `Reporter` receives them while the run goes on, `Summary` counts them for its end."""

from __future__ import annotations

import copy
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import takewhile
from pathlib import Path
from typing import Protocol

from ctadata.errors import CtadataError, PartialFailure, UsageError
from ctadata.paths import RemotePath


class State(StrEnum):
    """The state in which the work on one file ended; see `Outcome`."""

    DONE = "done"
    SKIPPED = "skipped"
    KEPT = "kept"
    PASSED = "passed"
    DELETED = "deleted"
    FAILED = "failed"


@dataclass(slots=True)  # a frozen one takes four times as long to make, and there is one for each file
class Outcome:
    """The end of the work on one file.

    Attributes:
        state: DONE: moved and verified. SKIPPED: equal already, or newer at the target. KEPT: it differs, and
            `no_clobber` keeps it. PASSED: it cannot be copied (a socket, a link that leads nowhere, a key that no path
            can name); it counts as a failure if it has an error. DELETED. FAILED. A dry run reports the state that the
            run would reach.
        remote: The remote path.
        local: The local path; None if there is none.
        size: Bytes of the file.
        seconds: The time it took.
        verified: What was compared, as `size, adler32`; empty if nothing moved.
        why: The reason, for SKIPPED, KEPT and PASSED.
        error: The error, for FAILED; for PASSED only if it counts as a failure.
        digest: The digest of the content, `adler32:5ae07809`; empty if unknown.
        etag: The tag of the version on the storage, with its quotes; None if unknown.
        retries: Attempts after the first one.
        resumed: Bytes that an earlier run had fetched.
        key: For PASSED: the address of a key that no path can name; `remote` is then the collection above it.
    """

    state: State
    remote: RemotePath
    local: Path | None = None
    size: int = 0
    seconds: float = 0.0
    verified: str = ""
    why: str = ""
    error: CtadataError | None = None
    digest: str = ""
    etag: str | None = None
    retries: int = 0
    resumed: int = 0
    key: str = ""


def passed_key(error: CtadataError, collection: RemotePath, local: Path | None) -> Outcome:
    """Return the outcome of a key that no path can name.

    Args:
        error: Names the key.
        collection: The collection above it.
        local: The local counterpart of the collection; None if there is none.
    """
    why = f"{error.what}; {error.hint}" if error.hint else error.what
    return Outcome(State.PASSED, collection, local, why=why, error=error, key=error.path or str(collection))


_NOT_TRIED = "it was not tried: "


def not_tried(reason: CtadataError) -> CtadataError:
    """Return the error of a file that was not tried because of the error of another file."""
    error = copy.copy(reason)  # of the same class, so that it has the same exit code
    error.what = _NOT_TRIED + reason.what.removeprefix(_NOT_TRIED)
    error.path, error.retries = "", 0
    return error


class Reporter(Protocol):
    """Receives the reports of a run. Several threads call it at once."""

    def planned(self, files: int, size: int) -> None:
        """Receive that so many more files, with so many bytes, will be moved; negative if they turn out not to be."""

    def started(self, name: str, size: int) -> None:
        """Receive that the work on the large file `name`, of so many bytes, begins."""

    def moved(self, name: str, size: int) -> None:
        """Receive that bytes of the file `name` have moved; negative if so many no longer count and are moved again."""

    def ended(self, outcome: Outcome) -> None:
        """Receive the outcome of one file."""

    def remarked(self, words: str) -> None:
        """Receive a sentence that the user should know before the end."""

    def paused(self) -> AbstractContextManager[None]:
        """Return a block in which nothing is drawn, because the user is asked a question."""


class NullReporter:
    """A reporter that does nothing."""

    def planned(self, files: int, size: int) -> None:
        """Do nothing."""

    def started(self, name: str, size: int) -> None:
        """Do nothing."""

    def moved(self, name: str, size: int) -> None:
        """Do nothing."""

    def ended(self, outcome: Outcome) -> None:
        """Do nothing."""

    def remarked(self, words: str) -> None:
        """Do nothing."""

    def paused(self) -> AbstractContextManager[None]:
        """Return a block without effect."""
        return nullcontext()


class TeeReporter:
    """A reporter that passes everything on, and also calls a function with each outcome."""

    def __init__(self, inner: Reporter, add: Callable[[Outcome], None]) -> None:
        """Prepare to pass on.

        Args:
            inner: Receives everything.
            add: Receives each outcome, one at a time; it must raise nothing.
        """
        self.inner = inner
        self._add = add
        self._lock = threading.Lock()

    def planned(self, files: int, size: int) -> None:
        """Pass on."""
        self.inner.planned(files, size)

    def started(self, name: str, size: int) -> None:
        """Pass on."""
        self.inner.started(name, size)

    def moved(self, name: str, size: int) -> None:
        """Pass on."""
        self.inner.moved(name, size)

    def remarked(self, words: str) -> None:
        """Pass on."""
        self.inner.remarked(words)

    def paused(self) -> AbstractContextManager[None]:
        """Pass on."""
        return self.inner.paused()

    def ended(self, outcome: Outcome) -> None:
        """Pass on, and call the function."""
        self.inner.ended(outcome)
        with self._lock:
            self._add(outcome)


@dataclass(slots=True)
class CommonTop:
    """The path that some paths have in common: the only one of them, or the directory above all of them.

    Attributes:
        parts: The names along the path; None if no path was added.
    """

    parts: tuple[str, ...] | None = None

    def add(self, parts: tuple[str, ...]) -> None:
        """Let the directory hold one more path."""
        top = self.parts
        if top is None:
            self.parts = parts
        elif len(parts) <= len(top) or parts[: len(top)] != top:
            pairs = zip(top, parts[:-1], strict=False)
            self.parts = top[: sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))]


@dataclass(slots=True)
class Summary:
    """The counts of a run, and each failure. Memory is constant, but for failures, kept and passed names.

    Attributes:
        stopped: Whether the run was stopped before its end.
        done: Files moved and verified.
        size: Their bytes.
        resumed: Bytes of these that an earlier run had fetched.
        unverified: Files of `done` of which only the size was compared; counted by `verify_receipt` alone.
        unverified_size: Their bytes.
        deleted: Names deleted.
        empty: Collections whose listing was empty twice.
        hides: Whether the store lists a collection that may not be read as an empty one (`Features.hides_forbidden`).
        skips: Files skipped, by the reason.
        kept: Outcomes in this state.
        passed: Outcomes in this state.
        failed: Outcomes in this state.
        remarks: Further sentences for the end.
        other_errors: Errors that are about no file of the run, such as a receipt that cannot be read in full.
        remote_top: The path on the storage below which all files lie that were moved.
        local_top: The same on this machine.
    """

    stopped: bool = False
    done: int = 0
    size: int = 0
    resumed: int = 0
    unverified: int = 0
    unverified_size: int = 0
    deleted: int = 0
    empty: int = 0
    hides: bool = False
    skips: Counter[str] = field(default_factory=Counter)
    kept: list[Outcome] = field(default_factory=list)
    passed: list[Outcome] = field(default_factory=list)
    failed: list[Outcome] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    other_errors: list[CtadataError] = field(default_factory=list)
    remote_top: CommonTop = field(default_factory=CommonTop)
    local_top: CommonTop = field(default_factory=CommonTop)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def skipped(self) -> int:
        """Files skipped, for any reason."""
        return self.skips.total()

    def add(self, outcome: Outcome) -> None:
        """Count one outcome. Any thread may call it."""
        with self._lock:
            match outcome.state:
                case State.DONE:
                    self.done += 1
                    self.size += outcome.size
                    self.resumed += outcome.resumed
                    self.remote_top.add(outcome.remote.parts)
                    if outcome.local is not None:
                        self.local_top.add(tuple(str(outcome.local).split("/")))
                case State.SKIPPED:
                    self.skips[outcome.why] += 1
                case State.DELETED:
                    self.deleted += 1
                case State.KEPT:
                    self.kept.append(outcome)
                case State.PASSED:
                    self.passed.append(outcome)
                case State.FAILED:
                    self.failed.append(outcome)

    def add_unverified(self, size: int) -> None:
        """Count a file of so many bytes of which only the size was compared. Any thread may call it."""
        with self._lock:
            self.unverified += 1
            self.unverified_size += size

    def add_empty(self, *, hides: bool) -> None:
        """Count a collection whose listing is empty. Any thread may call it."""
        with self._lock:
            self.empty += 1
            self.hides = hides

    @property
    def errors(self) -> Sequence[CtadataError]:
        """The error of each failure, then of each passed name that counts as a failure, then the other errors."""
        return [*(outcome.error for outcome in (*self.failed, *self.passed) if outcome.error), *self.other_errors]

    @property
    def exit_code(self) -> int:
        """The exit code.

        0; 6 if some files failed and some did not; the first error's if all failed; 8 if a file was kept.
        """
        if self.errors:
            some_done = self.done or self.skipped or self.deleted
            return PartialFailure(self.errors, [None] if some_done else []).code
        return 8 if self.kept else 0


@dataclass(frozen=True, slots=True)
class InvalidPath:
    """A path of a list that cannot be one. It is a failure of its own, and the run goes on.

    Attributes:
        error: The failure.
        base: The directory that the list starts from.
    """

    error: CtadataError
    base: RemotePath


class TooManyDeletions(UsageError):
    """A sync would delete more names than it may, so it has deleted none."""
