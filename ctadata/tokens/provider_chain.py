"""Sources: the token that a request carries, found where one may be, and read again when it has changed."""

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

AHEAD = 60.0
"""Seconds before its end from which a token is looked for anew; less for tokens that live for minutes."""

EVERY = 1.0
"""Seconds between two looks at the file of the token in use: small files take a thousand requests a second. A token
that a server refuses is looked for at once."""


class TokenRenewer(Protocol):
    """Who helps where the profile's own token has ended, or is about to."""

    def renew_token(self, refused: str | None, *, patient: bool) -> bool:
        """Have a valid token on disk, another than the refused one; False where nothing could renew it.

        patient: trouble that passes is waited for.   LoginNeeded, ConfigError, TemporaryError, Stopped, LocalError.
        """

    def warning(self, token: Token) -> str:
        """What to tell the user though this token is good; empty where nothing is."""


class TokenProvider:
    """Who we are to the profile's trusted origins; safe to share between threads.

    A run stays the same person: once a token was found, only tokens of the same issuer and subject follow it.
    """

    def __init__(
        self,
        profile: Profile,
        *,
        explicit: Path | None = None,
        only_profile: bool = False,
        env: Mapping[str, str] = os.environ,
        temporary: Path = Path("/tmp"),  # noqa: S108  (the convention names it)
        warn: Callable[[str], None] = log.warning,
        now: Callable[[], float] = time.time,
        renewer: TokenRenewer | None = None,
    ) -> None:
        """Nothing is read before the first token is asked for.

        explicit: a file with the token to use, before all others; never replaced by another source.
        only_profile: nothing but that file and the profile's agent, as where a profile was asked for by name.
        temporary: where the convention's shared files lie.
        warn: is told once of each token that is passed over, and why.
        now:  the local clock, seconds since 1970.
        standby: renews the profile's own token where no other is found.
        """
        self._profile = profile
        self._sources = find_token_sources(
            profile, explicit=explicit, only_profile=only_profile, env=env, temporary=temporary
        )
        self._warn = warn
        self._now = now
        self._renewer = renewer
        self._lock = threading.Lock()
        self._told: set[str] = set()
        self._token: Token | None = None
        self._source: TokenSource | None = None
        self._stamp: FileStamp | None = None
        self._looked = -math.inf
        self._until = -math.inf

    @property
    def origin(self) -> str:
        """The source in use, in words; empty where none is."""
        return self._source.name if self._source else ""

    @property
    def token(self) -> Token | None:
        """The token in use; looks for one where there is none yet (LoginNeeded). None for a profile without login."""
        self.bearer()
        return self._token

    def bearer(self) -> str | None:
        """The text for the Authorization header; None where the profile has no login and no token was found.

        LoginNeeded where no source has a token that may be sent and has not expired, and none can be renewed;
        TemporaryError where the issuer is away, but a run that has begun waits for it. Stopped.
        """
        with self._lock:
            if self._is_current():
                assert self._token is not None
                return self._token.reveal()
            return self._find_or_renew(refused=None)

    def renew(self, refused: str) -> str | None:
        """Another token than the one that the server has refused; None where there is none.

        Of many threads that were refused at once, the first looks, and the others get what it found.
        """
        with self._lock:
            if self._token is not None and self._token.reveal() != refused:
                return self._token.reveal()
            endless = self._token is not None and self._token.expires_at is None  # a refusal is how it says its end
            try:
                return self._find_or_renew(refused) if endless else self._find(refused)
            except LoginNeeded:
                return None

    def _is_current(self) -> bool:
        """Whether the token in use has life left, and its file is as it was, a second ago at least."""
        if self._token is None or self._source is None:
            return False
        now = self._now()
        if not 0 <= now - self._looked < EVERY:
            self._looked = now
            if self._source.stamp() != self._stamp:
                return False
        return now < self._until

    def _find_or_renew(self, refused: str | None) -> str | None:
        try:
            return self._find(refused)
        except LoginNeeded:
            explicit = self._sources[0].kind == "explicit"
            if explicit or not self._renewer or not self._renewer.renew_token(refused, patient=self._token is not None):
                raise
        return self._find(refused)

    def _find(self, refused: str | None) -> str | None:
        """Look through the sources, in order, and take the first token that will do."""
        passed: dict[str, str] = {}
        for source in self._sources:
            stamp = source.stamp()  # before the file is read: a change in between is then seen
            token, reason = self._look(source)
            if reason:
                passed[source.kind] = f"{source.name}: {reason}"
                self._pass_over(source, passed[source.kind])
            elif token is not None and token.reveal() != refused:
                self._token, self._source, self._stamp = token, source, stamp
                self._until = _good_until(token)
                self._warn_of_its_end(token)
                return token.reveal()
        if refused is None and not passed and self._profile.issuer is None:
            return None
        because = f" ({passed['agent']})" if "agent" in passed else ""
        raise LoginNeeded(
            f"no token for the profile {self._profile.name}{because}",
            hint=f"log in: cta-data-direct start-agent -P {self._profile.name}",
        )

    def _look(self, source: TokenSource) -> tuple[Token | None, str]:
        """The token of a source, or why it is passed over."""
        try:
            token = source.read()
        except (ConfigError, LocalError, LoginNeeded) as error:
            if source.kind == "explicit":
                raise
            return None, str(error).removeprefix(f"{source.path}: ")
        return token, self._unfit(source, token) if token else ""

    def _unfit(self, source: TokenSource, token: Token) -> str:
        """Why this token is not sent, in words; empty where it may be."""
        left = token.life_left(self._now())
        if left <= 0:
            return f"the token expired {_span(abs(left))} ago"
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
        if self._token is not None and _person(token) != _person(self._token):
            return "the token is another user's than the one this run began with"
        return ""

    def _warn_of_its_end(self, token: Token) -> None:
        """Say once what will be missed when the profile's own token ends."""
        if self._renewer is None or self._source is None or self._source.kind != "agent":
            return
        words = self._renewer.warning(token)
        if words and words not in self._told:
            self._warn(words)
            self._told.add(words)

    def _pass_over(self, source: TokenSource, text: str) -> None:
        """Say so once, but of the agent's only where no other token is found: then the error does."""
        if source.kind == "explicit":
            raise LoginNeeded(text, hint="a token file that was asked for is not replaced by another token")
        if text not in self._told and source.kind == "outside":
            self._warn(f"{text}; passed over")
        self._told.add(text)


def _good_until(token: Token) -> float:
    """The moment from which another is looked for."""
    ahead = min(AHEAD, (token.lifetime or math.inf) / 5)
    return math.inf if token.expires_at is None else token.expires_at - ahead


def _person(token: Token) -> tuple[str, str] | None:
    """Issuer and subject; None for an opaque token, of which nothing is known."""
    return (token.issuer or "", token.subject or "") if token.claims is not None else None


def _span(elapsed: float) -> str:
    """Seconds, in words."""
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if elapsed >= 2 * size:
            return f"{elapsed / size:.0f} {unit}"
    return f"{elapsed:.0f} seconds"
