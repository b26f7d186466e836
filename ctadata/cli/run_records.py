"""The records of runs: one small file for each, so that another terminal can look at a run, and at the last ones.

The files are in the state directory, which several machines may share. Only their owner can read them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ctadata import system
from ctadata.errors import CtadataError, NotFound, UsageError
from ctadata.http.redaction import redact
from ctadata.paths import user_directory
from ctadata.process_identity import host_name
from ctadata.progress.periodic import Periodic
from ctadata.progress.tally import Snapshot, percent_done
from ctadata.tokens.files import make_private_directory, read_private
from ctadata.transfer import temp_names

log = logging.getLogger(__name__)

KEPT = 100
"""The number of records that are kept; the oldest ones are removed."""

EVERY = 5.0
"""Seconds between two writings of a run that goes on."""

SILENT = 300.0
"""Seconds after which a run on another machine counts as ended, because it writes no more; clocks differ less."""

RUNNING, DONE, FAILED, STOPPED, LOST = "running", "done", "failed", "stopped", "ended without a word"


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What is known of a run. Times are seconds since 1970, sizes bytes.

    Attributes:
        id: The name of the run.
        state: `running`, `done`, `failed` or `stopped`; also `ended without a word`, if its process is gone.
        action: `get`, `put`, `copy`, `alias` or `verify`.
        command: The command line, without secrets.
        directory: The working directory.
        profile: The profile's name.
        host: The machine.
        pid: The process.
        process: The machine, its boot, the process and its start, as the name of a temporary has them.
        began: When the run began.
        updated: When this was written.
        ended: When the run ended; None: it has not.
        exit_code: Its exit code; None if it has not ended, or if a signal ended it.
        files: Files that are known.
        files_done: Files that ended.
        files_failed: Files that failed.
        size: Bytes that are known.
        moved: Bytes that have moved.
        rate: Bytes per second.
        receipt: The path of the receipt.
        log: The path of the log.
        destination: The path of what was moved, from the end of the run on.
        message: The last line of the run, or its error.
    """

    id: str
    state: str
    action: str
    command: str
    directory: str
    profile: str
    host: str
    pid: int
    process: str
    began: float
    updated: float
    ended: float | None = None
    exit_code: int | None = None
    files: int = 0
    files_done: int = 0
    files_failed: int = 0
    size: int = 0
    moved: int = 0
    rate: float = 0.0
    receipt: str | None = None
    log: str | None = None
    destination: str | None = None
    message: str = ""

    @property
    def percent(self) -> int:
        """The share of the bytes that have moved, or of the files that ended."""
        return percent_done(self.moved, self.size, self.files_done, self.files)


@dataclass(slots=True)
class RunRecorder:
    """Keeps the record of the run of this process. A record that cannot be written is no error of the run."""

    record: RunRecord
    take_snapshot: Callable[[], Snapshot]
    folder: Path

    def update(self) -> None:
        """Write how far the run is."""
        now = self.take_snapshot()
        self.record = dataclasses.replace(
            self.record,
            updated=time.time(),
            files=now.planned,
            files_done=now.done,
            files_failed=now.failed,
            size=now.size,
            moved=now.moved,
            rate=round(now.rate, 1),
        )
        self._write()

    def end(self, state: str, exit_code: int | None, message: str, destination: str | None = None) -> None:
        """Keep how the run ended; it is written when the block of `record_run` ends."""
        self.record = dataclasses.replace(
            self.record, state=state, exit_code=exit_code, message=redact(message), destination=destination
        )

    def _write(self) -> None:
        new = self.folder / f".{self.record.id}.new"
        try:
            fd = system.open_file(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            with os.fdopen(fd, "w", encoding="ascii") as file:
                json.dump(dataclasses.asdict(self.record), file)
            system.replace_path(new, self.folder / f"{self.record.id}.json")
        except OSError as error:
            log.debug("the record of the run cannot be written: %s", error)


@contextlib.contextmanager
def record_run(record: RunRecord | None, take_snapshot: Callable[[], Snapshot]) -> Iterator[RunRecorder | None]:
    """Keep the record of a run in the block, and yield its recorder; None if there is none.

    Args:
        record: The record at the beginning; None keeps none.
        take_snapshot: Returns how far the run is.
    """
    folder = records_folder()
    try:
        if record is not None:
            make_private_directory(folder)
            _remove_old(folder)
    except (CtadataError, OSError) as error:
        log.debug("the run has no record: %s", error)
        record = None
    if record is None:
        yield None
        return
    recorder = RunRecorder(record, take_snapshot, folder)
    recorder.update()
    try:
        with Periodic(EVERY, recorder.update):
            yield recorder
    except CtadataError as error:
        recorder.end(FAILED, error.exit_code, str(error))
        raise
    finally:
        if recorder.record.state == RUNNING:
            recorder.end(STOPPED, None, "")
        recorder.record = dataclasses.replace(recorder.record, ended=time.time())
        recorder.update()


def begin_record(
    action: str, command: str, profile: str, receipt: Path | None = None, log_file: Path | None = None
) -> RunRecord:
    """Return the record of a run of this process that begins now."""
    now = time.time()
    return RunRecord(
        id=secrets.token_hex(3),
        state=RUNNING,
        action=action,
        command=command,
        directory=str(Path.cwd()),
        profile=profile,
        host=host_name(),
        pid=os.getpid(),
        process=temp_names.new_name(),
        began=now,
        updated=now,
        receipt=str(receipt.absolute()) if receipt else None,
        log=str(log_file.absolute()) if log_file else None,
    )


def records_folder() -> Path:
    """Return the directory of the records."""
    return user_directory("state") / "runs"


def read_records(now: float | None = None) -> list[RunRecord]:
    """Return the records of all runs: those that go on first, then the newest first.

    A run whose process is gone has the state `ended without a word`. A file that is no record is left out.

    Args:
        now: Seconds since 1970; None: the current time.
    """
    records = []
    for path in records_folder().glob("*.json"):
        with contextlib.suppress(CtadataError, ValueError, TypeError):
            fields: Any = json.loads(read_private(path) or "")
            record = RunRecord(**fields)
            is_lost = record.state == RUNNING and _is_gone(record, time.time() if now is None else now)
            records.append(dataclasses.replace(record, state=LOST) if is_lost else record)
    return sorted(records, key=lambda record: (record.state != RUNNING, -record.began))


def find_record(text: str) -> RunRecord:
    """Return the record of the run that an id, or the beginning of one, names.

    Raises:
        NotFound: There is no such run.
        UsageError: Several ids begin so.
    """
    found = [record for record in read_records() if text and record.id.startswith(text)]
    if not found:
        raise NotFound("there is no such run", hint="the command runs lists them", path=text)
    if len(found) > 1:
        raise UsageError(f"{len(found)} runs begin so", path=text)
    return found[0]


def _is_gone(record: RunRecord, now: float) -> bool:
    gone = temp_names.is_process_gone(record.process)
    return now - record.updated > SILENT if gone is None else gone


def _remove_old(folder: Path) -> None:
    """Remove the files that were written longest ago, so that a new record has its place."""
    with os.scandir(folder) as files:
        written = sorted((file.stat(follow_symlinks=False).st_mtime, file.path) for file in files)
    for _, path in written[: max(0, len(written) - KEPT + 1)]:
        Path(path).unlink(missing_ok=True)
