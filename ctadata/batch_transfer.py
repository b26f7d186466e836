"""Move the files of a run in other processes: what a worker does, and the processes of this machine.

The name of the profile travels to a worker, with paths and options. The worker finds settings and token by itself. No
token and no connection travels.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from ctadata.config.profile import Profile
from ctadata.config.resolve import COMMAND_LINE, Resolved, resolve_profile
from ctadata.errors import CtadataError, UsageError
from ctadata.resources import usable_processors
from ctadata.session import Session
from ctadata.system import keep_signal_mask, unblock_signal
from ctadata.transfer.batches import Batches, BatchResult
from ctadata.transfer.download_target import DownloadTarget
from ctadata.transfer.download_task import download_files
from ctadata.transfer.helper_processes import HelperProcesses
from ctadata.transfer.plan import Rules
from ctadata.transfer.record_cache import directory
from ctadata.transfer.records import Records
from ctadata.transfer.report import NullReporter, Outcome, TeeReporter
from ctadata.transfer.upload_task import UploadItem, upload_files

if TYPE_CHECKING:
    from ctadata.transfer.run import Item

USUAL_AT_ONCE = 8
"""The number of batches in work at the same time, for an executor that does not say how many workers it has."""

AHEAD = 2
"""The number of batches for each process of `LocalProcesses`: one in work, and the next one."""

_stop = threading.Event()
"""Stops the batches of this process."""

_caller_ended = threading.Event()
"""Set in a process of `LocalProcesses` when the caller stops it, or has died."""


@dataclass(frozen=True, slots=True)
class BatchTransfer:
    """Moves the files of a batch, in a worker.

    Attributes:
        profile: The name of the profile; it must exist where the worker runs.
        explicit: Whether the user named the profile. Then a token from the environment is not used.
        token_file: A file with the token to use, instead of all other sources.
        pinned: Whether the user set the number of jobs. Then the answers of the servers do not change it.
        at_once: The number of processes at the same time, on all machines, that share the limit of requests.
    """

    profile: str
    explicit: bool = False
    token_file: Path | None = None
    pinned: bool = False
    at_once: int = 1

    @classmethod
    def of(cls, resolved: Resolved, token_file: Path | None = None) -> BatchTransfer:
        """Return the work for the profile of the caller.

        Args:
            resolved: The profile, and where it came from.
            token_file: A file with the token to use, instead of all other sources.
        """
        pinned = resolved.values["jobs"].origin == COMMAND_LINE
        absolute = None if token_file is None else token_file.absolute()
        return cls(resolved.profile.name, resolved.explicit, absolute, pinned)

    def __call__(self, items: Sequence[Item], rules: Rules) -> BatchResult:
        """Move the files, and return their outcomes.

        Args:
            items: The files: `DownloadTarget`s, or else `UploadItem`s.
            rules: The worker's share of the rules.
        """
        outcomes: list[Outcome] = []
        try:
            resolved = resolve_profile(self.profile, overrides={"jobs": str(rules.jobs)} if self.pinned else {})
            session = _open_session(_Settings(resolved, self, rules.jobs))
            run = session.run(rules, TeeReporter(NullReporter(), outcomes.append))
            run.records = Records(session.profile.address, directory(), sends=True)
            downloads = [item for item in items if isinstance(item, DownloadTarget)]
            uploads = [item for item in items if isinstance(item, UploadItem)]
            summary = download_files(run, downloads) if downloads else upload_files(run, uploads)
        except CtadataError as error:
            return BatchResult(outcomes, error=error)
        except BaseException:
            _open_session.cache_clear()
            if not _caller_ended.is_set():
                _stop.clear()  # the run has set it to end its threads
            raise
        return BatchResult(outcomes, summary.remarks, run.records.sent or [])


@dataclass(frozen=True, slots=True)
class _Settings:
    """The settings of a session; two are equal if the session of one serves the other."""

    resolved: Resolved = field(compare=False)
    work: BatchTransfer
    jobs: int
    profile: Profile = field(init=False)

    def __post_init__(self) -> None:
        jobs = self.jobs * self.work.at_once  # of all workers together
        object.__setattr__(self, "profile", dataclasses.replace(self.resolved.profile, jobs=jobs))


@functools.lru_cache(maxsize=1)
def _open_session(settings: _Settings) -> Session:
    """Open a session. It stays open, with its connections, for the next batches of this process."""
    resolved = dataclasses.replace(settings.resolved, profile=settings.profile, explicit=settings.work.explicit)
    work = settings.work
    return Session.open(resolved, token_file=work.token_file, stop=_stop, at_once=work.at_once)


class LocalProcesses:
    """Makes pools of processes on this machine, and stops the processes.

    The processes are spawned, never forked: a fork of a process with threads may wait for a lock for ever.
    """

    def __init__(self, count: int) -> None:
        """Start no process yet.

        Args:
            count: The number of processes.
        """
        self.count = count
        self._context = multiprocessing.get_context("spawn")
        self._for_workers, self._own_end = self._context.Pipe(duplex=False)
        keep_signal_mask(resource_tracker.ensure_running)  # it unblocks Ctrl-C and SIGTERM, which a command has blocked

    def __call__(self) -> Executor:
        """Return a pool; its processes start with its first batches."""
        start = functools.partial(ProcessPoolExecutor, self.count, mp_context=self._context)
        return start(initializer=_begin_worker, initargs=(self._for_workers,))

    def stop(self) -> None:
        """Stop the processes in the middle of their batches."""
        self._own_end.close()
        self._for_workers.close()


def _begin_worker(caller: Connection) -> None:
    """Prepare a process of `LocalProcesses`: the caller alone stops it, and it ends after the caller."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the caller too
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    unblock_signal(signal.SIGTERM)  # a command blocks it
    logging.getLogger("ctadata").addHandler(logging.NullHandler())  # the caller logs the same
    threading.Thread(target=_end_with_caller, args=(caller,), daemon=True).start()


def _end_with_caller(caller: Connection) -> None:
    with contextlib.suppress(OSError, EOFError):
        caller.recv_bytes()  # ends when the caller has closed its end, or is dead
    _caller_ended.set()
    _stop.set()
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextlib.contextmanager
def run_in_workers(
    session: Session, work: BatchTransfer, executor: Executor | Callable[[], Executor] | int, at_once: int | None = None
) -> Iterator[None]:
    """Let an executor move the files of the session's runs, while the block lasts.

    Args:
        session: The session of the caller.
        work: The work on a batch.
        executor: An executor; a callable that makes one, and a new one each time that one is broken; or the number of
            processes of this machine that move files at most. The caller is one of them; the others start once it is
            measured that they help.
        at_once: The number of batches in work at the same time. None: as many as the executor has workers.

    Raises:
        UsageError: The executor forks, has another type, or a number is not valid.
    """
    if not (isinstance(executor, int | Executor) or callable(executor)):
        raise _executor_error(executor)
    if not isinstance(at_once, int | None):
        raise UsageError(f"at_once is a whole number or None, not {at_once!r}")
    if (isinstance(executor, int) and executor < 1) or (at_once is not None and at_once < 1):
        raise UsageError("the number of processes, or of batches at once, is at least 1")
    if isinstance(executor, int):
        most = min(executor, usable_processors()) - 1
        session.task_runner = HelperProcesses(most, functools.partial(_start_helpers, session, work)) if most else None
    else:
        made, make = (executor, None) if isinstance(executor, Executor) else (executor(), executor)
        if not isinstance(made, Executor):
            raise _executor_error(made)
        at_once = at_once or _worker_count(_refuse_fork(made))
        session.task_runner = Batches(dataclasses.replace(work, at_once=at_once), made, at_once, make)
    try:
        yield
    finally:
        session.task_runner = None


def _executor_error(value: object) -> UsageError:
    words = "the executor is an Executor, a callable that makes one, or a whole number of processes"
    return UsageError(f"{words}, not {value!r}")


def _start_helpers(session: Session, work: BatchTransfer, count: int) -> Batches:
    """Start so many processes. Until they are stopped, this one has its share of the limit of requests."""
    session.limit.divide(count + 1)
    processes = LocalProcesses(count)
    work = dataclasses.replace(work, at_once=(count + 1) * session.limit.tasks)

    def stop() -> None:
        processes.stop()
        session.limit.divide(1)

    return Batches(work, processes(), AHEAD * count, processes, stop, shares=count + 1)


def _worker_count(executor: Executor) -> int:
    """Return how many workers an executor of the standard library or of mpi4py has."""
    for name in ("num_workers", "_max_workers"):
        count = getattr(executor, name, None)
        if isinstance(count, int) and count > 0:
            return count
    return USUAL_AT_ONCE


def _refuse_fork(executor: Executor) -> Executor:
    """Return the executor; raise UsageError if it forks."""
    context = getattr(executor, "_mp_context", None)
    if context is not None and context.get_start_method() == "fork":
        raise UsageError(
            "this executor forks, and a fork of a process with threads may hang",
            hint="ProcessPoolExecutor(4, mp_context=multiprocessing.get_context('spawn')), or executor=4",
        )
    return executor
