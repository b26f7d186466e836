"""Write to stdout and stderr: data goes to stdout, messages go to stderr.

Every start imports this module, so its functions import what only some commands need.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import io
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar, TextIO

DIRECT, PLATFORM = "cta-data-direct", "cta-data"
PROGRAM = PLATFORM if os.path.basename(sys.argv[0]) in (PLATFORM, "ctadata") else DIRECT  # noqa: PTH119
"""The name that the program was called by: one goes straight to the storage, the other through the platform."""
LINES = 1000
"""The number of lines that are written with one call, if they come at once."""
SCHEMA = 1
"""The version of the objects that `--json` writes; it grows when a key changes its meaning."""


def prepare_streams() -> None:
    """Prepare stdin, stdout and stderr for any name, and for streams that the caller has closed.

    A pipe gets the bytes of a name unchanged; a terminal gets escapes for characters that its encoding lacks.

    The null device takes the descriptor of a closed stream. Otherwise the next file that is opened would get that
    descriptor, and the messages of a library would go into the file. Messages for a closed stderr are lost. A write to
    a closed stdout raises OSError (EBADF), as a write to a full disk does (ENOSPC).
    """
    for number in range(3):
        _open_null_device(number)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    if sys.stdout is None:
        sys.stdout = _ClosedStdout()
    if stdout_is_terminal():
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    else:
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape", line_buffering=False)  # type: ignore[union-attr]
        _PipeWriter.current = _PipeWriter(sys.stdout)


def _open_null_device(number: int) -> None:
    try:
        os.fstat(number)
    except OSError:
        null = os.open(os.devnull, os.O_RDONLY if number == 1 else os.O_RDWR)  # a write to it must fail
        if null != number:
            os.dup2(null, number)
            os.close(null)


class _ClosedStdout(io.TextIOWrapper):
    """The stand-in for a stdout that the caller has closed: a flush of written text fails."""

    def __init__(self) -> None:
        """Open the null device for reading only, so that writes fail."""
        super().__init__(io.BufferedWriter(io.FileIO(os.open(os.devnull, os.O_RDONLY), "w")))


def open_stdout() -> TextIO:
    """Return stdout.

    Raises:
        OSError: The caller has closed stdout (EBADF).
    """
    if isinstance(sys.stdout, _ClosedStdout):
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    return sys.stdout


def open_stdin() -> TextIO:
    """Return stdin.

    Raises:
        LocalError: The caller has closed stdin.
        UsageError: stdin is a terminal, and `--no-input` is given.
    """
    stream = sys.stdin
    if stream is None:
        from ctadata.errors import LocalError

        raise LocalError("local: standard input is closed")
    if os.environ.get("CTADATA_NO_INPUT") and stream.isatty():
        from ctadata.errors import UsageError

        raise UsageError("standard input is a terminal, and --no-input forbids to read from it")
    return stream


def leave_lost_terminal(error: OSError) -> bool:
    """Return whether stdout was a terminal that has hung up, and connect it to the null device then.

    Args:
        error: The error of a write to stdout.
    """
    if error.errno != errno.EIO or not stdout_is_terminal():
        return False
    discard(sys.stdout)
    return True


def end_output() -> None:
    """End the output of a command: its thread no longer writes to stdout."""
    if _PipeWriter.current:
        _PipeWriter.current.end()
        _PipeWriter.current = None


@functools.cache
def stdout_is_terminal() -> bool:
    """Whether stdout is a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


def write_line(line: str) -> None:
    """Write one line to stdout; on a terminal, with escapes for control characters."""
    write_text((_escape(line) if stdout_is_terminal() else line) + "\n")


def write_lines(lines: Iterable[str]) -> None:
    """Write lines to stdout that all come at once, many with one call; those before an error are written too."""
    group: list[str] = []

    def write_group() -> None:
        text = "\n".join([*group, ""])
        group.clear()
        write_text(text)

    try:
        for line in map(_escape, lines) if stdout_is_terminal() else lines:
            group.append(line)
            if len(group) == LINES:
                write_group()
    finally:
        write_group()


def _escape(line: str) -> str:
    from ctadata.printable import escape_unprintable

    return escape_unprintable(line)


def write_text(text: str) -> None:
    """Write text to stdout unchanged."""
    if _PipeWriter.current:
        _PipeWriter.current.write(text)
    else:
        print(text, end="")  # noqa: T201


class _PipeWriter:
    """Writes lines into a pipe: the first line after a pause at once, later ones together every `EVERY` seconds.

    A reader sees each line soon, and many lines cost few writes.
    """

    EVERY = 0.1
    current: ClassVar[_PipeWriter | None] = None

    def __init__(self, stream: TextIO, pause: Callable[[float], bool] | None = None) -> None:
        """Write to `stream`.

        Args:
            stream: The text stream of the pipe.
            pause: Waits so many seconds, and returns whether the output has ended; tests replace it.
        """
        self._stream = stream
        self._lock = threading.Lock()
        self._waiting = threading.Event()
        self._over = threading.Event()
        self._pause = pause or self._over.wait
        self._thread: threading.Thread | None = None
        self._due = 0.0

    def write(self, text: str) -> None:
        """Write text, and flush it now or at most `EVERY` seconds later.

        Raises:
            OSError: The pipe takes no more.
        """
        with self._lock:
            self._stream.write(text)
            if time.monotonic() >= self._due:
                self._flush()
            elif not self._waiting.is_set():
                self._waiting.set()
                self._thread = self._thread or self._start()

    def flush(self) -> None:
        """Flush all text.

        Raises:
            OSError: The pipe takes no more.
        """
        with self._lock:
            self._flush()

    def end(self) -> None:
        """End the thread, unless a slow reader blocks it; the caller flushes the rest."""
        self._over.set()
        self._waiting.set()
        if self._thread:
            self._thread.join(self.EVERY)

    def _flush(self) -> None:
        self._waiting.clear()
        self._stream.flush()
        self._due = time.monotonic() + self.EVERY

    def _start(self) -> threading.Thread:
        thread = threading.Thread(target=self._flush_later, name="ctadata-output", daemon=True)
        thread.start()
        return thread

    def _flush_later(self) -> None:
        while self._waiting.wait() and not self._pause(self.EVERY):
            with self._lock, contextlib.suppress(OSError, ValueError):  # the next write raises it again
                if self._waiting.is_set():
                    self._flush()


def write_json(fields: Mapping[str, object]) -> None:
    """Write a JSON object on one line of stdout, in ASCII, with `schema` as its first key."""
    write_line(json.dumps({"schema": SCHEMA, **fields}))


def say(text: str) -> None:
    """Print one line to stderr after the program's name, without secrets and without control characters."""
    from ctadata.http.redaction import redact
    from ctadata.printable import escape_unprintable

    say_raw(f"{PROGRAM}: {escape_unprintable(redact(text))}")


def say_raw(text: str) -> None:
    """Print lines to stderr unchanged, after flushing stdout; a stderr that takes nothing is no error."""
    with contextlib.suppress(OSError, ValueError):
        if _PipeWriter.current:
            _PipeWriter.current.flush()
    with contextlib.suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)  # noqa: T201


def in_red(text: str) -> str:
    """Return the text in red if stderr is a terminal with colours, and unchanged otherwise."""
    plain = any(os.environ.get(name) for name in ("NO_COLOR", "CTADATA_NO_COLOR"))
    if plain or not sys.stderr.isatty() or os.environ.get("TERM", "dumb") in ("dumb", "unknown"):
        return text
    return f"\x1b[31m{text}\x1b[0m"


def format_rfc3339(seconds: float | None) -> str | None:
    """Return a time as `2026-08-01T12:00:00Z` (RFC 3339, UTC, whole seconds).

    Args:
        seconds: Seconds since 1970.

    Returns:
        The text; None for None and for a time outside the years 1 to 9999.
    """
    if seconds is None or not 0 <= seconds + 62135596800 < 315537897600:  # from the year 1 to 9999
        return None
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def discard(stream: TextIO) -> None:
    """Send all further output of this stream to the null device, also what Python flushes at exit."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def discard_if_full(stream: TextIO) -> None:
    """Flush the stream; if that fails, discard its text: Python would exit with 120 otherwise."""
    try:
        stream.flush()
    except (OSError, ValueError):
        discard(stream)
