"""Login: a good token on disk, by the shortest way: the one that is there, a refresh, or a person's approval."""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Callable
from threading import Event

from ctadata.agent.lease import hold_lease
from ctadata.agent.renewal import secret_for_command
from ctadata.agent.token_backends import TokenBackend, open_backend
from ctadata.config.profile import Profile
from ctadata.errors import CtadataError, LoginNeeded
from ctadata.tokens.device import DeviceLogin, Show
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
    """A good token, on disk. Of several processes that ask at once, one logs in, and the others get what it brought.

    good:   whether the token that is there will do.
    secret: the client's, where it was given by hand.
    show:   None where nobody could approve: then LoginNeeded.
    A token that is still valid is kept through trouble that passes. LoginNeeded, ConfigError, Stopped, retryable
    errors, StorageFull, LocalError.
    """
    files.prepare()
    with hold_lock(files.login_lock, stop), open_backend(profile, files, now) as backend:
        _import_former(profile, files, now())
        try:
            return _without_a_person(backend, profile, files, is_good, secret, stop, now)
        except LoginNeeded:
            if show is None:
                raise
        with mark_waiting_for_user(files.login_lock):
            return backend.log_in(secret, show, stop or Event())


def _import_former(profile: Profile, files: ProfileFiles, now: float) -> None:
    """Take over what an earlier version left, where there is no login of ours yet; say so once."""
    if (
        load_login(files, profile) is not None
        or load_token(files, profile) is not None
        or explain_mismatch(files, profile)
    ):
        return
    former = find_legacy_login(profile, now)
    if former.secret is not None:
        login = Login(str(profile.issuer), str(profile.client_id), None, former.secret)
        save_login(files, login, profile.login_store)
    if former.token is not None:
        save_token(files, profile, former.token)
    if former.files:
        log.warning("%s", former)


def _without_a_person(
    backend: TokenBackend,
    profile: Profile,
    files: ProfileFiles,
    is_good: Callable[[Token], bool],
    secret: str | None,
    stop: Event | None,
    now: Callable[[], float],
) -> Token:
    """The token that is there, if it is good, else a refreshed one, else the one that is there if it is valid."""
    token = load_token(files, profile)
    if token is not None and is_good(token):
        return token
    try:
        with hold_lease(files, stop=stop):
            brought = load_token(files, profile)
            if brought is not None and brought != token and is_good(brought):  # another machine was faster
                return brought
            return backend.refresh(lambda profile, login: secret_for_command(profile, login, secret))
    except CtadataError as error:
        if error.retryable and token is not None and token.life_left(now()) > 0:
            return token
        raise


def instructions(login: DeviceLogin) -> str:
    """What a person has to do, in a few lines."""
    address = login.verification_uri_complete
    todo = "approve it if it shows" if address else "enter"
    lines = ["To log in, open in any browser, on any device:", "", f"  {address or login.verification_uri}", ""]
    return "\n".join([*lines, f"and {todo} the code  {login.user_code}"])


def qr_code(text: str) -> str:
    """A QR code as lines of block characters, for a terminal with a dark background."""
    import segno

    drawn = io.StringIO()
    segno.make(text, error="l", micro=False).terminal(drawn, compact=True)
    return drawn.getvalue()
