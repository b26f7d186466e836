"""Ctrl-C and SIGTERM while work is under way: the first asks it to stop, the second ends us at once.

The signals are blocked and awaited by a thread of their own (sigwait(3)), not handled: a handler runs in the main
thread only, between two of its bytecodes, where it can neither take a lock nor interrupt a look-up of a name.
A process that lives on must not be started inside: it would inherit the blocked signals, unless it resets them.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator

import typer

from ctadata.cli.output import say
from ctadata.errors import Stopped

SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SHOW_CURSOR = "\x1b[?25h"


@contextlib.contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """Gives the event that a signal sets; a run that was stopped by one ends with typer.Exit 130 or 143."""
    stop, over, got = threading.Event(), threading.Event(), list[int]()
    with block_signals():
        waiter = threading.Thread(target=_wait_for_signals, args=(stop, over, got), daemon=True)
        waiter.start()
        try:
            yield stop
        except Stopped:
            if not got:
                raise
        finally:
            over.set()
            signal.pthread_kill(waiter.ident or 0, signal.SIGTERM)
            waiter.join()
            for number in SIGNALS if got else ():  # the second may come while we leave
                signal.signal(number, lambda number, _: _exit_now(number))
    if got:
        say("stopped")
        raise typer.Exit(128 + got[0])


@contextlib.contextmanager
def block_signals() -> Iterator[None]:
    """Ctrl-C and SIGTERM wait until somebody takes them with sigwait, or the block ends."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _wait_for_signals(stop: threading.Event, over: threading.Event, got: list[int]) -> None:
    while True:
        number = signal.sigwait(SIGNALS)
        if over.is_set():
            return
        if stop.is_set():
            _exit_now(number)
        got.append(number)
        say("stopping; Ctrl-C again ends at once")  # before the run hears of it, and says what it has left
        stop.set()


def _exit_now(number: int) -> None:
    if sys.stderr.isatty():
        with contextlib.suppress(OSError):
            os.write(2, f"\r{_SHOW_CURSOR}\n".encode())  # the bars have hidden it
    os._exit(128 + number)
