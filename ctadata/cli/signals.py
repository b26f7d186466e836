"""Ctrl-C and SIGTERM during work: the first signal asks the work to stop, the second ends the process.

The signals are blocked, and a thread waits for them (sigwait(3)). A signal handler cannot replace the thread: it runs
in the main thread between two bytecodes, so it may not take a lock, and it does not interrupt a DNS look-up. Do not
start a process that lives on while the signals are blocked: it would inherit the blocked signals.
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
    """Yield the event that the first Ctrl-C or SIGTERM sets.

    Raises:
        typer.Exit: A signal came: 130 for Ctrl-C, 143 for SIGTERM; raised at the end of the block.
    """
    stop, ended, received = threading.Event(), threading.Event(), list[int]()
    with block_signals():
        waiter = threading.Thread(target=_wait_for_signals, args=(stop, ended, received), daemon=True)
        waiter.start()
        try:
            yield stop
        except Stopped:
            if not received:
                raise
        finally:
            ended.set()
            signal.pthread_kill(waiter.ident or 0, signal.SIGTERM)
            waiter.join()
            for number in SIGNALS if received else ():  # the second signal may come after the block
                signal.signal(number, lambda number, _: _exit_now(number))
    if received:
        say("stopped")
        raise typer.Exit(128 + received[0])


@contextlib.contextmanager
def block_signals() -> Iterator[None]:
    """Block Ctrl-C and SIGTERM in the block: they wait for sigwait(3), or for the end of the block."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _wait_for_signals(stop: threading.Event, ended: threading.Event, received: list[int]) -> None:
    while True:
        number = signal.sigwait(SIGNALS)
        if ended.is_set():
            return
        if stop.is_set():
            _exit_now(number)
        received.append(number)
        say("stopping; Ctrl-C again ends at once")  # before the run ends and prints its summary
        stop.set()


def _exit_now(number: int) -> None:
    if sys.stderr.isatty():
        with contextlib.suppress(OSError):
            os.write(2, f"\r{_SHOW_CURSOR}\n".encode())  # the progress bars hide the cursor
    os._exit(128 + number)
