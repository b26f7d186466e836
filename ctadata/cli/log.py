"""The package's log on stderr: warnings; with `-v` the steps, with `-v -v` all details; without secrets."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from ctadata.cli.output import PROGRAM, say_raw
from ctadata.http.redaction import redact
from ctadata.printable import escape_unprintable


class StderrLog(logging.Handler):
    """Writes the log records of the package to stderr; details have the time and the module."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; it may have the lines of a traceback."""
        text = redact(self.format(record))
        say_raw("\n".join(escape_unprintable(line) for line in text.splitlines()))

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of one record."""
        if record.levelno >= logging.WARNING:
            return f"{PROGRAM}: {record.levelname.lower()}: {super().format(record)}"
        if record.levelno >= logging.INFO:
            return f"{PROGRAM}: {super().format(record)}"
        return f"{datetime.now(UTC):%H:%M:%S.%f} {record.name}: {super().format(record)}"


def start_log(verbose: int, *, quiet: bool) -> None:
    """Send the package's log to stderr.

    Args:
        verbose: 0 for warnings, 1 for the steps too, 2 for all details.
        quiet: Errors only, unless `verbose` is set.
    """
    log = logging.getLogger("ctadata")
    level = logging.DEBUG if verbose > 1 else logging.INFO if verbose else logging.WARNING
    level = logging.ERROR if quiet and not verbose else level
    log.setLevel(level)
    if not log.handlers:
        log.addHandler(StderrLog())
        log.propagate = False
    for handler in log.handlers:
        handler.setLevel(level)  # the log of a run may ask the package for more
