"""What a run tells while it goes on (Reporter) and at its end (Summary)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
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
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the work on one name ended.

    state:   DONE (moved and verified), SKIPPED (equal already), KEPT (it differs, and `no_clobber` keeps it),
             PASSED (nothing that can be copied: a socket, a dangling link), FAILED.
    remote:  the remote side.    local: the local side; None where there is none (a name that cannot be local).
    size:    bytes of the file.  seconds: how long it took.
    verified: what was compared, as `size, adler32`; empty where nothing moved.
    why:     for SKIPPED, KEPT, PASSED: the reason in words.
    error:   for FAILED.
    """

    state: State
    remote: RemotePath
    local: Path | None = None
    size: int = 0
    seconds: float = 0.0
    verified: str = ""
    why: str = ""
    error: CtadataError | None = None


class Reporter(Protocol):
    """Who is told; called from several threads at once."""

    def planned(self, files: int, size: int) -> None:
        """So many more files with so many bytes are known to be moved."""

    def moved(self, name: str, size: int) -> None:
        """Bytes of the file `name` went by; negative where bytes turned out void and start anew."""

    def ended(self, outcome: Outcome) -> None:
        """The work on one name ended."""


class Silent:
    """The reporter who tells nobody."""

    def planned(self, files: int, size: int) -> None:
        """Nothing."""

    def moved(self, name: str, size: int) -> None:
        """Nothing."""

    def ended(self, outcome: Outcome) -> None:
        """Nothing."""


@dataclass(slots=True)
class Summary:
    """The counts of a run, and each failure; constant memory but for failures, kept and passed names."""

    done: int = 0
    skipped: int = 0
    size: int = 0
    kept: list[Outcome] = field(default_factory=list)
    passed: list[Outcome] = field(default_factory=list)
    failed: list[Outcome] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, outcome: Outcome) -> None:
        """Count one outcome; any thread."""
        with self._lock:
            if outcome.state is State.DONE:
                self.done += 1
                self.size += outcome.size
            elif outcome.state is State.SKIPPED:
                self.skipped += 1
            else:
                {State.KEPT: self.kept, State.PASSED: self.passed, State.FAILED: self.failed}[outcome.state].append(
                    outcome
                )

    @property
    def errors(self) -> Sequence[CtadataError]:
        """The error of each failure."""
        return [outcome.error for outcome in self.failed if outcome.error]

    @property
    def exit_code(self) -> int:
        """0; 6 where some files were done and some failed; else the first failure's; 8 where a file was kept."""
        if self.failed:
            anything = self.done or self.skipped
            return PartialFailure(self.errors, [None] if anything else []).code
        return 8 if self.kept else 0
