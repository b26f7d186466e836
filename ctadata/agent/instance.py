"""One agent for each profile, and the state that it writes.

The agent holds a lock as long as it runs, so even `kill -9` leaves nothing stale. A small file beside the lock shows
its state to other processes.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from threading import Event
from types import TracebackType
from typing import NamedTuple, Self

from ctadata.agent.lease import acquire_lease, extend_lease, foreign_agent, release_lease
from ctadata.agent.record import read_record
from ctadata.errors import CtadataError
from ctadata.tokens.files import read_private, write_private
from ctadata.tokens.locks import hold_lock, is_locked, open_lock, try_lock
from ctadata.tokens.profile_files import ProfileFiles
from ctadata.tokens.token import Token

CLAIM_TRIES = 20
"""How often an agent tries to take the lock: a process that checks for an agent holds it for an instant."""


class State(NamedTuple):
    """The state of an agent. Times are seconds since 1970 of the local clock.

    Attributes:
        pid: The process.
        host: The machine that it runs on.
        process_started: The kernel's start time of the process, which tells it from a later one of the same number.
        issuer: The issuer that it logs in to.
        client_id: The client that it logs in as.
        started: When the agent started.
        updated: When it wrote this state.
        expires_at: The end of the published token. None if it is not known.
        next_refresh: The time of the next refresh. None after the agent has ended.
        login_needed: The agent has ended, because only the user can log in again.
        last_error: The last failure. Empty after the next success.
        boot: The boot of the machine, to recognise a restart.
        via: The profile's `token_source`.
        published: The path of the token's copy. Empty if there is none.
    """

    pid: int
    host: str
    process_started: int | None
    issuer: str
    client_id: str
    started: float
    updated: float
    expires_at: float | None = None
    next_refresh: float | None = None
    login_needed: bool = False
    last_error: str = ""
    boot: str = ""
    via: str = "agent"
    published: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether the agent has ended because only the user can help."""
        return self.next_refresh is None and bool(self.last_error)


class AgentInstance:
    """The lock and lease of a running agent; a context manager that releases them."""

    def __init__(self, files: ProfileFiles, fd: int) -> None:
        """Use a lock that this process holds; `claim` creates the instance.

        Args:
            files: The profile's files.
            fd: The descriptor of the lock.
        """
        self._files = files
        self._fd = fd

    def write_state(self, state: State) -> None:
        """Write the agent's state for other processes.

        Raises:
            StorageFull: The disk has no room.
            LocalError: The file cannot be written.
        """
        write_private(self._files.agent_state, json.dumps(state._asdict()))

    def extend_lease(self) -> bool:
        """Extend this machine's right to refresh. Return False if another machine has taken it over."""
        return extend_lease(self._files, time.time())

    def is_lost(self) -> bool:
        """Return whether our files were deleted, so that another agent could start."""
        try:
            current = self._files.agent_lock.stat()
        except OSError:
            return True
        ours = os.fstat(self._fd)
        return (current.st_dev, current.st_ino) != (ours.st_dev, ours.st_ino)

    def __enter__(self) -> Self:
        """Return the instance itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release lease and lock."""
        with contextlib.suppress(CtadataError, OSError):
            release_lease(self._files)
        os.close(self._fd)


def claim(files: ProfileFiles) -> AgentInstance | None:
    """Become the agent of a profile. Return None if there is one, here or on another machine.

    Raises:
        LocalError: The lock cannot be opened.
        StorageFull: The disk has no room.
    """
    fd = open_lock(files.agent_lock)
    pause = Event()
    for _ in range(CLAIM_TRIES):
        if try_lock(fd):
            break
        pause.wait(0.02)
    else:
        os.close(fd)
        return None
    try:
        with hold_lock(files.login_lock):
            foreign_lease = acquire_lease(files, time.time())
    except BaseException:
        os.close(fd)
        raise
    if foreign_lease is not None and foreign_lease.lasting:
        os.close(fd)
        return None
    return AgentInstance(files, fd)


def is_claimed(files: ProfileFiles) -> bool:
    """Return whether an agent of the profile runs, here or on another machine that shares the home."""
    return is_locked(files.agent_lock) or foreign_agent(files, time.time()) is not None


def is_newer_than_token(state: State, token: Token | None) -> bool:
    """Return whether the agent wrote this state after the token came. If not, the user has logged in since."""
    return token is None or token.received is None or token.received <= state.updated


def read_state(files: ProfileFiles) -> State | None:
    """Return the state that the last agent wrote; None if there is none that can be read."""
    return read_record(State, read_private(files.agent_state))
