"""The two ways to a fresh token: from the issuer, or through oidc-agent."""

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
"""Seconds to connect to an issuer, and of its silence: a refresh that is given up while the issuer still works on it
ends a login that rotates. Two such requests are over before a lease is (`lease.LIFE`)."""


class TokenBackend(Protocol):
    """How a profile gets a fresh token; each publishes it, and raises what `Renewal` does."""

    def renew(self, known: Token, stop: Event | None = None) -> Token:
        """A newer token than the known one, under lock and lease."""

    def refresh(self, choose_secret: ChooseSecret) -> Token:
        """A fresh token; lock and lease are the caller's."""

    def log_in(self, given: str | None, show: Show, stop: Event) -> Token:
        """A token that a person approves; the lock is the caller's."""


def with_last_token_source(profile: Profile) -> Profile:
    """The profile, with oidc-agent as its source where its last agent was started so (`--via`), until a logout."""
    state = read_state(ProfileFiles.of(profile.name))
    if state is None or state.via != VIA_OIDC_AGENT:
        return profile
    return dataclasses.replace(profile, token_source=VIA_OIDC_AGENT)


def is_renewable(profile: Profile, files: ProfileFiles) -> bool:
    """Whether something on this machine could renew the token, with no person's help. LocalError, ConfigError."""
    if profile.token_source == VIA_OIDC_AGENT:
        return OidcAgentAccount(profile, files).is_known
    login = load_login(files, profile)
    return login is not None and login.refresh_token is not None


@contextlib.contextmanager
def open_backend(profile: Profile, files: ProfileFiles, now: Callable[[], float] = time.time) -> Iterator[TokenBackend]:
    """The way of the profile (`token_source`); what it has started ends with the block."""
    if profile.token_source != VIA_OIDC_AGENT:
        yield Renewal(profile, files, JsonClient(ca=profile.ca, timeouts=TIMEOUTS), now)
        return
    account = OidcAgentAccount(profile, files, now)
    try:
        yield account
    finally:
        account.close()
