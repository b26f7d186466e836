"""What is written where: data on stdout, words on stderr; text for people, JSON for programs.

This module is read at every start, so it imports late what not every command needs.
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
from collections.abc import Callable, Mapping
from typing import ClassVar, TextIO

DIRECT, PLATFORM = "cta-data-direct", "cta-data"
PROGRAM = PLATFORM if os.path.basename(sys.argv[0]) in (PLATFORM, "ctadata") else DIRECT  # noqa: PTH119
"""What we are called as: the one program goes straight to the storage, the other through the platform's services."""
SCHEMA = 1
"""Version of the objects that `--json` writes; grows when one changes its meaning."""


def prepare_streams() -> None:
    """Names go out as they are into a pipe, as escapes to a terminal that lacks their letters.

    The null device takes the number of a standard stream that the caller has closed. Otherwise the next file that is
    opened would get that number, and the words of a library would go into it. Words for a closed stderr are lost. What
    is written to a closed stdout is an OSError (EBADF), as it is on a full disk (ENOSPC).
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
        nowhere = os.open(os.devnull, os.O_RDONLY if number == 1 else os.O_RDWR)  # who writes to a closed one is told
        if nowhere != number:
            os.dup2(nowhere, number)
            os.close(nowhere)


class _ClosedStdout(io.TextIOWrapper):
    """A standard output that the caller has closed: to write to it fails at the flush."""

    def __init__(self) -> None:
        """A file that is open for reading alone."""
        super().__init__(io.BufferedWriter(io.FileIO(os.open(os.devnull, os.O_RDONLY), "w")))


def open_stdout() -> TextIO:
    """Standard output; OSError (EBADF) if the caller has closed it."""
    if isinstance(sys.stdout, _ClosedStdout):
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    return sys.stdout


def open_stdin() -> TextIO:
    """Standard input; LocalError if the caller has closed it, UsageError if a person would have to type it in vain."""
    stream = sys.stdin
    if stream is None:
        from ctadata.errors import LocalError

        raise LocalError("local: standard input is closed")
    if os.environ.get("CTADATA_NO_INPUT") and stream.isatty():
        from ctadata.errors import UsageError

        raise UsageError("standard input is a terminal, and --no-input says that nobody is there")
    return stream


def end_output() -> None:
    """No more rows follow; nothing of this command writes to stdout later, or keeps it."""
    if _PipeWriter.current:
        _PipeWriter.current.end()
        _PipeWriter.current = None


@functools.cache
def stdout_is_terminal() -> bool:
    """Whether a person looks at stdout."""
    return sys.stdout is not None and sys.stdout.isatty()


def write_line(line: str) -> None:
    """One line on stdout: harmless on a terminal, untouched in a pipe."""
    if stdout_is_terminal():
        from ctadata.paths import escape_unprintable

        line = escape_unprintable(line)
    write_text(line + "\n")


def write_text(text: str) -> None:
    """Text on stdout as it is, for programs."""
    if _PipeWriter.current:
        _PipeWriter.current.write(text)
    else:
        print(text, end="")  # noqa: T201


class _PipeWriter:
    """Rows into a pipe: one that comes after a pause at once, many together every `EVERY` seconds."""

    EVERY = 0.1
    current: ClassVar[_PipeWriter | None] = None

    def __init__(self, stream: TextIO, pause: Callable[[float], bool] | None = None) -> None:
        """`pause`: waits so many seconds, and says whether the flow has ended meanwhile; for tests."""
        self._stream = stream
        self._lock = threading.Lock()
        self._waiting = threading.Event()
        self._over = threading.Event()
        self._pause = pause or self._over.wait
        self._thread: threading.Thread | None = None
        self._due = 0.0

    def write(self, text: str) -> None:
        """Raises the OSError of whatever takes it."""
        with self._lock:
            self._stream.write(text)
            if time.monotonic() >= self._due:
                self._flush()
            elif not self._waiting.is_set():
                self._waiting.set()
                self._thread = self._thread or self._start()

    def flush(self) -> None:
        """All that was written goes out; raises the same."""
        with self._lock:
            self._flush()

    def end(self) -> None:
        """The thread ends, unless a reader holds it up; what it has not flushed is left to the caller."""
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
            with self._lock, contextlib.suppress(OSError, ValueError):  # whoever writes next meets it too
                if self._waiting.is_set():
                    self._flush()


def write_json(thing: Mapping[str, object]) -> None:
    """One object on a line of stdout, in ASCII, with the version of its schema in front."""
    write_line(json.dumps({"schema": SCHEMA, **thing}))


def say(text: str) -> None:
    """One line on stderr, under our name, without secrets and without anything that steers a terminal."""
    from ctadata.http.redaction import redact
    from ctadata.paths import escape_unprintable

    say_raw(f"{PROGRAM}: {escape_unprintable(redact(text))}")


def say_raw(text: str) -> None:
    """Lines on stderr as they are, after the rows before them; that nobody reads them stops nothing."""
    with contextlib.suppress(OSError, ValueError):
        if _PipeWriter.current:
            _PipeWriter.current.flush()
    with contextlib.suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)  # noqa: T201


def format_rfc3339(seconds: float | None) -> str | None:
    """A time as `2026-08-01T12:00:00Z` (RFC 3339, UTC, whole seconds); None stays None, as does what no year holds."""
    if seconds is None or not 0 <= seconds + 62135596800 < 315537897600:  # from the year 1 to 9999
        return None
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def discard(stream: TextIO) -> None:
    """Nobody reads this stream any more: what is still to be flushed at exit goes nowhere."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def discard_if_full(stream: TextIO) -> None:
    """Words that a full stream has not taken are dropped: Python would make them an exit code of 120."""
    try:
        stream.flush()
    except (OSError, ValueError):
        discard(stream)
