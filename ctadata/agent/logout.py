"""Log out: end the login at the issuer first, then delete it from this disk."""

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

_NOT_REVOKED = "the issuer was not asked to end the login"
_NOTHING_REMOVED = "nothing was deleted; --local deletes the login on this machine only, and the issuer keeps it alive"


def logout(profile: Profile, *, revoke: bool = True) -> str:
    """End the agent and the login.

    Args:
        profile: The profile.
        revoke: Ask the issuer to end the login. If that fails, the error is raised and nothing is deleted.

    Returns:
        What the user still has to know, in words; empty if nothing.

    Raises:
        ConfigError: The issuer does not accept the client.
        TemporaryError: The issuer is busy or cannot be reached.
        LocalError: The agent runs on another machine, or a file cannot be deleted.
        TimedOut: The agent does not end.
    """
    files = ProfileFiles.of(profile.name)
    if not files.folder.exists():
        return "there was no login"
    stop_agent(files)
    with hold_lock(files.login_lock):
        had_login = _has_login(profile, files)
        revocation = _revoke(profile, files) if revoke else _NOT_REVOKED if had_login else ""
        if profile.token_source == VIA_OIDC_AGENT:
            OidcAgentAccount(profile, files).file.unlink(missing_ok=True)
        token = load_token(files, profile, any_origin=True)
        state = read_state(files)
        withdraw(state.published if state else "", token)
        delete_login(files, profile)
        files.agent_state.unlink(missing_ok=True)
    return " and ".join(words for words in (revocation, _warn_of_copies(token)) if words)


def _has_login(profile: Profile, files: ProfileFiles) -> bool:
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
    except LoginNeeded:  # the login is already over
        return ""
    except CtadataError as error:
        error.hint = _NOTHING_REMOVED
        raise
    return "" if ended else "the issuer offers no logout: the login ends there when it expires"


def _revoke_through_oidc_agent(profile: Profile, files: ProfileFiles) -> str:
    with contextlib.closing(OidcAgentAccount(profile, files)) as account:
        try:
            is_ours = account.log_out()
        except LoginNeeded:  # the login is already over
            return ""
        except CtadataError as error:
            error.hint = _NOTHING_REMOVED
            raise
    return "" if is_ours else f"your own oidc-agent keeps the login: oidc-gen --delete {account.name} ends it"


def _warn_of_copies(token: Token | None) -> str:
    """Return a warning about copies of the access token: no server can revoke them before they expire."""
    left = token.life_left(time.time()) if token else 0
    return f"copies of the last token stay valid for another {left / 60:.0f} min" if 60 < left < 1e9 else ""
