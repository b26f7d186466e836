"""Login: a good token on disk, by the shortest way: the one that is there, a refresh, or a person's approval."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from threading import Event

from ctadata.agent.renewal import Renewal, chosen_secret, keep_grant
from ctadata.config.profile import Profile
from ctadata.errors import CtadataError, LoginNeeded
from ctadata.http.rest import Rest
from ctadata.tokens.device import DeviceLogin, begin_device_login, wait_for_login
from ctadata.tokens.kept import load_login, load_token
from ctadata.tokens.locks import exclusive
from ctadata.tokens.places import Places
from ctadata.tokens.token import Token

Show = Callable[[DeviceLogin], None]
"""Shows a person the address and the code, and returns at once."""


def obtain(
    profile: Profile,
    places: Places,
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
    with exclusive(places.login_lock, stop):
        token = load_token(places, profile)
        if token is not None and good(token):
            return token
        renewal = Renewal(profile, places, Rest(ca=profile.ca), now)
        try:
            return renewal.refresh(lambda profile, login: chosen_secret(profile, login, secret))
        except LoginNeeded:
            if show is None:
                raise
        except CtadataError as error:
            if error.retryable and token is not None and token.life_left(now()) > 0:
                return token
            raise
        return _log_in(renewal, secret, show, stop or Event())


def _log_in(renewal: Renewal, given: str | None, show: Show, stop: Event) -> Token:
    """Let a person approve; the login lock is the caller's."""
    profile, places = renewal.profile, renewal.places
    secret, keep = chosen_secret(profile, load_login(places, profile), given)
    issuer = renewal.issuer(secret)
    login = begin_device_login(issuer)
    show(login)
    grant = wait_for_login(issuer, login, stop=stop)
    keep_grant(profile, places, grant, secret if keep else None, before=None)
    return grant.token


def qr_code(text: str) -> str:
    """A QR code as lines of block characters, for a terminal with a dark background."""
    import segno

    drawn = io.StringIO()
    segno.make(text, error="l", micro=False).terminal(drawn, compact=True)
    return drawn.getvalue()
