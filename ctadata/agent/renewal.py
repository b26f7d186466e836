"""Renew the access token: the one way for the agent and for commands.

A process that renews holds the profile's login lock and its lease. Then it looks at the disk again: with refresh tokens
that rotate, a second use of the old one ends the login. The new refresh token is on disk before anything else happens.
"""

from __future__ import annotations

import contextlib
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
"""Returns the client's secret, and whether to store it with the login."""


@dataclass(slots=True)
class Renewal:
    """Renews the token of one profile at its issuer."""

    profile: Profile
    files: ProfileFiles
    rest: JsonClient
    now: Callable[[], float] = time.time
    _issuer: Issuer | None = None
    _unsaved: Grant | None = field(default=None, repr=False)

    def renew(self, known: Token, stop: Event | None = None) -> Token:
        """Return a newer token than `known`: one that another process has just stored, or else a fresh one.

        Args:
            known: The token that the caller has.
            stop: When set, the wait for other processes ends.

        Raises:
            LoginNeeded: Only the user can log in again.
            ConfigError: The issuer does not accept the client.
            TemporaryError: The issuer is busy or cannot be reached.
            StorageFull: The disk has no room. The new login stays in memory, and the next call saves it.
            LocalError: The login cannot be stored. The new login stays in memory, and the next call saves it.
            Stopped: `stop` was set.
        """
        with hold_lock(self.files.login_lock, stop), hold_lease(self.files, stop=stop):
            stored = load_token(self.files, self.profile)
            now = self.now()
            if stored is not None and is_newer(stored, known, now):
                self._unsaved = None
                return stored
            return self.refresh(secret_for_agent)

    def refresh(self, choose_secret: ChooseSecret) -> Token:
        """Return a fresh token from the issuer, which is then on disk. The caller holds the login lock and the lease.

        Args:
            choose_secret: Returns the client's secret, and whether to store it with the login.

        Raises:
            CtadataError: Any error that `renew` raises.
        """
        login = load_login(self.files, self.profile)
        if login is None or login.refresh_token is None:
            raise LoginNeeded("no stored login can be renewed", hint=login_hint(self.profile))
        secret, store_it = choose_secret(self.profile, login)
        with reserve_login(self.files, self.profile.login_store) as save:
            grant = self._unsaved or self._refresh_at_issuer(login.refresh_token, secret)
            self._unsaved = grant
            save(self._login(grant, secret if store_it else None, login))
        return self._publish(grant, login.origins)

    def log_in(self, entered_secret: str | None, show: Show, stop: Event) -> Token:
        """Let the user approve a login, and return its token, which is then on disk. The caller holds the login lock.

        Args:
            entered_secret: The client's secret as the user entered it, or None.
            show: Shows the user the address and the code.
            stop: When set, the wait for the user ends.

        Raises:
            LoginNeeded: The user denied the login, or the code expired.
            ConfigError: The issuer does not accept the client.
            TemporaryError: The issuer is busy or cannot be reached.
            Stopped: `stop` was set.
        """
        if self.profile.login_store == KEYRING:
            keyring_store.probe()
        secret, store_it = secret_for_command(self.profile, load_login(self.files, self.profile), entered_secret)
        issuer = self.issuer(secret)
        with reserve_login(self.files, self.profile.login_store) as save:
            login = begin_device_login(issuer)
            with show(login) or contextlib.nullcontext():
                grant = wait_for_login(issuer, login, stop=stop)
            save(self._login(grant, secret if store_it else None))
        return self._publish(grant)

    def _login(self, grant: Grant, secret: Secret | None, before: Login | None = None) -> Login:
        """Return the login to store. If the issuer sent no new refresh token, the old one stays."""
        refresh_token = grant.refresh_token or (before.refresh_token if before else None)
        origins = (before.origins if before else ()) or tuple(origin_texts(self.profile))
        return Login(str(self.profile.issuer), str(self.profile.client_id), refresh_token, secret, origins)

    def _publish(self, grant: Grant, origins: tuple[str, ...] = ()) -> Token:
        """Store the token, after its login. If the disk has no room for it, the next call stores it."""
        self._unsaved = None
        token = require_unexpired(grant.token, self.now())
        try:
            save_token(self.files, self.profile, token, origins)
        except CtadataError:
            self._unsaved = grant
            raise
        return token

    def issuer(self, secret: Secret | None) -> Issuer:
        """Return the profile's issuer. It is asked for its endpoints once.

        Raises:
            ConfigError: The profile names no issuer, or the issuer answers for another one.
            TemporaryError: The issuer is busy or cannot be reached.
        """
        if self._issuer is None or self._issuer.secret != secret:
            self._issuer = Issuer.discover(self.profile, self.rest, secret, self.now)
        return self._issuer

    def _refresh_at_issuer(self, refresh_token: Secret, secret: Secret | None) -> Grant:
        try:
            return self.issuer(secret).refresh(refresh_token)
        except LoginNeeded as error:
            # at Keycloak, logins approved in one browser may share a session: the end of one ends the other
            hint = f"{login_hint(self.profile)}; another login of yours, or its logout, may have ended this one"
            raise LoginNeeded(error.what, hint=hint) from None
        except CtadataError:
            self._issuer = None  # its endpoints may have changed
            raise


def is_newer(stored: Token, known: Token, now: float) -> bool:
    """Return whether another process has just stored a token that needs no refresh yet."""
    return stored.reveal() != known.reveal() and refresh_at(stored, now, 0) > now + 1


def secret_for_agent(profile: Profile, login: Login) -> tuple[Secret | None, bool]:
    """Return the client's secret for an agent, which asks nobody, and whether to store it with the login.

    The secret is the one stored with the login, or else the one in the profile's file.
    """
    if login.client_secret is not None:
        return login.client_secret, True
    return secret_in_file(profile.client_secret_file), False


def secret_for_command(profile: Profile, login: Login | None, entered_secret: str | None) -> tuple[Secret | None, bool]:
    """Return the client's secret for a command, and whether to store it with the login, so that the agent has it too.

    The secret is the entered one, or else the one in the environment, in the profile's file, or with the login. None is
    right for a public client.
    """
    text = entered_secret or os.environ.get(SECRET_VARIABLE)
    if text:
        return Secret(text), True
    in_file = secret_in_file(profile.client_secret_file)
    if in_file is not None or login is None:
        return in_file, False
    return login.client_secret, login.client_secret is not None


def secret_in_file(path: Path | None) -> Secret | None:
    """Return the client's secret in a file of the user or of an administrator; None without a file.

    Raises:
        LocalError: The file does not exist, or others can write it.
        ConfigError: The file is empty.
    """
    if path is None:
        return None
    text = read_discovered(path, follow=True)
    if text is None:
        raise LocalError("the file does not exist, but the profile names it as client_secret_file", path=str(path))
    if not text.strip():
        raise ConfigError("the client's secret is empty", path=str(path))
    return Secret(text.strip())


def login_hint(profile: Profile) -> str:
    """Return the advice to log in."""
    return f"log in: cta-data-direct start-agent -P {profile.name}"
