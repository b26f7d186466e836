"""Locks between processes, held by flock. The system releases a lock when its holder dies, however it dies."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from threading import Event

from ctadata import system
from ctadata.errors import LocalError, LoginNeeded, Stopped
from ctadata.tokens.files import local_error

POLL_INTERVAL = 0.05
"""Seconds between two attempts to take a lock; flock itself has no time-out."""

WARN_AFTER_POLLS = 60
"""Attempts after which the log says what the program waits for: a user may need minutes to approve a login."""

PERSON = b"a person"
"""The content of a lock file while its holder waits for the user."""

log = logging.getLogger(__name__)


@contextlib.contextmanager
def hold_lock(path: Path, stop: Event | None = None) -> Iterator[None]:
    """Hold a lock file across processes. The wait for it has no limit.

    Args:
        path: The lock file. It is created if it does not exist.
        stop: When set, the wait ends.

    Raises:
        Stopped: `stop` was set.
        LoginNeeded: The holder waits for the user, and CTADATA_NO_INPUT forbids this process to wait for a user.
        LocalError: The file system has no locks.
    """
    fd = open_lock(path)
    stop = stop or Event()
    looks = 0
    try:
        while not try_lock(fd):
            if os.environ.get("CTADATA_NO_INPUT") and system.pread(fd, len(PERSON), 0) == PERSON:
                raise LoginNeeded("another process waits for the user to log in", hint="approve that login")
            if stop.wait(POLL_INTERVAL):
                raise Stopped("stopped while another process is logging in")
            looks += 1
            if looks == WARN_AFTER_POLLS:
                log.warning("another process of yours is logging in; this one waits for it")
        os.ftruncate(fd, 0)  # a killed holder may have left its mark
        yield
    finally:
        os.close(fd)


@contextlib.contextmanager
def mark_waiting_for_user(path: Path) -> Iterator[None]:
    """Write into the lock file, which the caller holds, that the user has to act."""
    fd = open_lock(path)
    try:
        system.pwrite(fd, PERSON, 0)
        yield
        os.ftruncate(fd, 0)
    finally:
        os.close(fd)


def open_lock(path: Path) -> int:
    """Open a lock file, and create it if it does not exist. flock over NFS needs a descriptor that can write.

    Raises:
        LocalError: The file cannot be opened.
    """
    try:
        return system.open_file(path, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise local_error(error, path) from None


def try_lock(fd: int) -> bool:
    """Take the lock if it is free, and return whether this process has it now.

    Raises:
        LocalError: The file system has no locks.
    """
    try:
        system.lock(fd)
    except BlockingIOError:
        return False
    except OSError as error:  # some mounts of Lustre and NFS; without a lock, two refreshes at once could end the login
        words = f"the file system of the login has no locks: {(error.strerror or 'refused').lower()}"
        raise LocalError(words, hint="set XDG_STATE_HOME to a directory on another disk") from None
    return True


def is_locked(path: Path) -> bool:
    """Return whether a process holds the lock. Without a lock file, none does."""
    try:
        fd = system.open_file(path, os.O_RDWR)
    except OSError:
        return False
    try:
        return not try_lock(fd)
    finally:
        os.close(fd)
