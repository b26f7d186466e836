"""The token that a request carries: found in the first usable source, and read again when its file has changed."""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from ctadata.config.profile import Profile
from ctadata.errors import ConfigError, LocalError, LoginNeeded
from ctadata.http.redaction import sanitize
from ctadata.tokens.discovery import FileStamp, TokenSource, find_token_sources
from ctadata.tokens.login_store import explain_copy_mismatch
from ctadata.tokens.token import Token, same_issuer

log = logging.getLogger(__name__)

RENEW_AHEAD = 60.0
"""Seconds before the end of a token from which another one is looked for; less for tokens that live only minutes."""

CHECK_INTERVAL = 1.0
"""Seconds between two checks of the token's file; transfers of small files send a thousand requests a second.

After a server has refused a token, the file is read at once.
"""


class TokenRenewer(Protocol):
    """Renews the profile's own token when it has expired or is about to."""

    def renew_token(self, refused: str | None, *, patient: bool) -> bool:
        """Put a valid token on disk that is not the refused one.

        Args:
            refused: The token that a server refused. None if the token expired.
            patient: Wait until a temporary failure is over.

        Returns:
            False if this machine cannot renew the token.

        Raises:
            LoginNeeded: Only the user can log in again.
            ConfigError: The issuer does not accept the client.
            TemporaryError: The issuer is busy or cannot be reached, and `patient` is false.
            Stopped: The run was stopped.
            LocalError: The token cannot be stored.
        """

    def warning(self, token: Token) -> str:
        """Return a warning for the user about a token that is still valid; empty if there is none."""


class TokenProvider:
    """The token for the profile's trusted origins. Threads may share it.

    A run keeps its user: after the first token, only tokens of the same issuer and subject are used.
    """

    def __init__(
        self,
        profile: Profile,
        *,
        explicit: Path | None = None,
        only_profile: bool = False,
        env: Mapping[str, str] = os.environ,
        temporary: Path = Path("/tmp"),  # noqa: S108  (WLCG Bearer Token Discovery names it)
        warn: Callable[[str], None] = log.warning,
        now: Callable[[], float] = time.time,
        renewer: TokenRenewer | None = None,
    ) -> None:
        """Store the settings. Nothing is read before the first token is needed.

        Args:
            profile: The profile.
            explicit: A file with the token to use. No other source replaces it.
            only_profile: Use only that file and the profile's agent, as when the user chose the profile by name.
            env: The environment.
            temporary: The directory that everybody may write, in which the convention expects a file.
            warn: Receives one message for each token that is skipped.
            now: Returns the local time in seconds since 1970.
            renewer: Renews the profile's own token when no source has a valid one. None renews nothing.
        """
        self._profile = profile
        self._sources = find_token_sources(
            profile, explicit=explicit, only_profile=only_profile, env=env, temporary=temporary
        )
        self._warn = warn
        self._now = now
        self._renewer = renewer
        self._lock = threading.Lock()
        self._warned: set[str] = set()
        self._token: Token | None = None
        self._source: TokenSource | None = None
        self._stamp: FileStamp | None = None
        self._checked_at = -math.inf
        self._renew_after = -math.inf

    @property
    def origin(self) -> str:
        """The source in use, in words; empty if no token was found yet."""
        return self._source.name if self._source else ""

    @property
    def token(self) -> Token | None:
        """The token in use, which is looked for if there is none yet; None for a profile without a login.

        Raises:
            LoginNeeded: No source has a valid token.
        """
        self.bearer()
        return self._token

    def bearer(self) -> str | None:
        """Return the text for the Authorization header; None if the profile has no login and no token was found.

        Raises:
            LoginNeeded: No source has a valid token that may be sent, and none can be renewed.
            TemporaryError: The issuer cannot be reached. A run that has sent a token before waits instead.
            Stopped: The run was stopped.
        """
        with self._lock:
            if self._is_current():
                assert self._token is not None
                return self._token.secret.reveal()
            return self._find_or_renew(refused=None)

    def renew(self, refused: str) -> str | None:
        """Return another token than the refused one; None if there is none.

        If a server refuses many threads at once, the first one looks for the token, and the others get the same.

        Args:
            refused: The token that a server refused.
        """
        with self._lock:
            if self._token is not None and self._token.reveal() != refused:
                return self._token.reveal()
            # a token without an end shows its end by a refusal
            endless = self._token is not None and self._token.expires_at is None
            try:
                return self._find_or_renew(refused) if endless else self._find(refused)
            except LoginNeeded:
                return None

    def _is_current(self) -> bool:
        """Return whether the token is valid and its file unchanged. The file is checked at most once a second."""
        if self._token is None or self._source is None:
            return False
        now = self._now()
        if not 0 <= now - self._checked_at < CHECK_INTERVAL:
            self._checked_at = now
            if self._source.stamp() != self._stamp:
                return False
        return now < self._renew_after

    def _find_or_renew(self, refused: str | None) -> str | None:
        try:
            return self._find(refused)
        except LoginNeeded:
            explicit = self._sources[0].kind == "explicit"
            if explicit or not self._renewer or not self._renewer.renew_token(refused, patient=self._token is not None):
                raise
        return self._find(refused)

    def _find(self, refused: str | None) -> str | None:
        """Take the first usable token of all sources, in order."""
        skipped: dict[str, str] = {}
        for source in self._sources:
            stamp = source.stamp()  # before the read, so that a change in between shows later
            token, reason = self._read_source(source)
            if reason:
                skipped[source.kind] = f"{source.name}: {reason}"
                self._report_skipped(source, skipped[source.kind])
            elif token is not None and token.reveal() != refused:
                self._token, self._source, self._stamp = token, source, stamp
                self._renew_after = _renewal_time(token)
                self._warn_before_end(token)
                return token.reveal()
        if refused is None and not skipped and self._profile.issuer is None:
            return None
        because = f" ({skipped['agent']})" if "agent" in skipped else ""
        raise LoginNeeded(
            f"no token for the profile {self._profile.name}{because}",
            hint=f"log in: cta-data-direct start-agent -P {self._profile.name}",
        )

    def _read_source(self, source: TokenSource) -> tuple[Token | None, str]:
        """Return the token of a source, or the reason why it is skipped."""
        try:
            token = source.read()
        except (ConfigError, LocalError, LoginNeeded) as error:
            if source.kind == "explicit":
                raise
            return None, str(error).removeprefix(f"{source.path}: ")
        return token, self._explain_unfit(source, token) if token else ""

    def _explain_unfit(self, source: TokenSource, token: Token) -> str:
        """Return why this token must not be sent; empty if it may."""
        left = token.life_left(self._now())
        if left <= 0:
            return f"the token expired {_describe_duration(abs(left))} ago"
        issuers = (self._profile.issuer, *self._profile.accept_issuers)
        if source.kind != "agent" and token.issuer and not any(same_issuer(token.issuer, one) for one in issuers):
            return (
                f"the token is from {sanitize(token.issuer)}, and accept_issuers of the profile "
                f"{self._profile.name} does not name that"
            )
        if (
            source.kind == "outside"
            and source.path is not None
            and (words := explain_copy_mismatch(token, self._profile))
        ):
            return words
        if self._token is not None and _identity(token) != _identity(self._token):
            return "the token belongs to another user than the one that this run began with"
        return ""

    def _warn_before_end(self, token: Token) -> None:
        """Warn once about the reason why no token will follow the profile's own one."""
        if self._renewer is None or self._source is None or self._source.kind != "agent":
            return
        words = self._renewer.warning(token)
        if words and words not in self._warned:
            self._warn(words)
            self._warned.add(words)

    def _report_skipped(self, source: TokenSource, text: str) -> None:
        """Warn once about a skipped token. The agent's token appears only in the error, if no other token is found."""
        if source.kind == "explicit":
            raise LoginNeeded(text, hint="a token file that you name is never replaced by another token")
        if text not in self._warned and source.kind == "outside":
            self._warn(f"{text}; ignored")
        self._warned.add(text)


def _renewal_time(token: Token) -> float:
    """Return the time from which another token is looked for, in seconds since 1970."""
    ahead = min(RENEW_AHEAD, (token.lifetime or math.inf) / 5)
    return math.inf if token.expires_at is None else token.expires_at - ahead


def _identity(token: Token) -> tuple[str, str] | None:
    """Return issuer and subject; None for an opaque token, which names neither."""
    return (token.issuer or "", token.subject or "") if token.claims is not None else None


def _describe_duration(elapsed: float) -> str:
    """Return a number of seconds in words."""
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if elapsed >= 2 * size:
            return f"{elapsed / size:.0f} {unit}"
    return f"{elapsed:.0f} seconds"
