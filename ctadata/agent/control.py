"""Control of the agent: start, stop, status, and a token once without it. Nothing here prints."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from threading import Event

from ctadata.agent.bearer_token_file import bearer_token_path
from ctadata.agent.daemon import serve
from ctadata.agent.instance import State, is_claimed, read_state
from ctadata.agent.lease import foreign_agent
from ctadata.agent.login import obtain_token
from ctadata.agent.renew_on_demand import RenewOnDemand
from ctadata.agent.spawn import spawn
from ctadata.agent.status import Status, read_status
from ctadata.config.profile import Profile
from ctadata.errors import AlreadyExists, LocalError, TemporaryError, TimedOut
from ctadata.process_identity import host_name, read_process_start
from ctadata.tokens.device import Show
from ctadata.tokens.login_store import explain_mismatch
from ctadata.tokens.profile_files import ProfileFiles
from ctadata.tokens.token import Token, same_issuer

log = logging.getLogger(__name__)

STOP_TIMEOUT = 120.0
"""Seconds that an agent may take to end: it never breaks a refresh off, whose answer may hold the next login."""

MIN_LIFE = 60.0
"""Seconds that a token lives at least which `get_token` gives, where tokens live so long."""


def start(
    profile: Profile,
    *,
    secret: str | None = None,
    show: Show | None,
    stop: Event | None = None,
    publish: bool = False,
) -> Status:
    """Have the agent of the profile running, with a good token on disk; logs in where no earlier login can be used.

    secret: the client's, where it was given by hand; kept in the profile's private file.
    show:   shows a person the address and the code; None where nobody could approve.
    publish: whether the agent puts a copy of the token where every program looks (`$XDG_RUNTIME_DIR/bt_u<uid>`).
    Raises LoginNeeded, ConfigError, Stopped, LocalError, StorageFull, and retryable errors.
    """
    files = ProfileFiles.of(profile.name)
    files.prepare()
    copy = bearer_token_path() if publish else None
    if is_claimed(files) and (not _serves(read_state(files), profile, copy) or explain_mismatch(files, profile)):
        stop_agent(files)  # of an issuer, client or door that the profile had before, or one that publishes nothing
    if not is_claimed(files):
        obtain_token(profile, files, is_good=_never, secret=secret, show=show, stop=stop)
        spawn(profile, files, copy)
    return _with_good_token(read_status(profile, files))


def run_in_foreground(
    profile: Profile,
    *,
    secret: str | None = None,
    show: Show | None = None,
    publish: bool = False,
    ready: Callable[[Status], None],
) -> None:
    """Be the agent, in this very process and its main thread, until SIGTERM or SIGINT: for systemd and containers.

    ready: is told once, when the agent is in charge.
    AlreadyExists where one runs; else errors as of `start`, and of those that end an agent.
    """
    files = ProfileFiles.of(profile.name)
    files.prepare()
    copy = bearer_token_path() if publish else None
    in_charge = not is_claimed(files)

    def tell(told: Mapping[str, object]) -> None:
        nonlocal in_charge
        in_charge = bool(told["running"])
        if in_charge:
            ready(read_status(profile, files))

    if in_charge:
        obtain_token(profile, files, is_good=_never, secret=secret, show=show)
        ended = serve(profile, files, tell, copy)
        if ended is not None:
            raise ended
    if not in_charge:
        found = read_status(profile, files)
        raise AlreadyExists(f"an agent runs already (process {found.pid} of {found.host})", hint="stop-agent ends it")


def stop(profile: Profile) -> bool:
    """End the agent, and wait until it has; whether there was one. Its token and login stay on disk.

    LocalError where it runs on another host, TimedOut where it does not end.
    """
    return stop_agent(ProfileFiles.of(profile.name))


def status(profile: Profile) -> Status:
    """How the agent and the login are; never asks the network."""
    return read_status(profile, ProfileFiles.of(profile.name))


def get_token(
    profile: Profile,
    *,
    secret: str | None = None,
    show: Show | None = None,
    min_life: float = MIN_LIFE,
    stop: Event | None = None,
    now: Callable[[], float] = time.time,
) -> Token:
    """A valid token: the one on disk, else a refreshed one, else by logging in; no agent is started.

    min_life: seconds it should live; of a token that lives less than twice as long in all, half its life will do.
    Errors as of `start`.
    """

    def is_good(token: Token) -> bool:
        return token.life_left(now()) > min(min_life, (token.lifetime or 2 * min_life) / 2)

    token = obtain_token(
        profile, ProfileFiles.of(profile.name), is_good=is_good, secret=secret, show=show, stop=stop, now=now
    )
    warning = RenewOnDemand(profile, Event(), now).warning(token)
    if warning:
        log.warning("%s", warning)
    return token


def stop_agent(files: ProfileFiles) -> bool:
    """As `stop`."""
    if not is_claimed(files):
        return False
    elsewhere = foreign_agent(files, time.time())
    if elsewhere is not None:
        raise LocalError(f"the agent runs on {elsewhere.host}", hint="stop it there")
    pause, ends, told = Event(), time.monotonic() + STOP_TIMEOUT, None
    while is_claimed(files):
        state = read_state(files)
        if state is not None and state.pid != told:  # an agent that has just begun has not said yet who it is
            _terminate(state)
            told = state.pid
        if time.monotonic() > ends:
            raise TimedOut(f"the agent does not end (process {told})", hint=f"kill -9 {told} does no harm")
        pause.wait(0.02)
    return True


def _terminate(state: State) -> None:
    """Send SIGTERM to the process of a running agent, and to no other that has got its number since."""
    if state.host != host_name():
        raise LocalError(f"the agent runs on {state.host}", hint="stop it there")
    with contextlib.suppress(ProcessLookupError), _held(state.pid) as process:
        if read_process_start(state.pid) != state.process_started:
            return
        if process is None:
            os.kill(state.pid, signal.SIGTERM)
        else:
            signal.pidfd_send_signal(process, signal.SIGTERM)


@contextlib.contextmanager
def _held(pid: int) -> Iterator[int | None]:
    """A descriptor that means this very process; None where there are none (Linux before 5.3, macOS)."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        raise
    except (AttributeError, OSError):
        yield None
        return
    try:
        yield process
    finally:
        os.close(process)


def _never(token: Token) -> bool:  # noqa: ARG001
    """An agent begins with a fresh token: that proves that it will be able to renew it."""
    return False


def _serves(state: State | None, profile: Profile, copy: Path | None) -> bool:
    """Whether a running agent does what is asked for; one that has not said yet who it is does."""
    if state is None:
        return True
    same = same_issuer(state.issuer, profile.issuer) and state.client_id == profile.client_id
    return same and state.via == profile.token_source and (copy is None or state.published == str(copy))


def _with_good_token(found: Status) -> Status:
    """What `start` gives back; TemporaryError where the agent does not do what it is for."""
    if not found.running:
        raise TemporaryError(f"the agent has ended at once: {found.last_error or 'it did not say why'}")
    if found.expires_at is not None and found.expires_at <= time.time():
        raise TemporaryError(
            f"the agent runs, but cannot renew the token: {found.last_error}", hint="it goes on trying"
        )
    return found
