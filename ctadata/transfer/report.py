"""What a run tells while it goes on (Reporter) and at its end (Summary)."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from ctadata.errors import CtadataError, PartialFailure
from ctadata.paths import RemotePath


class State(StrEnum):
    """How the work on one file ended."""

    DONE = "done"
    SKIPPED = "skipped"
    KEPT = "kept"
    PASSED = "passed"
    DELETED = "deleted"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the work on one name ended.

    state:   DONE (moved and verified), SKIPPED (equal already), KEPT (it differs, and `no_clobber` keeps it),
             PASSED (nothing that can be copied: a socket, a link that leads nowhere, a key that no path can name; it
             counts as not done if it has an error), DELETED, FAILED. A dry run tells what the run would end with.
    remote:  the remote side.    local: the local side; None where there is none (a name that cannot be local).
    size:    bytes of the file.  seconds: how long it took.
    verified: what was compared, as `size, adler32`; empty where nothing moved.
    why:     for SKIPPED, KEPT, PASSED: the reason in words.
    error:   for FAILED; for PASSED if it counts as not done.
    digest:  of the content, `adler32:5ae07809`; empty where it is not known.
    etag:    of the version on the storage, quotes included; None where it is not known.
    retries: how often it was begun again.
    resumed: bytes of it that an earlier run had fetched.
    key:     for PASSED, the address of a key that no path can name; `remote` is then the collection above it.
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


class Reporter(Protocol):
    """Who is told; called from several threads at once."""

    def planned(self, files: int, size: int) -> None:
        """So many more files with so many bytes are known to be moved."""

    def moved(self, name: str, size: int) -> None:
        """Bytes of the file `name` went by; negative where bytes turned out void and start anew."""

    def ended(self, outcome: Outcome) -> None:
        """The work on one name ended."""

    def remarked(self, words: str) -> None:
        """A sentence that is worth knowing before the end."""


class NullReporter:
    """The reporter who tells nobody."""

    def planned(self, files: int, size: int) -> None:
        """Nothing."""

    def moved(self, name: str, size: int) -> None:
        """Nothing."""

    def ended(self, outcome: Outcome) -> None:
        """Nothing."""

    def remarked(self, words: str) -> None:
        """Nothing."""


class TeeReporter:
    """A reporter that also hands each outcome to `tell`, one at a time; `tell` raises nothing."""

    def __init__(self, inner: Reporter, tell: Callable[[Outcome], None]) -> None:
        """Everything goes to `inner` too."""
        self.inner = inner
        self._tell = tell
        self._lock = threading.Lock()

    def planned(self, files: int, size: int) -> None:
        """So many more."""
        self.inner.planned(files, size)

    def moved(self, name: str, size: int) -> None:
        """Bytes went by."""
        self.inner.moved(name, size)

    def remarked(self, words: str) -> None:
        """A sentence."""
        self.inner.remarked(words)

    def ended(self, outcome: Outcome) -> None:
        """One more has ended."""
        self.inner.ended(outcome)
        with self._lock:
            self._tell(outcome)


@dataclass(slots=True)
class Summary:
    """The counts of a run, and each failure; constant memory but for failures, kept and passed names.

    size, resumed: bytes of the files that were done, and how many of them an earlier run had fetched.
    skips:   how many were skipped, by the reason.
    empty:   collections that listed as empty, twice.
    hides:   whether the store lists those that may not be read in the same way.
    remarks: what else is to be told at the end, in sentences.
    stopped: the run was ended before its end.
    """

    stopped: bool = False
    done: int = 0
    size: int = 0
    resumed: int = 0
    deleted: int = 0
    empty: int = 0
    hides: bool = False
    skips: Counter[str] = field(default_factory=Counter)
    kept: list[Outcome] = field(default_factory=list)
    passed: list[Outcome] = field(default_factory=list)
    failed: list[Outcome] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def skipped(self) -> int:
        """How many were skipped, for whatever reason."""
        return self.skips.total()

    def add(self, outcome: Outcome) -> None:
        """Count one outcome; any thread."""
        with self._lock:
            match outcome.state:
                case State.DONE:
                    self.done += 1
                    self.size += outcome.size
                    self.resumed += outcome.resumed
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

    def add_empty(self, *, hides: bool) -> None:
        """Count a collection that listed as empty; any thread."""
        with self._lock:
            self.empty += 1
            self.hides = hides

    @property
    def errors(self) -> Sequence[CtadataError]:
        """The error of each failure, then of each name that was passed over and counts as not done."""
        return [outcome.error for outcome in (*self.failed, *self.passed) if outcome.error]

    @property
    def exit_code(self) -> int:
        """0; 6 where some files were done and some were not; else the first error's; 8 where a file was kept."""
        if self.errors:
            anything = self.done or self.skipped or self.deleted
            return PartialFailure(self.errors, [None] if anything else []).code
        return 8 if self.kept else 0


@dataclass(frozen=True, slots=True)
class InvalidPath:
    """A name of a list that cannot be one; that line's failure."""

    error: CtadataError
    base: RemotePath
