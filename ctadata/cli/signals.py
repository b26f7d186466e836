"""Signals during work. Ctrl-C and SIGTERM: the first one asks the work to stop, the second one ends the process.

SIGUSR1, and Ctrl-T on systems that have it (SIGINFO), show where a run stands. A run outlives its terminal (SIGHUP).

A thread waits for the signals (`ctadata.system.Signals`). A signal handler cannot replace the thread: it runs in the
main thread between two bytecodes, so it may not take a lock, and it does not interrupt a DNS look-up.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import typer

from ctadata.cli.output import DIRECT, say
from ctadata.errors import Stopped
from ctadata.system import HANGUP_SIGNALS, STATUS_SIGNALS, Signals

SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SHOW_CURSOR = "\x1b[?25h"


@contextlib.contextmanager
def stop_on_signals(
    show_status: Callable[[], object] | None = None, *, outlives_terminal: bool = False
) -> Iterator[threading.Event]:
    """Yield the event that the first Ctrl-C or SIGTERM sets.

    Args:
        show_status: Called after SIGUSR1 or SIGINFO; it must raise nothing. None: these signals keep their meaning.
        outlives_terminal: The work goes on after SIGHUP, without its terminal.

    Raises:
        typer.Exit: A signal came: 130 for Ctrl-C, 143 for SIGTERM; raised at the end of the block.
    """
    further = (*(STATUS_SIGNALS if show_status else ()), *(HANGUP_SIGNALS if outlives_terminal else ()))
    waiting = _Waiting((*SIGNALS, *further), show_status)
    # systems may drop a blocked signal whose action is to ignore it, so each of these has a handler
    previous = {number: signal.signal(number, lambda *_: None) for number in further}
    try:
        with Signals(waiting.signals) as signals:
            waiter = threading.Thread(target=waiting.run, args=(signals,), daemon=True)
            waiter.start()
            try:
                yield waiting.stop
            except Stopped:
                if not waiting.received:
                    raise
            finally:
                waiting.ended.set()
                signals.interrupt(waiter)
                waiter.join()
                for number in SIGNALS if waiting.received else ():  # the second signal may come after the block
                    signal.signal(number, lambda number, _: _exit_now(number))
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    if waiting.received:
        say("stopped")
        raise typer.Exit(128 + waiting.received[0])


@dataclass(slots=True)
class _Waiting:
    """The thread that waits for signals: what it waits for, and what it has received."""

    signals: Sequence[signal.Signals]
    show_status: Callable[[], object] | None
    stop: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    received: list[int] = field(default_factory=list)
    terminals: list[int] = field(default_factory=lambda: [number for number in range(3) if os.isatty(number)])

    def run(self, signals: Signals) -> None:
        while True:
            number = signals.wait()
            if self.ended.is_set():
                return
            if number in HANGUP_SIGNALS:
                self._leave_terminal()
            elif number in STATUS_SIGNALS and self.show_status:
                self.show_status()
            elif self.stop.is_set():
                _exit_now(number)
            else:
                self.received.append(number)
                say("stopping; Ctrl-C again ends at once")  # before the run ends and prints its summary
                self.stop.set()

    def _leave_terminal(self) -> None:
        """Connect the streams that were a terminal to the null device: each read and write would fail (EIO)."""
        if self.terminals:
            say(f"the terminal has hung up, and the run goes on; {DIRECT} runs shows it")
            null = os.open(os.devnull, os.O_RDWR)
            while self.terminals:
                os.dup2(null, self.terminals.pop())
            os.close(null)


def _exit_now(number: int) -> None:
    if os.isatty(2):  # sys.stderr may be a proxy of rich
        with contextlib.suppress(OSError):
            os.write(2, f"\r{_SHOW_CURSOR}\n".encode())  # the progress bars hide the cursor
    os._exit(128 + number)
