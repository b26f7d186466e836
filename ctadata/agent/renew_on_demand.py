"""Standby: where the token of a run has ended, the next one; where it is good, what will keep that from coming."""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event

from ctadata.agent.instance import is_newer_than_token, read_state
from ctadata.config.profile import Profile
from ctadata.config.resolve import Resolved
from ctadata.errors import CtadataError, Stopped, StorageFull, TemporaryError
from ctadata.tokens.profile_files import ProfileFiles
from ctadata.tokens.provider_chain import TokenProvider
from ctadata.tokens.token import Token

log = logging.getLogger(__name__)


class RenewOnDemand:
    """What `tokens.sources` asks where the profile's own token will not do."""

    def __init__(self, profile: Profile, stop: Event, now: Callable[[], float] = time.time) -> None:
        """Nothing is read.   stop: once set, who waits here is let go."""
        self._profile = profile
        self._stop = stop
        self._now = now

    def renew_token(self, refused: str | None, *, patient: bool) -> bool:
        """Have a valid token on disk, another than the refused one; False where nothing here could renew it.

        patient: a run waits as long as its issuer is away, or the disk is full, and says so once; else the one is a
        TemporaryError, the other StorageFull. LoginNeeded, ConfigError (only a person can help), Stopped, LocalError.
        """
        from ctadata.agent import login, schedule, token_backends  # needed once in the life of a token

        profile = token_backends.with_last_token_source(self._profile)
        files = ProfileFiles.of(profile.name)
        if not token_backends.is_renewable(profile, files):
            return False

        def is_good(token: Token) -> bool:
            return token.reveal() != refused and token.life_left(self._now()) > 0

        failures = 0
        while True:
            try:
                login.obtain_token(profile, files, is_good=is_good, stop=self._stop, now=self._now)
            except CtadataError as error:
                if not error.retryable and not (patient and isinstance(error, StorageFull)):
                    raise
                if not patient:
                    raise TemporaryError(f"the token has ended, and no new one comes: {error}") from None
                if not failures:
                    log.warning("the token has ended, and the next one is waited for: %s", error)
                failures += 1
                pause = schedule.pause_after(failures, error.retry_after, random.random(), 0)  # noqa: S311  (jitter)
            else:
                return True
            if self._stop.wait(pause):
                raise Stopped("stopped while waiting for a token")

    def warning(self, token: Token) -> str:
        """What only a person can mend, while the profile's token is still good; empty where nothing is wrong."""
        try:
            state = read_state(ProfileFiles.of(self._profile.name))
        except CtadataError:
            return ""
        if state is None or not state.has_ended or not is_newer_than_token(state, token):
            return ""
        left = token.life_left(self._now())
        last = f"; its last token is good for another {left / 60:.0f} min" if left < 1e9 else ""
        return f"the agent has ended: {state.last_error}{last}"


def make_token_provider(
    resolved: Resolved, stop: Event, *, token_file: Path | None = None, env: Mapping[str, str] = os.environ
) -> TokenProvider:
    """Where the tokens of a session come from; the agent's own is renewed where it has ended."""
    profile, renewer = resolved.profile, RenewOnDemand(resolved.profile, stop)
    return TokenProvider(profile, explicit=token_file, only_profile=resolved.explicit, env=env, renewer=renewer)
