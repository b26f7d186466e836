"""Presence: one agent per profile, and what it says of itself.

The agent holds a lock for all its life, so that even `kill -9` leaves nothing stale; beside it lies a small file for
whoever wants to know how it is.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import time
from dataclasses import dataclass
from threading import Event
from types import TracebackType
from typing import Self

from ctadata.agent.lease import acquire_lease, extend_lease, foreign_agent, release_lease
from ctadata.agent.record import read_record
from ctadata.errors import CtadataError
from ctadata.tokens.files import read_private, write_private
from ctadata.tokens.locks import hold_lock, is_locked, open_lock, try_lock
from ctadata.tokens.profile_files import ProfileFiles
from ctadata.tokens.token import Token

CLAIM_TRIES = 20
"""How often the lock is tried for: who looks whether an agent runs holds it for an instant."""


@dataclass(frozen=True, slots=True)
class State:
    """How an agent is. Times are seconds since 1970, local clock.

    pid, host:     where it runs.
    process_started: the kernel's start time of that process, which tells it from a later one of the same number.
    boot:          which run of the machine that was.
    issuer, client_id: what it logs in to.
    started, updated: when the agent began, and when it last wrote this.
    expires_at:    the end of the published token; None where that is not known.
    next_refresh:  None once it has ended.
    login_needed:  it has ended because only a person can log in again.
    last_error:    what went wrong last, empty once all is well again.
    via:           the profile's `token_source`.
    published:     where it puts a copy of the token; empty where nowhere.
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
        """Whether these are its last words: only a person can help."""
        return self.next_refresh is None and bool(self.last_error)


class AgentInstance:
    """The claim of a running agent; a context manager that gives it back."""

    def __init__(self, files: ProfileFiles, fd: int) -> None:
        """Of a lock that is held; `claim` makes it."""
        self._files = files
        self._fd = fd

    def write_state(self, state: State) -> None:
        """Say how the agent is. StorageFull, LocalError."""
        write_private(self._files.agent_state, json.dumps(dataclasses.asdict(state)))

    def extend_lease(self) -> bool:
        """Let this machine go on being the one that refreshes; False where another one has taken over."""
        return extend_lease(self._files, time.time())

    def is_lost(self) -> bool:
        """Whether somebody has removed our files, so that another agent may claim the profile."""
        try:
            found = self._files.agent_lock.stat()
        except OSError:
            return True
        ours = os.fstat(self._fd)
        return (found.st_dev, found.st_ino) != (ours.st_dev, ours.st_ino)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the claim back."""
        with contextlib.suppress(CtadataError, OSError):
            release_lease(self._files)
        os.close(self._fd)


def claim(files: ProfileFiles) -> AgentInstance | None:
    """Become the agent of a profile; None where there is one, here or on another machine. LocalError, StorageFull."""
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
            taken = acquire_lease(files, time.time())
    except BaseException:
        os.close(fd)
        raise
    if taken is not None and taken.lasting:
        os.close(fd)
        return None
    return AgentInstance(files, fd)


def is_claimed(files: ProfileFiles) -> bool:
    """Whether an agent of the profile lives, here or on another host that shares the home."""
    return is_locked(files.agent_lock) or foreign_agent(files, time.time()) is not None


def is_newer_than_token(state: State, token: Token | None) -> bool:
    """Whether an agent said this after the token came; else there has been a login since."""
    return token is None or token.received is None or token.received <= state.updated


def read_state(files: ProfileFiles) -> State | None:
    """What the last agent said of itself; None where it said nothing that can be read."""
    return read_record(State, read_private(files.agent_state))
