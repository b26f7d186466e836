"""Processes, signals, waiting and the terminal on Windows. See `ctadata.system.posix` for what is not said here.

These functions have run in a simulation only (`tests/guard/windows`).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import msvcrt
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from types import FrameType, TracebackType
from typing import Self

assert sys.platform == "win32"  # mypy reads this

HAS_AGENT = False

_PAUSE = 0.02
"""Seconds between two looks at the keyboard."""

HANGUP_SIGNALS: tuple[signal.Signals, ...] = ()
STATUS_SIGNALS: tuple[signal.Signals, ...] = ()
ENDING_SIGNALS = (signal.SIGTERM,)

POLLIN, POLLPRI, POLLOUT, POLLERR, POLLHUP = 1, 2, 4, 8, 16


class Poll:
    """The part of `select.poll` that this package uses, for sockets."""

    def __init__(self) -> None:
        """Wait for no socket yet."""
        self._events: dict[int, int] = {}

    def register(self, fd: int, events: int) -> None:
        """Wait for events of a socket."""
        self._events[fd] = events

    def unregister(self, fd: int) -> None:
        """Forget a socket."""
        del self._events[fd]

    def poll(self, milliseconds: float | None = None) -> list[tuple[int, int]]:
        """Wait until a socket is ready, and return the ready ones with their events."""
        seconds = None if milliseconds is None else milliseconds / 1000
        readers = [fd for fd, events in self._events.items() if events & POLLIN]
        writers = [fd for fd, events in self._events.items() if events & POLLOUT]
        if not self._events:  # select fails without sockets
            time.sleep(seconds or 0)
            return []
        # a connection that fails is in the third list only
        readable, writable, failed = select.select(readers, writers, list(self._events), seconds)
        ready = dict.fromkeys([*readable, *writable, *failed], 0)
        for event, fds in ((POLLIN, readable), (POLLOUT, writable), (POLLERR, failed)):
            for fd in fds:
                ready[fd] |= event
        return list(ready.items())


class Waker:
    """See `ctadata.system.posix.Waker`; select takes no pipes here, so this is a pair of sockets."""

    def __init__(self) -> None:
        """Open the sockets."""
        self._in, self._out = socket.socketpair()
        self._in.setblocking(False)
        self._out.setblocking(False)
        self.fd = self._in.fileno()

    def wake(self) -> None:
        """Make `fd` readable."""
        with contextlib.suppress(BlockingIOError):
            self._out.send(b".")

    def drain(self) -> None:
        """Read all that `wake` has written."""
        self._in.recv(4096)

    def close(self) -> None:
        """Close the sockets."""
        self._in.close()
        self._out.close()


def host_name() -> str:
    """Return the name of this machine."""
    return socket.gethostname()


def process_exists(pid: int) -> bool:
    """Return whether a process of this number runs; `os.kill` would send it Ctrl-C."""
    kernel = ctypes.windll.kernel32
    process = kernel.OpenProcess(0x00100000, False, pid)  # SYNCHRONIZE
    if not process:
        return bool(kernel.GetLastError() == 5)  # ERROR_ACCESS_DENIED: it is another user's
    try:
        return bool(kernel.WaitForSingleObject(process, 0) == 0x102)  # WAIT_TIMEOUT: it has not ended
    finally:
        kernel.CloseHandle(process)


def terminate(pid: int, is_right: Callable[[], bool]) -> None:
    """End a process if `is_right` says so; Windows has no signal that asks it to end."""
    with contextlib.suppress(OSError):
        if is_right():
            os.kill(pid, signal.SIGTERM)


def open_file_limit() -> int | None:
    """Return None: the limit of the C library, 8192 files, is more than any run opens."""
    return None


def raise_open_file_limit(wanted: int) -> None:
    """Do nothing: there is no limit that a process may raise."""


def clock_ticks() -> int:
    """Return a number that is not used: there is no /proc."""
    return 100


def call_after_fork(function: Callable[[], object]) -> None:
    """Do nothing: no process forks."""


def detach() -> None:
    """Raise OSError: no process forks."""
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


def ignore_hang_up() -> None:
    """Do nothing: no process gets SIGHUP."""


def keep_signal_mask(call: Callable[[], object]) -> None:
    """Do nothing: `call` starts what only POSIX needs."""


def unblock_signal(number: signal.Signals) -> None:
    """Do nothing: no signal is blocked."""


class Signals:
    """See `ctadata.system.posix.Signals`. Python writes the number of each signal to a socket, which `wait` reads."""

    def __init__(self, numbers: Iterable[signal.Signals]) -> None:
        """Prepare for these signals."""
        self._numbers = tuple(numbers)

    def __enter__(self) -> Self:
        """Send the signals to `wait` alone."""
        self._in, self._out = socket.socketpair()
        self._out.setblocking(False)
        self._before = {number: signal.signal(number, _ignore) for number in self._numbers}
        self._fd = signal.set_wakeup_fd(self._out.fileno(), warn_on_full_buffer=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the signals their handlers back, unless the block has set others."""
        signal.set_wakeup_fd(self._fd)
        for number, handler in self._before.items():
            if signal.getsignal(number) is _ignore:
                signal.signal(number, handler)
        self._in.close()
        self._out.close()

    def wait(self) -> int:
        """Wait for the next signal, and return its number; 0 after `interrupt`."""
        while (number := self._in.recv(1)[0]) and number not in self._numbers:
            pass
        return number

    def interrupt(self, waiter: threading.Thread) -> None:  # noqa: ARG002
        """Let `wait` return in the thread that waits."""
        self._out.send(b"\0")


def _ignore(number: int, frame: FrameType | None) -> None:
    """Do nothing: `Signals.wait` returns the number."""


def read_hidden(fd: int, end: bytes, prompt: Callable[[], None]) -> bytes:  # noqa: ARG001
    """Return what the user types or pastes, up to `end`, without showing it."""
    prompt()
    text = ""
    while (key := msvcrt.getwch()) != end.decode():
        if key == "\x03":
            raise KeyboardInterrupt
        text += key
    return text.encode()


def wait_for_input(seconds: float) -> bool:
    """Return whether the user has typed a key, after at most some seconds."""
    until = time.monotonic() + seconds
    while not msvcrt.kbhit():
        if time.monotonic() > until:
            return False
        time.sleep(_PAUSE)
    return True


def wait_for_pipe(fd: int, seconds: float) -> bool:  # noqa: ARG001
    """Return True: the read waits, because select takes no pipes. A stop has to wait for it."""
    return True
