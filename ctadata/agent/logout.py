"""Logout: the login ends at the issuer first, then on this disk."""

from __future__ import annotations

import time

from ctadata.agent.control import stop_agent
from ctadata.agent.presence import read_state
from ctadata.agent.publication import withdraw
from ctadata.agent.renewal import Renewal, kept_secret
from ctadata.config.profile import Profile
from ctadata.errors import CtadataError, LoginNeeded
from ctadata.http.rest import Rest
from ctadata.tokens.kept import forget, load_login, load_token
from ctadata.tokens.locks import exclusive
from ctadata.tokens.places import Places
from ctadata.tokens.token import Token


def logout(profile: Profile, *, revoke: bool = True) -> str:
    """End agent and login; what is still to be known, in words, empty where nothing is.

    revoke: whether the issuer is asked to end the login as well. Where it cannot be asked, its error is raised, and
    nothing is removed. Errors of `Renewal.issuer` and of `stop`.
    """
    places = Places.of(profile.name)
    if not places.folder.exists():
        return "there was no login"
    stop_agent(places)
    with exclusive(places.login_lock):
        there = load_login(places, profile) is not None
        told = _revoke(profile, places) if revoke else "" if not there else "the issuer was not asked to end the login"
        token = load_token(places, profile)
        state = read_state(places)
        withdraw(state.published if state else "", token)
        forget(places, profile)
    return " and ".join(words for words in (told, _lives_on(token)) if words)


def _revoke(profile: Profile, places: Places) -> str:
    login = load_login(places, profile)
    if login is None or login.refresh_token is None:
        return ""
    secret, _ = kept_secret(profile, login)
    try:
        ended = Renewal(profile, places, Rest(ca=profile.ca)).issuer(secret).revoke(login.refresh_token)
    except LoginNeeded:  # it is over already
        return ""
    except CtadataError as error:
        error.hint = "nothing was removed; --local removes the login from this machine, and leaves it alive elsewhere"
        raise
    return "" if ended else "the issuer cannot be asked to end a login: it ends there in its own time"


def _lives_on(token: Token | None) -> str:
    """An access token that was copied is good until its end: no server can call it back."""
    left = token.life_left(time.time()) if token else 0
    return f"copies of the last token are good for another {left / 60:.0f} min" if 60 < left < 1e9 else ""
