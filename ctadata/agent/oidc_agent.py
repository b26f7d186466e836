"""Tokens through oidc-agent: of one that the user runs, where it has the account; else of one of our own.

The account is `ctadata-<profile>`, and no other whose name only resembles it.
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
"""Seconds that no token lives: oidc-agent then asks the issuer."""


class OidcAgentAccount:
    """Renews the token of one profile through oidc-agent, as `Renewal` does without it; `close` ends what it began."""

    def __init__(self, profile: Profile, files: ProfileFiles, now: Callable[[], float] = time.time) -> None:
        """Nothing is started before a token is asked for."""
        self.name = f"ctadata-{profile.name}"
        self._profile = profile
        self._files = files
        self._now = now
        self._home = OidcAgentFiles(files.oidc)
        self._child: OidcAgentProcess | None = None

    def renew(self, known: Token, stop: Event | None = None) -> Token:
        """As `Renewal.renew`."""
        with hold_lock(self._files.login_lock, stop), hold_lease(self._files, stop=stop):
            found = load_token(self._files, self._profile)
            if found is not None and is_newer(found, known, self._now()):
                return found
            return self._renewed(known.life_left(self._now()) + 1 if known.lifetime else ALWAYS_FRESH)

    def refresh(self, choose_secret: ChooseSecret) -> Token:  # noqa: ARG002  (oidc-agent keeps it)
        """As `Renewal.refresh`."""
        return self._renewed(ALWAYS_FRESH)

    def log_in(self, given: str | None, show: Show, stop: Event) -> Token:
        """As `Renewal.log_in`; always into an oidc-agent of our own."""
        self._home.prepare()
        secret, _ = secret_for_command(self._profile, load_login(self._files, self._profile), given)
        create_account(self._profile, self._home, self._own(), self.name, secret, show, stop)
        return self._fetch(0)

    def log_out(self) -> bool:
        """End the login at the issuer, and forget the account; False where it is the user's own agent that has it.

        LoginNeeded where it is over already, ConfigError, retryable errors: then the account stays.
        """
        if self._users() is not None:
            return False
        if not self.exists:
            return True
        refresh_token, secret = read_account_secrets(self._home, self._loaded(), self.name)
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
        """Whether any oidc-agent has it: our own, or the user's that runs."""
        return self.exists or self._users() is not None

    @property
    def file(self) -> Path:
        """The account on disk."""
        return self._home.accounts / self.name

    def close(self) -> None:
        """End our own oidc-agent, if it was started here."""
        if self._child is not None:
            self._child.close()
            self._child = None

    def _renewed(self, min_life: float) -> Token:
        """A token of the login that there is; LoginNeeded where that was for other origins than the profile's."""
        origins = login_origins(self._files)
        if origins and (missing := missing_origins(self._profile, list(origins))):
            raise LoginNeeded(describe_origin_mismatch(origins, missing), hint=login_hint(self._profile))
        return self._fetch(min_life, origins)

    def _fetch(self, min_life: float, origins: tuple[str, ...] = ()) -> Token:
        try:
            token = access_token(self._users() or self._loaded(), self.name, min_life, self._now)
        except LoginNeeded as error:
            raise LoginNeeded(error.what, hint=login_hint(self._profile)) from None
        save_token(self._files, self._profile, token, origins)
        return token

    def _users(self) -> Path | None:
        """The socket of the user's own oidc-agent, if it has the account."""
        told = os.environ.get("OIDC_SOCK")
        if not told:
            return None
        with contextlib.suppress(CtadataError):
            if self.name in loaded_accounts(Path(told)):
                return Path(told)
        return None

    def _own(self) -> Path:
        """The socket of an oidc-agent of ours: the one that runs, else a new one."""
        if self._child is not None and is_answering(self._child.socket):
            return self._child.socket
        self.close()
        running = self._home.listening()
        if running is not None:
            return running
        self._child = OidcAgentProcess(self._home)
        return self._child.socket

    def _loaded(self) -> Path:
        """The same, with the account loaded; LoginNeeded where there is none."""
        if not self.exists:
            raise LoginNeeded(f"there is no account {self.name}")
        self._home.prepare()
        socket = self._own()
        if self.name not in loaded_accounts(socket):
            load_account(self._home, socket, self.name)
        return socket
