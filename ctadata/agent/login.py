"""Put a valid token on disk in the shortest way: the stored one, a refresh, or a new login that the user approves."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Event

from ctadata.agent.lease import hold_lease
from ctadata.agent.renewal import secret_for_command
from ctadata.agent.token_backends import TokenBackend, open_backend
from ctadata.config.profile import Profile
from ctadata.errors import CtadataError, LoginNeeded
from ctadata.tokens.device import Show
from ctadata.tokens.legacy import find_legacy_login
from ctadata.tokens.locks import hold_lock, mark_waiting_for_user
from ctadata.tokens.login_store import Login, explain_mismatch, load_login, load_token, save_login, save_token
from ctadata.tokens.profile_files import ProfileFiles
from ctadata.tokens.token import Token

log = logging.getLogger(__name__)


def obtain_token(
    profile: Profile,
    files: ProfileFiles,
    *,
    is_good: Callable[[Token], bool],
    secret: str | None = None,
    show: Show | None = None,
    stop: Event | None = None,
    now: Callable[[], float] = time.time,
) -> Token:
    """Return a good token, which is then on disk.

    If several processes call this at once, one of them logs in, and the others get its token. A valid token is kept
    through temporary failures.

    Args:
        profile: The profile.
        files: The profile's files.
        is_good: Returns whether the stored token is good enough.
        secret: The client's secret as the user entered it.
        show: Shows the user the address and the code. None if no user can approve a login.
        stop: When set, the wait for the user or for other processes ends.
        now: Returns the local time in seconds since 1970.

    Raises:
        LoginNeeded: The user has to log in, and denied it or could not.
        ConfigError: The profile has no login, or the issuer does not accept the client.
        TemporaryError: The issuer is busy or cannot be reached.
        Stopped: `stop` was set.
        StorageFull: The disk has no room.
        LocalError: The token cannot be stored.
    """
    files.prepare()
    with hold_lock(files.login_lock, stop), open_backend(profile, files, now) as backend:
        _import_legacy_login(profile, files, now())
        try:
            return _obtain_unattended(backend, profile, files, is_good, secret, stop, now)
        except LoginNeeded:
            if show is None:
                raise
        with mark_waiting_for_user(files.login_lock):
            return backend.log_in(secret, show, stop or Event())


def _import_legacy_login(profile: Profile, files: ProfileFiles, now: float) -> None:
    """Import the login of an earlier version if this version has none yet, and report it once."""
    if (
        load_login(files, profile) is not None
        or load_token(files, profile) is not None
        or explain_mismatch(files, profile)
    ):
        return
    legacy = find_legacy_login(profile, now)
    if legacy.secret is not None:
        login = Login(str(profile.issuer), str(profile.client_id), None, legacy.secret)
        save_login(files, login, profile.login_store)
    if legacy.token is not None:
        save_token(files, profile, legacy.token)
    if legacy.files:
        log.warning("%s", legacy)


def _obtain_unattended(
    backend: TokenBackend,
    profile: Profile,
    files: ProfileFiles,
    is_good: Callable[[Token], bool],
    secret: str | None,
    stop: Event | None,
    now: Callable[[], float],
) -> Token:
    """Return the stored token if it is good, or else a refreshed one, or else the stored one if it is valid."""
    token = load_token(files, profile)
    if token is not None and is_good(token):
        return token
    try:
        with hold_lease(files, stop=stop):
            newer = load_token(files, profile)
            if newer is not None and newer != token and is_good(newer):  # another machine has just refreshed it
                return newer
            return backend.refresh(lambda profile, login: secret_for_command(profile, login, secret))
    except CtadataError as error:
        if error.retryable and token is not None and token.life_left(now()) > 0:
            return token
        raise
