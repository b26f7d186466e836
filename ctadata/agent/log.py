"""The agent's log: a small private file that is rotated, without secrets."""

from __future__ import annotations

import logging
import logging.handlers
import os
from io import TextIOWrapper
from pathlib import Path

from ctadata.http.redaction import redact
from ctadata.system import open_file
from ctadata.tokens.files import local_error, read_private
from ctadata.tokens.profile_files import ProfileFiles

MAX_LOG_SIZE = 256 * 1024
"""The size of a log in bytes. One older log is kept."""


def begin_log(log: logging.Logger, path: Path) -> None:
    """Write a logger's records to the file as well.

    Raises:
        LocalError: The file cannot be opened.
    """
    handler = _PrivateLogFile(path, maxBytes=MAX_LOG_SIZE, backupCount=1)
    handler.setFormatter(_RedactingFormatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)


def last_lines(files: ProfileFiles, count: int) -> list[str]:
    """Return the last lines of the log, including those of the older file.

    Raises:
        LocalError: Others can read or write a log file.
    """
    older = files.agent_log.with_name(files.agent_log.name + ".1")
    texts = [read_private(path) or "" for path in (older, files.agent_log)]
    return "".join(texts).splitlines()[-count:]


class _PrivateLogFile(logging.handlers.RotatingFileHandler):
    def _open(self) -> TextIOWrapper:
        """Open the file with mode 0600, whatever the umask."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        try:
            return open(open_file(self.baseFilename, flags), "a", encoding="utf-8")  # noqa: PTH123
        except OSError as error:
            raise local_error(error, Path(self.baseFilename)) from None


class _RedactingFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """Format one record without anything that looks like a secret."""
        return redact(super().format(record))
