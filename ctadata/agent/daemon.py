"""The agent's process: a fresh interpreter, detached from the process that started it.

It is started as `python -m ctadata.agent.daemon NAME`; the name is only for `ps`. It reads its task as JSON from
standard input. The task holds no secret: the agent reads its secrets from the profile's private files. It answers with
one line of JSON, closes its standard streams, and goes on in a session of its own, in `/`, with a small environment.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event
from typing import Any

from ctadata.agent.bearer_token_file import publish
from ctadata.agent.instance import AgentInstance, State, claim
from ctadata.agent.log import begin_log
from ctadata.agent.loop import LoopStatus, keep_fresh
from ctadata.agent.token_backends import open_backend
from ctadata.config.profile import Profile
from ctadata.errors import CtadataError, LoginNeeded
from ctadata.process_identity import host_name, read_boot_id, read_process_start
from ctadata.system import Signals, detach, ignore_hang_up
from ctadata.tokens.login_store import load_token
from ctadata.tokens.profile_files import ProfileFiles

log = logging.getLogger("ctadata.agent")


def main() -> int:
    """Run the agent; the module's docstring describes the protocol."""
    request = json.load(sys.stdin)
    detach()  # the starter waits for this process; init adopts the agent
    os.umask(0o077)
    copy = Path(request["publish"]) if request["publish"] else None
    try:
        serve(_parse_profile(request["profile"]), ProfileFiles(Path(request["folder"])), _report, copy)
    except CtadataError as error:
        _report({"error": error.what, "hint": error.hint, "path": error.path})
        return 1
    return 0


def serve(
    profile: Profile, files: ProfileFiles, ready: Callable[[Mapping[str, object]], None], copy: Path | None = None
) -> CtadataError | None:
    """Run the agent of a profile in this process, until SIGTERM or SIGINT, or until only the user can help.

    It must run in the main thread.

    Args:
        profile: The profile.
        files: The profile's files.
        ready: Called once: with `{"running": true}` when the agent has taken over, with false if another agent is
            running.
        copy: Another path to write the token to. None writes no copy.

    Returns:
        The error that ended the agent. None after a signal.

    Raises:
        LoginNeeded: There is no token to start with.
        CtadataError: The token has expired, and cannot be renewed.
    """
    stop = _stop_on_signals()
    instance = claim(files)
    if instance is None:
        ready({"running": False})
        return None
    with instance, open_backend(profile, files) as backend:
        token = load_token(files, profile)
        if token is None:
            raise LoginNeeded("there is no token to start with")
        begin_log(log, files.agent_log)
        log.info("the agent starts, process %d", os.getpid())
        if token.life_left(time.time()) <= 0:
            token = backend.renew(token)
        writer = _StateWriter(profile, instance, stop, lambda: ready({"running": True}), copy)
        try:
            return keep_fresh(token, backend.renew, writer.write, stop, wait=writer.wait)
        except Exception:
            log.exception("the agent failed")
            raise


class _StateWriter:
    """Writes the agent's state at each change of the loop, publishes the copy of the token, and extends the lease."""

    def __init__(
        self, profile: Profile, instance: AgentInstance, stop: Event, first: Callable[[], None], copy: Path | None
    ) -> None:
        self._profile = profile
        self._instance = instance
        self._stop = stop
        self._first: Callable[[], None] | None = first
        self._copy = copy
        self._started = time.time()

    def write(self, status: LoopStatus) -> None:
        if self._instance.is_lost():
            log.error("the agent ends, because its files were deleted")
            self._stop.set()
            return
        try:
            if self._copy:
                publish(self._copy, status.token)
            if self._instance.extend_lease():
                self._instance.write_state(self._state(status))
        except CtadataError as error:  # a full disk must not end the agent
            log.warning("the state could not be written: %s", error)
        if self._first:
            self._first()
            self._first = None

    def wait(self, seconds: float) -> None:
        """Wait some seconds, at most half a minute, and extend the lease."""
        self._stop.wait(seconds)
        if self._stop.is_set():
            return
        try:
            self._instance.extend_lease()
        except CtadataError as error:
            log.warning("the lease could not be written: %s", error)

    def _state(self, status: LoopStatus) -> State:
        return State(
            pid=os.getpid(),
            host=host_name(),
            process_started=read_process_start(os.getpid()),
            boot=read_boot_id(),
            issuer=str(self._profile.issuer),
            client_id=str(self._profile.client_id),
            via=self._profile.token_source,
            started=self._started,
            updated=time.time(),
            expires_at=status.token.expires_at,
            next_refresh=status.next_refresh,
            login_needed=isinstance(status.error, LoginNeeded),
            last_error=str(status.error or ""),
            published=str(self._copy or ""),
        )


def _parse_profile(fields: Mapping[str, Any]) -> Profile:
    paths = {key: Path(fields[key]) for key in ("client_secret_file", "ca") if fields[key]}
    return Profile(**{**fields, **paths, "token_origins": tuple(fields["token_origins"])})


def _stop_on_signals() -> Event:
    """Return an event that SIGTERM and SIGINT set.

    A thread sets it, since a handler that sets an event can deadlock.
    """
    signals = Signals((signal.SIGTERM, signal.SIGINT)).__enter__()  # until the process ends
    ignore_hang_up()
    stop = Event()

    def listen() -> None:
        signals.wait()
        stop.set()

    threading.Thread(target=listen, name="signals", daemon=True).start()
    return stop


def _report(answer: Mapping[str, object]) -> None:
    """Answer the process that started this one, and let go of the standard streams."""
    with contextlib.suppress(OSError):  # the starter may have ended
        os.write(1, json.dumps(answer).encode())
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    os.close(null)


if __name__ == "__main__":
    sys.exit(main())
