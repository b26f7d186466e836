"""Login: a good token on disk, by the shortest way: the one that is there, a refresh, or a person's approval."""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Callable
from threading import Event

from ctadata.agent.lease import leased
from ctadata.agent.renewal import chosen_secret
from ctadata.agent.token_backends import TokenBackend, open_way
from ctadata.config.profile import Profile
from ctadata.errors import CtadataError, LoginNeeded
from ctadata.tokens.device import DeviceLogin, Show
from ctadata.tokens.legacy import find_former
from ctadata.tokens.locks import exclusive, waiting_for_a_person
from ctadata.tokens.login_store import Login, load_login, load_token, save_login, save_token, why_not
from ctadata.tokens.profile_files import ProfileFiles
from ctadata.tokens.token import Token

log = logging.getLogger(__name__)


def obtain(
    profile: Profile,
    places: ProfileFiles,
    *,
    good: Callable[[Token], bool],
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
    places.prepare()
    with exclusive(places.login_lock, stop), open_way(profile, places, now) as way:
        _import_former(profile, places, now())
        try:
            return _without_a_person(way, profile, places, good, secret, stop, now)
        except LoginNeeded:
            if show is None:
                raise
        with waiting_for_a_person(places.login_lock):
            return way.log_in(secret, show, stop or Event())


def _import_former(profile: Profile, places: ProfileFiles, now: float) -> None:
    """Take over what an earlier version left, where there is no login of ours yet; say so once."""
    if load_login(places, profile) is not None or load_token(places, profile) is not None or why_not(places, profile):
        return
    former = find_former(profile, now)
    if former.secret is not None:
        login = Login(str(profile.issuer), str(profile.client_id), None, former.secret)
        save_login(places, login, profile.login_store)
    if former.token is not None:
        save_token(places, profile, former.token)
    if former.files:
        log.warning("%s", former)


def _without_a_person(
    way: TokenBackend,
    profile: Profile,
    places: ProfileFiles,
    good: Callable[[Token], bool],
    secret: str | None,
    stop: Event | None,
    now: Callable[[], float],
) -> Token:
    """The token that is there, if it is good, else a refreshed one, else the one that is there if it is valid."""
    token = load_token(places, profile)
    if token is not None and good(token):
        return token
    try:
        with leased(places, stop=stop):
            brought = load_token(places, profile)
            if brought is not None and brought != token and good(brought):  # another machine was faster
                return brought
            return way.refresh(lambda profile, login: chosen_secret(profile, login, secret))
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
