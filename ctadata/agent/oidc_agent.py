"""Renew tokens through oidc-agent: the user's running one if it has the account, or else one of our own.

The account's name is exactly `ctadata-<profile>`.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event

from ctadata.agent.lease import hold_lease
from ctadata.agent.oidc_child import (
    OidcAgentFiles,
    OidcAgentProcess,
    create_account,
    load_account,
    read_account_secrets,
)
from ctadata.agent.renewal import ChooseSecret, is_newer, login_hint, secret_for_command
from ctadata.config.profile import Profile
from ctadata.errors import CtadataError, LoginNeeded
from ctadata.http.rest import JsonClient
from ctadata.tokens.device import Show
from ctadata.tokens.issuer import Issuer
from ctadata.tokens.locks import hold_lock
from ctadata.tokens.login_store import load_login, load_token, login_origins, save_token
from ctadata.tokens.oidc_agent import access_token, is_answering, loaded_accounts
from ctadata.tokens.origins import describe_origin_mismatch, missing_origins
from ctadata.tokens.profile_files import ProfileFiles
from ctadata.tokens.token import Token

ALWAYS_FRESH = 1e6
"""A life in seconds that no token has, so that oidc-agent asks the issuer for a fresh one."""


class OidcAgentAccount:
    """Renews the token of one profile through oidc-agent. It has the methods of `Renewal`.

    `close` ends an oidc-agent that it has started.
    """

    def __init__(self, profile: Profile, files: ProfileFiles, now: Callable[[], float] = time.time) -> None:
        """Store the settings. Nothing is started before a token is needed.

        Args:
            profile: The profile.
            files: The profile's files.
            now: Returns the local time in seconds since 1970.
        """
        self.name = f"ctadata-{profile.name}"
        self._profile = profile
        self._files = files
        self._now = now
        self._home = OidcAgentFiles(files.oidc)
        self._process: OidcAgentProcess | None = None

    def renew(self, known: Token, stop: Event | None = None) -> Token:
        """Return a newer token than `known`; see `Renewal.renew`."""
        with hold_lock(self._files.login_lock, stop), hold_lease(self._files, stop=stop):
            found = load_token(self._files, self._profile)
            if found is not None and is_newer(found, known, self._now()):
                return found
            return self._renew_same_login(known.life_left(self._now()) + 1 if known.lifetime else ALWAYS_FRESH)

    def refresh(self, choose_secret: ChooseSecret) -> Token:  # noqa: ARG002  (oidc-agent has the secret)
        """Return a fresh token; see `Renewal.refresh`."""
        return self._renew_same_login(ALWAYS_FRESH)

    def log_in(self, entered_secret: str | None, show: Show, stop: Event) -> Token:
        """Log in with the user's approval, always into an oidc-agent of our own; see `Renewal.log_in`."""
        self._home.prepare()
        secret, _ = secret_for_command(self._profile, load_login(self._files, self._profile), entered_secret)
        create_account(self._profile, self._home, self._own_socket(), self.name, secret, show, stop)
        return self._fetch(0)

    def log_out(self) -> bool:
        """End the login at the issuer, and delete the account. Return False if the user's own oidc-agent has it.

        Raises:
            LoginNeeded: The login is already over.
            ConfigError: The issuer does not accept the client. The account stays.
            TemporaryError: The issuer is busy or cannot be reached. The account stays.
        """
        if self._user_socket() is not None:
            return False
        if not self.exists:
            return True
        refresh_token, secret = read_account_secrets(self._home, self._loaded_socket(), self.name)
        if refresh_token is not None:
            Issuer.discover(self._profile, JsonClient(ca=self._profile.ca), secret, self._now).revoke(refresh_token)
        self.file.unlink(missing_ok=True)
        return True

    @property
    def exists(self) -> bool:
        """Whether our own oidc-agent has the account on disk."""
        return (self._home.accounts / self.name).exists()

    @property
    def is_known(self) -> bool:
        """Whether our own oidc-agent has the account, or the user's running one."""
        return self.exists or self._user_socket() is not None

    @property
    def file(self) -> Path:
        """The account's file."""
        return self._home.accounts / self.name

    def close(self) -> None:
        """End our own oidc-agent if this object started it."""
        if self._process is not None:
            self._process.close()
            self._process = None

    def _renew_same_login(self, min_life: float) -> Token:
        """Return a token of the stored login.

        Raise LoginNeeded if the login was for other origins than the profile's.
        """
        origins = login_origins(self._files)
        if origins and (missing := missing_origins(self._profile, list(origins))):
            raise LoginNeeded(describe_origin_mismatch(origins, missing), hint=login_hint(self._profile))
        return self._fetch(min_life, origins)

    def _fetch(self, min_life: float, origins: tuple[str, ...] = ()) -> Token:
        try:
            token = access_token(self._user_socket() or self._loaded_socket(), self.name, min_life, self._now)
        except LoginNeeded as error:
            raise LoginNeeded(error.what, hint=login_hint(self._profile)) from None
        save_token(self._files, self._profile, token, origins)
        return token

    def _user_socket(self) -> Path | None:
        """Return the socket of the user's own oidc-agent if that has the account."""
        socket_path = os.environ.get("OIDC_SOCK")
        if not socket_path:
            return None
        with contextlib.suppress(CtadataError):
            if self.name in loaded_accounts(Path(socket_path)):
                return Path(socket_path)
        return None

    def _own_socket(self) -> Path:
        """Return the socket of an oidc-agent of ours: of the running one, or else of a new one."""
        if self._process is not None and is_answering(self._process.socket):
            return self._process.socket
        self.close()
        running = self._home.listening()
        if running is not None:
            return running
        self._process = OidcAgentProcess(self._home)
        return self._process.socket

    def _loaded_socket(self) -> Path:
        """Return the socket of an oidc-agent of ours with the account loaded.

        Raise LoginNeeded if there is no account.
        """
        if not self.exists:
            raise LoginNeeded(f"there is no account {self.name}")
        self._home.prepare()
        socket = self._own_socket()
        if self.name not in loaded_accounts(socket):
            load_account(self._home, socket, self.name)
        return socket
