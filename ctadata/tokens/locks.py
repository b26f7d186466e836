"""Locks between processes: held by flock, so that the death of the holder frees them, whatever killed it."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from threading import Event

from ctadata.errors import LocalError, LoginNeeded, Stopped
from ctadata.tokens.files import local_error

POLL_INTERVAL = 0.05
"""Seconds between two looks at a lock that somebody else holds; flock itself cannot be told to give up."""

WARN_AFTER_POLLS = 60
"""Looks after which somebody should know what is waited for: a person may need minutes to approve a login."""

PERSON = b"a person"
"""What stands in a lock file while its holder waits for one."""

log = logging.getLogger(__name__)


@contextlib.contextmanager
def hold_lock(path: Path, stop: Event | None = None) -> Iterator[None]:
    """Hold the lock file `path` alone, across processes, however long the wait; Stopped where `stop` is set first.

    LoginNeeded where the holder waits for a person, and CTADATA_NO_INPUT says that this process must not.
    """
    fd = open_lock(path)
    stop = stop or Event()
    looks = 0
    try:
        while not try_lock(fd):
            if os.environ.get("CTADATA_NO_INPUT") and os.pread(fd, len(PERSON), 0) == PERSON:
                raise LoginNeeded("another process waits for a person to log in", hint="approve that login")
            if stop.wait(POLL_INTERVAL):
                raise Stopped("stopped while another process is logging in")
            looks += 1
            if looks == WARN_AFTER_POLLS:
                log.warning("another process of yours is logging in; this one waits for it")
        os.ftruncate(fd, 0)  # of a holder that was killed
        yield
    finally:
        os.close(fd)


@contextlib.contextmanager
def mark_waiting_for_user(path: Path) -> Iterator[None]:
    """Say in the lock file, which the caller holds, that a person is waited for."""
    fd = open_lock(path)
    try:
        os.pwrite(fd, PERSON, 0)
        yield
        os.ftruncate(fd, 0)
    finally:
        os.close(fd)


def open_lock(path: Path) -> int:
    """A descriptor for a lock file, made where missing; read-write, as flock over NFS asks."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise local_error(error, path) from None


def try_lock(fd: int) -> bool:
    """Take the lock if nobody has it; whether we have it now. LocalError where the file system has no locks."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:  # some mounts of Lustre and NFS: without a lock two refreshes could end the login
        words = f"no lock can be had where the login is kept: {(error.strerror or 'refused').lower()}"
        raise LocalError(words, hint="set XDG_STATE_HOME to a directory on another disk") from None
    return True


def is_locked(path: Path) -> bool:
    """Whether somebody holds the lock; False too where there is no such file."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not try_lock(fd)
    finally:
        os.close(fd)
