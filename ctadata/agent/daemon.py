"""The agent's process: a fresh interpreter, apart from whoever started it.

Started as `python -m ctadata.agent.daemon NAME`: the name is for `ps` alone. What it is to do comes as JSON on its
standard input, and holds no secret: those it reads from the profile's private files. It answers with one line of
JSON, then closes its standard streams and lives on in a session of its own, in `/`, with a small environment.
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
from ctadata.tokens.login_store import load_token
from ctadata.tokens.profile_files import ProfileFiles

log = logging.getLogger("ctadata.agent")


def main() -> int:
    """The agent itself; see the head of the module."""
    order = json.load(sys.stdin)
    if os.fork():  # the starter waits for this process; the agent belongs to init
        os._exit(0)
    os.umask(0o077)
    copy = Path(order["publish"]) if order["publish"] else None
    try:
        serve(_profile(order["profile"]), ProfileFiles(Path(order["folder"])), _report, copy)
    except CtadataError as error:
        _report({"error": error.what, "hint": error.hint, "path": error.path})
        return 1
    return 0


def serve(
    profile: Profile, files: ProfileFiles, ready: Callable[[Mapping[str, object]], None], copy: Path | None = None
) -> CtadataError | None:
    """Be the agent of a profile, in this process, until SIGTERM or SIGINT, or until only a person can help (then why).

    ready: is told once, when the agent is in charge (`{"running": true}`), or another one is (false).
    copy:  where the token is published as well.
    Must run in the main thread. Raises CtadataError where there is no good token to begin with, and none comes.
    """
    stop = _stop_on_signals()
    instance = claim(files)
    if instance is None:
        ready({"running": False})
        return None
    with instance, open_backend(profile, files) as backend:
        token = load_token(files, profile)
        if token is None:
            raise LoginNeeded("there is no token to begin with")
        begin_log(log, files.agent_log)
        log.info("the agent begins, process %d", os.getpid())
        if token.life_left(time.time()) <= 0:
            token = backend.renew(token)
        teller = _Teller(profile, instance, stop, lambda: ready({"running": True}), copy)
        try:
            return keep_fresh(token, backend.renew, teller.tell, stop, wait=teller.wait)
        except Exception:
            log.exception("the agent fails")
            raise


class _Teller:
    """Writes the state at every beat, and reports the first; publishes the copy; keeps the lease."""

    def __init__(
        self, profile: Profile, instance: AgentInstance, stop: Event, first: Callable[[], None], copy: Path | None
    ) -> None:
        self._profile = profile
        self._instance = instance
        self._stop = stop
        self._first: Callable[[], None] | None = first
        self._copy = copy
        self._started = time.time()

    def tell(self, beat: LoopStatus) -> None:
        if self._instance.is_lost():
            log.error("the files of this agent were removed: it ends")
            self._stop.set()
            return
        try:
            if self._copy:
                publish(self._copy, beat.token)
            if self._instance.extend_lease():
                self._instance.write_state(self._state(beat))
        except CtadataError as error:  # a full disk must not end the agent
            log.warning("the state could not be written: %s", error)
        if self._first:
            self._first()
            self._first = None

    def wait(self, seconds: float) -> None:
        """Pass some seconds, at most half a minute, and let the lease last on."""
        self._stop.wait(seconds)
        if self._stop.is_set():
            return
        try:
            self._instance.extend_lease()
        except CtadataError as error:
            log.warning("the lease could not be written: %s", error)

    def _state(self, beat: LoopStatus) -> State:
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
            expires_at=beat.token.expires_at,
            next_refresh=beat.next_refresh,
            login_needed=isinstance(beat.error, LoginNeeded),
            last_error=str(beat.error or ""),
            published=str(self._copy or ""),
        )


def _profile(told: Mapping[str, Any]) -> Profile:
    paths = {key: Path(told[key]) for key in ("client_secret_file", "ca") if told[key]}
    return Profile(**{**told, **paths, "token_origins": tuple(told["token_origins"])})


def _stop_on_signals() -> Event:
    """An event that SIGTERM and SIGINT set; by a thread, since a handler that sets an event can deadlock."""
    wanted = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stop = Event()

    def listen() -> None:
        signal.sigwait(wanted)
        stop.set()

    threading.Thread(target=listen, name="signals", daemon=True).start()
    return stop


def _report(answer: Mapping[str, object]) -> None:
    """Answer whoever started us, then let go of the standard streams."""
    with contextlib.suppress(OSError):  # it may have gone
        os.write(1, json.dumps(answer).encode())
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    os.close(null)


if __name__ == "__main__":
    sys.exit(main())
