"""Get the next token when a run's token has ended, and warn if no next one will come."""

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
    """Renews the profile's own token for a `TokenProvider`."""

    def __init__(self, profile: Profile, stop: Event, now: Callable[[], float] = time.time) -> None:
        """Store the settings. Nothing is read yet.

        Args:
            profile: The profile.
            stop: When set, every wait here ends.
            now: Returns the local time in seconds since 1970.
        """
        self._profile = profile
        self._stop = stop
        self._now = now

    def renew_token(self, refused: str | None, *, patient: bool) -> bool:
        """Put a valid token on disk that is not the refused one.

        Args:
            refused: The token that a server refused. None if the token expired.
            patient: Wait until the issuer can be reached and the disk has room, and log that once. Otherwise raise.

        Returns:
            False if this machine cannot renew the token.

        Raises:
            LoginNeeded: Only the user can log in again.
            ConfigError: The issuer does not accept the client.
            TemporaryError: The issuer is busy or cannot be reached, and `patient` is false.
            StorageFull: The disk has no room, and `patient` is false.
            Stopped: The run was stopped.
            LocalError: The token cannot be stored.
        """
        from ctadata.agent import login, schedule, token_backends  # imported late: needed once in the life of a token

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
                    raise TemporaryError(f"the token has expired, and no new one can be had: {error}") from None
                if not failures:
                    log.warning("the token has expired; waiting for the next one: %s", error)
                failures += 1
                pause = schedule.pause_after(failures, error.retry_after, random.random(), 0)  # noqa: S311  (jitter)
            else:
                return True
            if self._stop.wait(pause):
                raise Stopped("stopped while waiting for a token")

    def warning(self, token: Token) -> str:
        """Return why no token will follow a token that is still valid; empty if one will."""
        try:
            state = read_state(ProfileFiles.of(self._profile.name))
        except CtadataError:
            return ""
        if state is None or not state.has_ended or not is_newer_than_token(state, token):
            return ""
        left = token.life_left(self._now())
        last = f"; its last token stays valid for another {left / 60:.0f} min" if left < 1e9 else ""
        return f"the agent has ended: {state.last_error}{last}"


def make_token_provider(
    resolved: Resolved, stop: Event, *, token_file: Path | None = None, env: Mapping[str, str] = os.environ
) -> TokenProvider:
    """Return the token provider of a session. It renews the agent's token when that has expired.

    Args:
        resolved: The profile, and the origin of each value.
        stop: When set, every wait for a token ends.
        token_file: A file with the token to use, instead of all other sources.
        env: The environment, in which a token may be.
    """
    profile, renewer = resolved.profile, RenewOnDemand(resolved.profile, stop)
    return TokenProvider(profile, explicit=token_file, only_profile=resolved.explicit, env=env, renewer=renewer)


def login_of(resolved: Resolved, stop: Event, env: Mapping[str, str] = os.environ) -> Callable[[], str | None] | None:
    """Return the function that returns the token of an S3 profile's login; None if the profile has no issuer.

    Args:
        resolved: The profile, and the origin of each value.
        stop: When set, every wait for a token ends.
        env: The environment, in which a token may be.
    """
    return make_token_provider(resolved, stop, env=env).bearer if resolved.profile.issuer else None
