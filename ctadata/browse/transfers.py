"""The queue of transfers: one after the other in a thread of its own, each with its own session and its own stop."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from ctadata.browse.places import OpenSession, Place, local_path
from ctadata.entries import Entry
from ctadata.errors import CtadataError, Stopped, UsageError
from ctadata.paths import RemotePath
from ctadata.progress import units
from ctadata.progress.counting import CountingReporter
from ctadata.progress.format import outcome_lines, progress_line
from ctadata.progress.tally import Snapshot
from ctadata.session import Session
from ctadata.transfer.plan import Rules
from ctadata.transfer.report import Reporter, Summary


class JobState(StrEnum):
    """The state of a transfer."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"


class JobReporter(CountingReporter):
    """Counts what one transfer reports, for the bar that the screen draws, and keeps its sentences."""

    def __init__(self) -> None:
        """Count from zero."""
        super().__init__()
        self.remarks: list[str] = []

    def remarked(self, words: str) -> None:
        """Keep a sentence for the list of transfers."""
        self.remarks.append(words)


Work = Callable[[threading.Event, Reporter], Sequence[Summary]]
"""Moves the files of one transfer, and returns one summary or several."""


@dataclass(eq=False, slots=True)
class Job:
    """One transfer.

    Attributes:
        title: What it does, in words.
        line: The command line that does the same.
        work: Moves the files.
        state: Where it stands.
        reporter: The counts.
        stop: Ends the transfer.
        messages: What failed and why, and what else the user should know, at its end.
        files: Files moved.
        size: Their bytes.
    """

    title: str
    line: str
    work: Work
    state: JobState = JobState.WAITING
    reporter: JobReporter = field(default_factory=JobReporter)
    stop: threading.Event = field(default_factory=threading.Event)
    messages: list[str] = field(default_factory=list)
    files: int = 0
    size: int = 0

    @property
    def snapshot(self) -> Snapshot:
        """The progress at this moment."""
        return self.reporter.tally.snapshot()

    @property
    def progress(self) -> str:
        """Where it stands, in words."""
        if self.state is JobState.RUNNING:
            return progress_line(self.snapshot)
        if self.state is JobState.WAITING:
            return "waiting"
        first = f": {self.messages[0]}" if self.messages else ""
        return f"{self.state}, {units.files(self.files)} ({units.size(self.size)}){first}"

    def run(self) -> None:
        """Move the files. A failure is a state, and its words are kept."""
        if self.stop.is_set():
            self.state = JobState.STOPPED
            return
        self.reporter = JobReporter()  # its time begins now
        self.state, summaries = JobState.RUNNING, list[Summary]()
        try:
            summaries = list(self.work(self.stop, self.reporter))
        except Stopped:
            self.stop.set()
        except CtadataError as error:
            self.messages.append(str(error))
        for summary in summaries:
            self.files, self.size = self.files + summary.done, self.size + summary.size
            self.messages += outcome_lines([*summary.failed, *summary.passed, *summary.kept])
            self.messages += summary.remarks
        failed = bool(self.messages) and not all(summary.exit_code in (0, 8) for summary in summaries or [Summary()])
        failed = failed or bool(self.messages and not summaries)
        self.messages += self.reporter.remarks
        stopped = self.stop.is_set() or any(summary.stopped for summary in summaries)
        self.state = JobState.STOPPED if stopped else JobState.FAILED if failed else JobState.DONE


class Transfers:
    """The queue. `on_end` is called in its thread when a transfer has ended."""

    def __init__(self, on_end: Callable[[Job], object]) -> None:
        """Start no thread before the first transfer."""
        self.jobs: list[Job] = []
        self._on_end = on_end
        self._waiting: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def add(self, job: Job) -> None:
        """Put a transfer at the end of the queue."""
        self.jobs.append(job)
        self._waiting.put(job)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="transfers", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while (job := self._waiting.get()) is not None:
            job.run()
            self._on_end(job)

    @property
    def unfinished(self) -> list[Job]:
        """The transfers that wait or run."""
        return [job for job in self.jobs if job.state in (JobState.WAITING, JobState.RUNNING)]

    def close(self) -> None:
        """Stop all transfers, and wait for the one that runs: what has arrived of its files is kept."""
        for job in self.unfinished:
            job.stop.set()
        self._waiting.put(None)
        if self._thread:
            self._thread.join()


def transfer_work(
    open_session: OpenSession, source: Place, entries: Sequence[Entry], target: Place, into: RemotePath, *, keep: bool
) -> Work:
    """Return the work that copies entries into a directory of another place.

    Args:
        open_session: Opens the sessions of the transfer, apart from those of the panes.
        source: The place of the entries.
        entries: Files and directories.
        target: The place of the directory.
        into: The directory.
        keep: Existing files that differ are kept, not replaced.

    Raises:
        UsageError: Both places are this machine.
    """
    rules, texts = Rules(no_clobber=keep), [str(entry.path) for entry in entries]
    if source.profile is None and target.profile is None:
        raise UsageError("both panes show this machine", hint="choose a profile in one of them with F9")

    def move(stop: threading.Event, reporter: Reporter) -> Sequence[Summary]:
        with contextlib.ExitStack() as stack:

            def enter(profile: str) -> Session:
                session = stack.enter_context(open_session(profile, stop))
                session.is_literal = True
                return session

            if source.profile is None:
                assert target.profile is not None
                local = [str(local_path(entry.path)) for entry in entries]
                session = enter(target.profile)
                return [session.put(local, f"{into}/", recursive=True, rules=rules, reporter=reporter)]
            if target.profile is None:
                session = enter(source.profile)
                local_dir = f"{local_path(into)}/"
                return [session.get(texts, local_dir, recursive=True, rules=rules, reporter=reporter)]
            return _copy(enter(source.profile), enter(target.profile), entries, into, rules, reporter)

    return move


def _copy(
    origin: Session, target: Session, entries: Sequence[Entry], into: RemotePath, rules: Rules, reporter: Reporter
) -> list[Summary]:
    from ctadata.site_copy import CopyMode, copy_between, must_pass_through, refuse_copy_onto_itself

    mode, summaries = CopyMode(through=must_pass_through(origin, target)), []
    for entry in entries:
        to = into / entry.path.name
        refuse_copy_onto_itself(origin, target, entry.path, to)
        summaries.append(copy_between(origin, target, entry, to, mode=mode, rules=rules, reporter=reporter))
    return summaries
