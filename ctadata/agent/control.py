"""Control the agent: start it, stop it, read its status, or get a token without it. Nothing here prints."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
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
from ctadata.system import HAS_AGENT, terminate
from ctadata.tokens.device import Show
from ctadata.tokens.login_store import explain_mismatch
from ctadata.tokens.profile_files import ProfileFiles
from ctadata.tokens.token import Token, same_issuer

log = logging.getLogger(__name__)

STOP_TIMEOUT = 120.0
"""Seconds that an agent may take to end.

It never aborts a refresh, because the answer may hold the next refresh token.
"""

MIN_LIFE = 60.0
"""Seconds that a token from `get_token` lives at least, if the issuer's tokens live so long."""


def start(
    profile: Profile,
    *,
    secret: str | None = None,
    show: Show | None,
    stop: Event | None = None,
    publish: bool = False,
) -> Status:
    """Start the agent of the profile, with a valid token on disk.

    The user has to log in only if no stored login can be used.

    Args:
        profile: The profile.
        secret: The client's secret as the user entered it. It is stored in the profile's private file.
        show: Shows the user the address and the code. None if no user can approve a login.
        stop: When set, the wait for the user ends.
        publish: Also copy the token to `$XDG_RUNTIME_DIR/bt_u<uid>`, where other programs find it.

    Returns:
        The state of the agent and of the login. On a system without background processes (Windows), no agent runs then.

    Raises:
        LoginNeeded: The user has to log in, and denied it or could not.
        ConfigError: The profile has no login, or the issuer does not accept the client.
        TemporaryError: The issuer cannot be reached, or the agent cannot renew the token.
        Stopped: `stop` was set.
        LocalError: The token cannot be stored, or the agent cannot be started.
        StorageFull: The disk has no room.
    """
    files = ProfileFiles.of(profile.name)
    files.prepare()
    copy = bearer_token_path() if publish else None
    if is_claimed(files) and (
        not _matches_request(read_state(files), profile, copy) or explain_mismatch(files, profile)
    ):
        stop_agent(files)  # it serves an earlier state of the profile, or does not publish
    if not is_claimed(files):
        obtain_token(profile, files, is_good=_accept_none, secret=secret, show=show, stop=stop)
        if not HAS_AGENT:
            return read_status(profile, files)
        spawn(profile, files, copy)
    return _check_started(read_status(profile, files))


def run_in_foreground(
    profile: Profile,
    *,
    secret: str | None = None,
    show: Show | None = None,
    publish: bool = False,
    ready: Callable[[Status], None],
) -> None:
    """Run the agent in this process and its main thread until SIGTERM or SIGINT, for systemd and containers.

    Args:
        profile: The profile.
        secret: The client's secret as the user entered it.
        show: Shows the user the address and the code. None if no user can approve a login.
        publish: Also copy the token to `$XDG_RUNTIME_DIR/bt_u<uid>`.
        ready: Receives the status once, when the agent has taken over.

    Raises:
        AlreadyExists: An agent of this profile is running.
        CtadataError: Any error that `start` raises, or the error that ended the agent.
    """
    files = ProfileFiles.of(profile.name)
    files.prepare()
    copy = bearer_token_path() if publish else None
    in_charge = not is_claimed(files)

    def report(answer: Mapping[str, object]) -> None:
        nonlocal in_charge
        in_charge = bool(answer["running"])
        if in_charge:
            ready(read_status(profile, files))

    if in_charge:
        obtain_token(profile, files, is_good=_accept_none, secret=secret, show=show)
        ended = serve(profile, files, report, copy)
        if ended is not None:
            raise ended
    if not in_charge:
        current = read_status(profile, files)
        raise AlreadyExists(
            f"an agent is already running (process {current.pid} on {current.host})", hint="stop-agent ends it"
        )


def stop(profile: Profile) -> bool:
    """End the agent, wait until it has ended, and return whether one was running. Its token and login stay on disk.

    Raises:
        LocalError: The agent runs on another host.
        TimedOut: The agent does not end.
    """
    return stop_agent(ProfileFiles.of(profile.name))


def status(profile: Profile) -> Status:
    """Return the state of the agent and of the login. No request is sent."""
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
    """Return a valid token: the stored one, or else a refreshed one, or else one from a new login. No agent is started.

    Args:
        profile: The profile.
        secret: The client's secret as the user entered it.
        show: Shows the user the address and the code. None if no user can approve a login.
        min_life: Seconds that the token has to live. For tokens with a life below twice that, half of their life is
            enough.
        stop: When set, the wait for the user ends.
        now: Returns the local time in seconds since 1970.

    Raises:
        CtadataError: Any error that `start` raises.
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
    """End the agent of these files; see `stop`."""
    if not is_claimed(files):
        return False
    other_lease = foreign_agent(files, time.time())
    if other_lease is not None:
        raise LocalError(f"the agent runs on {other_lease.host}", hint="stop it there")
    pause, deadline, signalled_pid = Event(), time.monotonic() + STOP_TIMEOUT, None
    while is_claimed(files):
        state = read_state(files)
        if state is not None and state.pid != signalled_pid:  # an agent that starts writes its state a moment later
            _terminate(state)
            signalled_pid = state.pid
        if time.monotonic() > deadline:
            raise TimedOut(
                f"the agent does not end (process {signalled_pid})", hint=f"kill -9 {signalled_pid} does no harm"
            )
        pause.wait(0.02)
    return True


def _terminate(state: State) -> None:
    """Send SIGTERM to the agent's process, and never to a later process with the same number."""
    if state.host != host_name():
        raise LocalError(f"the agent runs on {state.host}", hint="stop it there")
    terminate(state.pid, lambda: read_process_start(state.pid) == state.process_started)


def _accept_none(token: Token) -> bool:  # noqa: ARG001
    """Return False: an agent starts with a fresh token, which proves that it can renew the next one."""
    return False


def _matches_request(state: State | None, profile: Profile, copy: Path | None) -> bool:
    """Return whether the running agent does what `start` needs. An agent that has written no state yet does."""
    if state is None:
        return True
    same = same_issuer(state.issuer, profile.issuer) and state.client_id == profile.client_id
    return same and state.via == profile.token_source and (copy is None or state.published == str(copy))


def _check_started(status: Status) -> Status:
    """Return the status, or raise TemporaryError if the agent cannot do its work."""
    if not status.running:
        raise TemporaryError(f"the agent ended at once: {status.last_error or 'it gave no reason'}")
    if status.expires_at is not None and status.expires_at <= time.time():
        raise TemporaryError(f"the agent runs, but cannot renew the token: {status.last_error}", hint="it keeps trying")
    return status
