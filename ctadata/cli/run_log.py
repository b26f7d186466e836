"""The logs of a run: `--log-file` for people, `--log-json` for programs. No line shows a secret."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

from ctadata.cli.output import say
from ctadata.errors import CtadataError, LocalError, UsageError
from ctadata.http.redaction import redact
from ctadata.permissions import open_own_file
from ctadata.printable import escape_unprintable
from ctadata.progress.format import outcome_line, status_line
from ctadata.progress.periodic import Periodic
from ctadata.progress.plain import EVERY
from ctadata.progress.tally import Snapshot
from ctadata.transfer.report import Outcome, Reporter, State, TeeReporter

SCHEMA = 1
"""The version of the JSON objects; it grows when a key changes its meaning."""


class RunLog(logging.Handler):
    """Writes the events of a run, and what the package logs meanwhile, into files. Any thread may call it."""

    def __init__(self, text: _LogFile | None, json_lines: _LogFile | None) -> None:
        """Write lines for people into `text`, and JSON objects into `json_lines`; None: there is no such file."""
        super().__init__()
        self._text = text
        self._json = json_lines

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record of the package's log."""
        self.write(record.levelname.lower(), "log", record.getMessage())

    def write(
        self, level: str, event: str, reason: str, *, path: str | None = None, size: int | None = None, text: str = ""
    ) -> None:
        """Write one event.

        Args:
            level: `debug`, `info`, `warning` or `error`.
            event: `start`, `log`, `remark`, `progress` or `end`; for a file, the state in which it ended.
            reason: What happened and why, in words.
            path: The file on the storage that the event is about.
            size: The bytes that the event is about.
            text: The words for people, if they differ from `reason`.
        """
        now = datetime.now(UTC)
        if self._text:
            words = escape_unprintable(redact(text or reason))
            self._text.add(f"{now.astimezone().isoformat(timespec='seconds')} {level.upper():<7} {words}")
        if self._json:
            time = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            names = {"path": path and redact(path), "bytes": size, "reason": redact(reason)}
            self._json.add(json.dumps({"schema": SCHEMA, "time": time, "level": level, "event": event, **names}))

    def end_file(self, outcome: Outcome) -> None:
        """Write the end of one file."""
        failed = outcome.state is State.FAILED or outcome.error is not None
        reason = str(outcome.error) if outcome.error else outcome.why or outcome.verified
        path = "/".join(outcome.remote.parts)
        level = "error" if failed else "info"
        self.write(level, str(outcome.state), reason, path=path, size=outcome.size, text=outcome_line(outcome))

    @contextlib.contextmanager
    def follow(
        self, reporter: Reporter, take_snapshot: Callable[[], Snapshot], every: float | None
    ) -> Iterator[Reporter]:
        """Yield a reporter that passes everything on, and write outcomes, remarks and the progress meanwhile.

        Args:
            reporter: Receives everything.
            take_snapshot: Returns how far the run is.
            every: Seconds between two events of progress; 0 writes none, None takes `EVERY`.
        """

        def write_progress() -> None:
            now = take_snapshot()
            self.write("info", "progress", status_line(now), size=now.moved)

        with nullcontext() if every == 0 else Periodic(EVERY if every is None else every, write_progress):
            yield _LoggedReporter(reporter, self)


class _LoggedReporter(TeeReporter):
    def __init__(self, inner: Reporter, log: RunLog) -> None:
        super().__init__(inner, log.end_file)
        self._log = log

    def remarked(self, words: str) -> None:
        super().remarked(words)
        self._log.write("info", "remark", words)


@contextlib.contextmanager
def open_run_log(text: Path | None, json_lines: Path | None, command: str) -> Iterator[RunLog | None]:
    """Yield the log of the block; None if there is no file for it.

    Args:
        text: The file of `--log-file`.
        json_lines: The file of `--log-json`.
        command: The command line.

    Raises:
        UsageError: Both are one file, or a file is no regular file of this user.
        LocalError: The file system refuses.
    """
    if text is None and json_lines is None:
        yield None
        return
    if text and json_lines and os.path.realpath(text) == os.path.realpath(json_lines):
        raise UsageError("--log-file and --log-json need two files", path=str(text))
    with contextlib.ExitStack() as stack:
        files = [
            stack.enter_context(contextlib.closing(_LogFile(path))) if path else None for path in (text, json_lines)
        ]
        log, package = RunLog(*files), logging.getLogger("ctadata")
        level = package.level
        package.setLevel(min(level or logging.INFO, logging.INFO))
        package.addHandler(log)
        try:
            log.write("info", "start", command)
            yield log
        except CtadataError as error:
            log.write("error", "end", str(error))
            raise
        finally:
            package.removeHandler(log)
            package.setLevel(level)


class _LogFile:
    """A file that gets lines at its end; after an error it gets no more, and stderr says so when it is closed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._error = ""
        self._lock = threading.Lock()
        try:
            self._fd = open_own_file(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, what="log")
        except OSError as error:
            raise LocalError(f"local: {error.strerror}", path=str(path)) from None

    def add(self, line: str) -> None:
        """Write one line with one call, so that lines of several processes do not mix."""
        with self._lock:
            if not self._error:
                try:
                    os.write(self._fd, f"{line}\n".encode(errors="backslashreplace"))
                except OSError as error:
                    self._error = error.strerror or "it cannot be written"

    def close(self) -> None:
        os.close(self._fd)
        if self._error:
            say(f"{self._path}: the log is not complete: {self._error}")
