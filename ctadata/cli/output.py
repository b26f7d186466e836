"""What is written where: data on stdout, words on stderr; text for people, JSON for programs.

This module is read at every start, so it imports late what not every command needs.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sys
import time
from collections.abc import Mapping

PROGRAM = "cta-data-direct"
SCHEMA = 1
"""Version of the objects that `--json` writes; grows when one changes its meaning."""


def prepare_stdout() -> None:
    """Names go out as they are into a pipe, as escapes to a terminal that lacks their letters; each line at once."""
    if sys.stdout is None:
        return
    if stdout_is_terminal():
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    else:
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape", line_buffering=True)  # type: ignore[union-attr]


@functools.cache
def stdout_is_terminal() -> bool:
    """Whether a person looks at stdout."""
    return sys.stdout is not None and sys.stdout.isatty()


def data(line: str) -> None:
    """One line on stdout: harmless on a terminal, untouched in a pipe."""
    from ctadata.paths import printable

    print(printable(line) if stdout_is_terminal() else line)  # noqa: T201


def data_raw(text: str) -> None:
    """Text on stdout as it is, for programs."""
    print(text, end="")  # noqa: T201


def data_json(thing: Mapping[str, object]) -> None:
    """One object on a line of stdout, in ASCII, with the version of its schema in front."""
    data(json.dumps({"schema": SCHEMA, **thing}))


def say(text: str) -> None:
    """One line on stderr, under our name, without secrets and without anything that steers a terminal."""
    from ctadata.http.redaction import redacted
    from ctadata.paths import printable

    say_raw(f"{PROGRAM}: {printable(redacted(text))}")


def say_raw(text: str) -> None:
    """Lines on stderr as they are; that nobody reads them stops nothing."""
    with contextlib.suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)  # noqa: T201


def rfc3339(seconds: float | None) -> str | None:
    """A time as `2026-08-01T12:00:00Z` (RFC 3339, UTC, whole seconds); None stays None, as does what no year holds."""
    if seconds is None or not 0 <= seconds + 62135596800 < 315537897600:  # from the year 1 to 9999
        return None
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def drop_stdout() -> None:
    """Nobody reads stdout any more: what is still to be flushed at exit goes nowhere."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
