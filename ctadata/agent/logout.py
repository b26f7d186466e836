"""Logout: the login ends at the issuer first, then on this disk."""

from __future__ import annotations

import contextlib
import time

from ctadata.agent.bearer_token_file import withdraw
from ctadata.agent.control import stop_agent
from ctadata.agent.instance import read_state
from ctadata.agent.oidc_agent import OidcAgentAccount
from ctadata.agent.renewal import Renewal, secret_for_agent
from ctadata.agent.token_backends import VIA_OIDC_AGENT
from ctadata.config.profile import Profile
from ctadata.errors import CtadataError, LoginNeeded
from ctadata.http.rest import JsonClient
from ctadata.tokens.locks import hold_lock
from ctadata.tokens.login_store import delete_login, load_login, load_token
from ctadata.tokens.profile_files import ProfileFiles
from ctadata.tokens.token import Token

_NOTHING_REMOVED = "nothing was removed; --local removes the login from this machine, and leaves it alive elsewhere"


def logout(profile: Profile, *, revoke: bool = True) -> str:
    """End agent and login; what is still to be known, in words, empty where nothing is.

    revoke: whether the issuer is asked to end the login as well. Where it cannot be asked, its error is raised, and
    nothing is removed. Errors of `Renewal.issuer` and of `stop`.
    """
    files = ProfileFiles.of(profile.name)
    if not files.folder.exists():
        return "there was no login"
    stop_agent(files)
    with hold_lock(files.login_lock):
        there = _is_kept(profile, files)
        told = _revoke(profile, files) if revoke else "" if not there else "the issuer was not asked to end the login"
        if profile.token_source == VIA_OIDC_AGENT:
            OidcAgentAccount(profile, files).file.unlink(missing_ok=True)
        token = load_token(files, profile, any_origin=True)
        state = read_state(files)
        withdraw(state.published if state else "", token)
        delete_login(files, profile)
        files.agent_state.unlink(missing_ok=True)
    return " and ".join(words for words in (told, _lives_on(token)) if words)


def _is_kept(profile: Profile, files: ProfileFiles) -> bool:
    if profile.token_source == VIA_OIDC_AGENT:
        return OidcAgentAccount(profile, files).exists
    return load_login(files, profile, any_origin=True) is not None


def _revoke(profile: Profile, files: ProfileFiles) -> str:
    if profile.token_source == VIA_OIDC_AGENT:
        return _revoke_through_oidc_agent(profile, files)
    login = load_login(files, profile, any_origin=True)
    if login is None or login.refresh_token is None:
        return ""
    secret, _ = secret_for_agent(profile, login)
    try:
        ended = Renewal(profile, files, JsonClient(ca=profile.ca)).issuer(secret).revoke(login.refresh_token)
    except LoginNeeded:  # it is over already
        return ""
    except CtadataError as error:
        error.hint = _NOTHING_REMOVED
        raise
    return "" if ended else "the issuer cannot be asked to end a login: it ends there in its own time"


def _revoke_through_oidc_agent(profile: Profile, files: ProfileFiles) -> str:
    with contextlib.closing(OidcAgentAccount(profile, files)) as account:
        try:
            ours = account.log_out()
        except LoginNeeded:  # it is over already
            return ""
        except CtadataError as error:
            error.hint = _NOTHING_REMOVED
            raise
    return "" if ours else f"your own oidc-agent keeps the login: oidc-gen --delete {account.name} ends it"


def _lives_on(token: Token | None) -> str:
    """An access token that was copied is good until its end: no server can call it back."""
    left = token.life_left(time.time()) if token else 0
    return f"copies of the last token are good for another {left / 60:.0f} min" if 60 < left < 1e9 else ""
