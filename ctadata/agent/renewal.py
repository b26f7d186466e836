"""Renewal: the one way to a newer access token, for the agent and for commands alike.

Whoever renews holds the profile's login lock and its lease, and looks again at what is on disk once it has them: with
refresh tokens that rotate, a second use of an old one ends the login. The new refresh token is on disk before
anything else happens.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from ctadata.agent.lease import hold_lease
from ctadata.agent.schedule import refresh_at, require_unexpired
from ctadata.config.profile import Profile
from ctadata.errors import ConfigError, CtadataError, LocalError, LoginNeeded
from ctadata.http.rest import JsonClient
from ctadata.tokens import keyring_store
from ctadata.tokens.device import Show, begin_device_login, wait_for_login
from ctadata.tokens.files import read_discovered
from ctadata.tokens.issuer import Issuer
from ctadata.tokens.locks import hold_lock
from ctadata.tokens.login_store import KEYRING, Login, load_login, load_token, reserve_login, save_token
from ctadata.tokens.origins import origin_texts
from ctadata.tokens.profile_files import ProfileFiles
from ctadata.tokens.token import Secret, Token
from ctadata.tokens.token_response import Grant

SECRET_VARIABLE = "CTADATA_CLIENT_SECRET"  # noqa: S105  (the name of a variable)


ChooseSecret = Callable[[Profile, "Login"], tuple["Secret | None", bool]]
"""The client's secret, and whether it is to be kept with the login."""


@dataclass(slots=True)
class Renewal:
    """Renews the token of one profile."""

    profile: Profile
    files: ProfileFiles
    rest: JsonClient
    now: Callable[[], float] = time.time
    _issuer: Issuer | None = None
    _unsaved: Grant | None = field(default=None, repr=False)

    def renew(self, known: Token, stop: Event | None = None) -> Token:
        """A newer token than `known`: the one that another process has just brought, or a fresh one; published.

        LoginNeeded, ConfigError (only a person can help), retryable errors, StorageFull, LocalError (the new login is
        kept in memory, and saved when tried again), Stopped.
        """
        with hold_lock(self.files.login_lock, stop), hold_lease(self.files, stop=stop):
            found = load_token(self.files, self.profile)
            now = self.now()
            if found is not None and is_newer(found, known, now):
                self._unsaved = None
                return found
            return self.refresh(secret_for_agent)

    def refresh(self, choose_secret: ChooseSecret) -> Token:
        """A fresh token from the issuer, published; lock and lease are the caller's. Errors as for `renew`."""
        login = load_login(self.files, self.profile)
        if login is None or login.refresh_token is None:
            raise LoginNeeded("there is no login that could be renewed", hint=login_hint(self.profile))
        secret, keep = choose_secret(self.profile, login)
        with reserve_login(self.files, self.profile.login_store) as save:
            grant = self._unsaved or self._ask(login.refresh_token, secret)
            self._unsaved = grant
            save(self._login(grant, secret if keep else None, login))
        return self._publish(grant, login.origins)

    def log_in(self, given: str | None, show: Show, stop: Event) -> Token:
        """Let a person approve; the login lock is the caller's. `given`: the client's secret, where it was.

        LoginNeeded where it was denied or came too late, ConfigError, Stopped, retryable errors.
        """
        if self.profile.login_store == KEYRING:
            keyring_store.probe()
        secret, keep = secret_for_command(self.profile, load_login(self.files, self.profile), given)
        issuer = self.issuer(secret)
        with reserve_login(self.files, self.profile.login_store) as save:
            login = begin_device_login(issuer)
            show(login)
            grant = wait_for_login(issuer, login, stop=stop)
            save(self._login(grant, secret if keep else None))
        return self._publish(grant)

    def _login(self, grant: Grant, secret: Secret | None, before: Login | None = None) -> Login:
        """What renews the token from now on; a refresh token that is not sent stays the old one."""
        refresh_token = grant.refresh_token or (before.refresh_token if before else None)
        origins = (before.origins if before else ()) or tuple(origin_texts(self.profile))
        return Login(str(self.profile.issuer), str(self.profile.client_id), refresh_token, secret, origins)

    def _publish(self, grant: Grant, origins: tuple[str, ...] = ()) -> Token:
        """Put the token on disk, after what renews it; one that finds no room is published when tried again."""
        self._unsaved = None
        token = require_unexpired(grant.token, self.now())
        try:
            save_token(self.files, self.profile, token, origins)
        except CtadataError:
            self._unsaved = grant
            raise
        return token

    def issuer(self, secret: Secret | None) -> Issuer:
        """The profile's issuer, asked once what it offers. ConfigError, retryable errors."""
        if self._issuer is None or self._issuer.secret != secret:
            self._issuer = Issuer.discover(self.profile, self.rest, secret, self.now)
        return self._issuer

    def _ask(self, refresh_token: Secret, secret: Secret | None) -> Grant:
        try:
            return self.issuer(secret).refresh(refresh_token)
        except LoginNeeded as error:
            # logins that one browser approved may share a session at Keycloak: the end of one ends the other
            hint = f"{login_hint(self.profile)}; another login of yours, or its logout, may have ended this one"
            raise LoginNeeded(error.what, hint=hint) from None
        except CtadataError:
            self._issuer = None  # its endpoints may have moved
            raise


def is_newer(found: Token, known: Token, now: float) -> bool:
    """Whether another process has just brought a token that needs no refresh yet."""
    return found.reveal() != known.reveal() and refresh_at(found, now, 0) > now + 1


def secret_for_agent(profile: Profile, login: Login) -> tuple[Secret | None, bool]:
    """The client's secret for an agent, which asks nobody: the one kept with the login, else the profile's file.

    Also whether it is to be kept with the login.
    """
    if login.client_secret is not None:
        return login.client_secret, True
    return secret_in_file(profile.client_secret_file), False


def secret_for_command(profile: Profile, login: Login | None, given: str | None) -> tuple[Secret | None, bool]:
    """The client's secret for a command: given, in the environment, in the profile's file, or kept; None for a public
    client. Also whether it is to be kept with the login, so that the agent has it too.
    """
    text = given or os.environ.get(SECRET_VARIABLE)
    if text:
        return Secret(text), True
    in_file = secret_in_file(profile.client_secret_file)
    if in_file is not None or login is None:
        return in_file, False
    return login.client_secret, login.client_secret is not None


def secret_in_file(path: Path | None) -> Secret | None:
    """The client's secret in a file of the user's, or of an administrator's. LocalError where it cannot be trusted."""
    if path is None:
        return None
    text = read_discovered(path, follow=True)
    if text is None:
        raise LocalError("there is no such file, but the profile names it as client_secret_file", path=str(path))
    if not text.strip():
        raise ConfigError("the client's secret is empty", path=str(path))
    return Secret(text.strip())


def login_hint(profile: Profile) -> str:
    """What to do where a person has to log in."""
    return f"log in: cta-data-direct start-agent -P {profile.name}"
