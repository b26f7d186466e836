"""Processes, signals, waiting and the terminal on POSIX systems: Linux and macOS."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import termios
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

assert sys.platform != "win32"  # mypy reads this

HAS_AGENT = True
"""Whether a process can leave its terminal (fork(2), setsid(2)), as the agent does."""

HANGUP_SIGNALS = (signal.SIGHUP,)
"""The signals of a terminal that closes."""

STATUS_SIGNALS = tuple(signal.Signals[name] for name in ("SIGUSR1", "SIGINFO") if hasattr(signal, name))
"""The signals that ask where a run stands; SIGINFO, which Ctrl-T sends, is macOS's and BSD's."""

ENDING_SIGNALS = (signal.SIGTERM, *HANGUP_SIGNALS)
"""The signals that end a program and do not come from the keyboard."""

Poll = select.poll
POLLIN, POLLPRI, POLLOUT = select.POLLIN, select.POLLPRI, select.POLLOUT
POLLERR, POLLHUP = select.POLLERR, select.POLLHUP


class Waker:
    """Wakes a thread that waits with `Poll`.

    Attributes:
        fd: The descriptor that becomes readable.
    """

    def __init__(self) -> None:
        """Open a pipe."""
        self.fd, self._out = os.pipe()  # macOS has no pipe2
        os.set_blocking(self.fd, False)
        os.set_blocking(self._out, False)

    def wake(self) -> None:
        """Make `fd` readable. Any thread may call this."""
        with contextlib.suppress(BlockingIOError):  # the pipe is full, so the thread wakes anyway
            os.write(self._out, b".")

    def drain(self) -> None:
        """Read all that `wake` has written."""
        os.read(self.fd, 4096)

    def close(self) -> None:
        """Close the pipe."""
        os.close(self.fd)
        os.close(self._out)


def host_name() -> str:
    """Return the name of this machine."""
    return os.uname().nodename


def process_exists(pid: int) -> bool:
    """Return whether a process of this number runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is another user's
        return True
    return True


def terminate(pid: int, is_right: Callable[[], bool]) -> None:
    """Send SIGTERM to a process if `is_right` says so then: never to a later process of the same number."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    except (AttributeError, OSError):  # Linux before 5.3, macOS
        with contextlib.suppress(ProcessLookupError):
            if is_right():
                os.kill(pid, signal.SIGTERM)
        return
    try:
        with contextlib.suppress(ProcessLookupError):
            if is_right():
                signal.pidfd_send_signal(process, signal.SIGTERM)
    finally:
        os.close(process)


def open_file_limit() -> int | None:
    """Return the limit of open files; None if there is none."""
    import resource

    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if allowed == resource.RLIM_INFINITY else allowed


def raise_open_file_limit(wanted: int) -> None:
    """Let this process open `wanted` files, or as many as the system lets it ask for (the hard limit, setrlimit(2))."""
    import resource

    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
    if allowed != resource.RLIM_INFINITY and allowed < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def clock_ticks() -> int:
    """Return the number of ticks of a second in /proc (sysconf(3))."""
    return os.sysconf("SC_CLK_TCK")


def call_after_fork(function: Callable[[], object]) -> None:
    """Call a function in each forked child."""
    os.register_at_fork(after_in_child=function)


def detach() -> None:
    """End this process, and go on in a child of it that init adopts."""
    if os.fork():
        os._exit(0)


def ignore_hang_up() -> None:
    """Let this process live on when its terminal closes."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def keep_signal_mask(call: Callable[[], object]) -> None:
    """Call a function that unblocks signals, and block them again."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    call()
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def unblock_signal(number: signal.Signals) -> None:
    """Unblock a signal that the parent process has blocked."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])


class Signals:
    """Signals that one thread waits for; a context manager. In its block they do nothing else.

    They are blocked, and the thread waits for them (sigwait(3)). Do not start a process that lives on while they are
    blocked: it would inherit the blocked signals.
    """

    def __init__(self, numbers: Iterable[signal.Signals]) -> None:
        """Prepare for these signals."""
        self._numbers = tuple(numbers)

    def __enter__(self) -> Self:
        """Block the signals: they wait for `wait`, or for the end of the block."""
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, self._numbers)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Unblock the signals."""
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def wait(self) -> int:
        """Wait for the next signal, and return its number."""
        return signal.sigwait(self._numbers)

    def interrupt(self, waiter: threading.Thread) -> None:
        """Let `wait` return in the thread that waits."""
        signal.pthread_kill(waiter.ident or 0, signal.SIGTERM)


def read_hidden(fd: int, end: bytes, prompt: Callable[[], None]) -> bytes:
    """Return what the user types or pastes, up to `end`, without showing it.

    The terminal is read character by character: otherwise it would cut lines at 4095 bytes (termios(3)).

    Args:
        fd: The terminal.
        end: The key that ends the text, such as Ctrl-D.
        prompt: Shows the question, when the terminal shows nothing typed any more.
    """
    before = termios.tcgetattr(fd)
    quiet = [*before[:3], before[3] & ~(termios.ECHO | termios.ICANON), *before[4:]]
    text = b""
    termios.tcsetattr(fd, termios.TCSADRAIN, quiet)
    try:
        prompt()
        while end not in text and (block := os.read(fd, 1 << 16)):
            text += block
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)
    return text.partition(end)[0]


def wait_for_input(seconds: float) -> bool:
    """Return whether the user has typed a line, after at most some seconds."""
    return bool(select.select([sys.stdin], [], [], seconds)[0])


def wait_for_pipe(fd: int, seconds: float) -> bool:
    """Return whether a pipe has bytes or has ended, after at most some seconds."""
    return bool(select.select([fd], [], [], seconds)[0])
