"""The two backends that get a fresh token: the issuer itself, or oidc-agent."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator
from threading import Event
from typing import Protocol

from ctadata.agent.instance import read_state
from ctadata.agent.oidc_agent import OidcAgentAccount
from ctadata.agent.renewal import ChooseSecret, Renewal
from ctadata.config.profile import Profile
from ctadata.http.rest import JsonClient
from ctadata.tokens.device import Show
from ctadata.tokens.login_store import load_login
from ctadata.tokens.profile_files import ProfileFiles
from ctadata.tokens.token import Token

VIA_OIDC_AGENT = "oidc-agent"

TIMEOUTS = (10.0, 45.0)
"""Seconds to connect to an issuer, and seconds without an answer.

If a refresh is given up while the issuer still works on it, a login with rotating refresh tokens is lost. Two such
requests fit into a lease (`lease.LIFE`).
"""


class TokenBackend(Protocol):
    """The backend that gets a profile's fresh token, and publishes it. It raises the errors of `Renewal`."""

    def renew(self, known: Token, stop: Event | None = None) -> Token:
        """Return a newer token than the known one, under lock and lease."""

    def refresh(self, choose_secret: ChooseSecret) -> Token:
        """Return a fresh token. The caller holds lock and lease."""

    def log_in(self, entered_secret: str | None, show: Show, stop: Event) -> Token:
        """Return the token of a login that the user approves. The caller holds the lock."""


def with_last_token_source(profile: Profile) -> Profile:
    """Return the profile; with oidc-agent as its source if its last agent was started so (`--via`), until a logout."""
    state = read_state(ProfileFiles.of(profile.name))
    if state is None or state.via != VIA_OIDC_AGENT:
        return profile
    return dataclasses.replace(profile, token_source=VIA_OIDC_AGENT)


def is_renewable(profile: Profile, files: ProfileFiles) -> bool:
    """Return whether this machine can renew the token without the user.

    Raises:
        LocalError: Others can read the login.
        ConfigError: The keyring cannot be used.
    """
    if profile.token_source == VIA_OIDC_AGENT:
        return OidcAgentAccount(profile, files).is_known
    login = load_login(files, profile)
    return login is not None and login.refresh_token is not None


@contextlib.contextmanager
def open_backend(profile: Profile, files: ProfileFiles, now: Callable[[], float] = time.time) -> Iterator[TokenBackend]:
    """Yield the backend that the profile names (`token_source`). A process that it has started ends with the block.

    Args:
        profile: The profile.
        files: The profile's files.
        now: Returns the local time in seconds since 1970.
    """
    if profile.token_source != VIA_OIDC_AGENT:
        yield Renewal(profile, files, JsonClient(ca=profile.ca, timeouts=TIMEOUTS), now)
        return
    account = OidcAgentAccount(profile, files, now)
    try:
        yield account
    finally:
        account.close()
