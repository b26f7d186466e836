"""The state of a profile's agent and login, as far as this machine knows it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ctadata.agent.instance import State, is_claimed, is_newer_than_token, read_state
from ctadata.agent.oidc_agent import OidcAgentAccount
from ctadata.agent.token_backends import VIA_OIDC_AGENT, is_renewable
from ctadata.config.profile import Profile
from ctadata.errors import CtadataError
from ctadata.printable import escape_unprintable
from ctadata.process_identity import host_name
from ctadata.system import HAS_AGENT
from ctadata.tokens.login_store import KEYRING, explain_mismatch, load_token
from ctadata.tokens.profile_files import ProfileFiles
from ctadata.tokens.token import Token
from ctadata.tokens.user_name import user_name

SILENCE_LIMIT = 120.0
"""Seconds after a planned refresh within which the agent must have written its result."""


@dataclass(frozen=True, slots=True)
class Status:
    """The state of the agent and of the login. Times are seconds since 1970; None means that it is not known.

    Attributes:
        profile: The name of the profile.
        running: Whether an agent runs.
        pid: Its process.
        host: Its machine.
        issuer: The profile's issuer.
        user: The user that the token names.
        expires_at: The end of the stored token.
        next_refresh: The time of the agent's next refresh.
        token_file: The stored token, for other programs (`BEARER_TOKEN_FILE`).
        published: The path of the agent's copy of the token. None if there is none.
        storage: The keeper of the login: `file`, `keyring` or `oidc-agent`.
        login_place: The place of the login, in words. Empty if no file holds one.
        login_needed: Only a new login can bring the next token.
        last_error: The last failure. Empty after a success.
    """

    profile: str
    running: bool
    pid: int | None
    host: str | None
    issuer: str | None
    user: str | None
    expires_at: float | None
    next_refresh: float | None
    token_file: Path
    published: Path | None
    storage: str
    login_place: str
    login_needed: bool
    last_error: str

    @property
    def elsewhere(self) -> bool:
        """Whether the agent runs on another machine."""
        return self.host is not None and self.host != host_name()

    def sentence(self, keeper: str = "") -> str:
        """Return who is logged in where, and what keeps the login fresh, as a sentence for a person.

        Args:
            keeper: What keeps the login fresh; empty for the agent's process.
        """
        if self.login_needed:
            return f"not logged in at {self.profile}"
        who = f"as {self.user} " if self.user else ""
        host = f" of {self.host}" if self.elsewhere else ""
        keeper = keeper or (f"process {self.pid}{host}" if self.running else "")
        without = (
            "no agent runs" if HAS_AGENT else "each command renews the token when needed: this system has no agent"
        )
        return f"logged in {who}at {self.profile}; {f'{keeper} keeps the login fresh' if keeper else without}"

    def __str__(self) -> str:
        """Return the sentence, without characters that control a terminal: the token names the user."""
        return escape_unprintable(self.sentence())

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ARG002
        """Show the sentence in IPython and in notebooks."""
        printer.text(str(self))

    def as_json(self) -> dict[str, object]:
        """Return the status as an object for JSON, with times as RFC 3339 in UTC."""
        return {
            "schema": 1,
            "profile": self.profile,
            "running": self.running,
            "pid": self.pid,
            "host": self.host,
            "issuer": self.issuer,
            "user": self.user,
            "expires_at": _rfc3339(self.expires_at),
            "next_refresh": _rfc3339(self.next_refresh),
            "token_file": str(self.token_file) if self.token_file.exists() else None,
            "published": str(self.published) if self.published and self.published.exists() else None,
            "storage": self.storage,
            "login_place": self.login_place or None,
            "login_needed": self.login_needed,
            "last_error": self.last_error,
        }


def read_status(profile: Profile, files: ProfileFiles) -> Status:
    """Read the state from the profile's files. An error in reading is shown in `last_error`.

    Args:
        profile: The profile.
        files: The profile's files.
    """
    running = is_claimed(files)
    token, renewable, state, problem = _read_files(profile, files)
    live_state = state if running else None
    problem = problem or (_report_silence(live_state, time.time()) if live_state else "")
    storage, place = _storage(profile, files)
    return Status(
        profile=profile.name,
        running=running,
        pid=live_state.pid if live_state else None,
        host=live_state.host if live_state else None,
        issuer=profile.issuer,
        user=user_name(profile, token),
        expires_at=token.expires_at if token else None,
        next_refresh=live_state.next_refresh if live_state else None,
        token_file=files.token,
        published=Path(live_state.published) if live_state and live_state.published else None,
        storage=storage,
        login_place=place,
        login_needed=_login_needed(token, renewable, state),
        last_error=problem or (state.last_error if state and is_newer_than_token(state, token) else ""),
    )


def _read_files(profile: Profile, files: ProfileFiles) -> tuple[Token | None, bool, State | None, str]:
    """Return the token, whether it can be renewed, the agent's state, and the error in reading."""
    token, state = None, None
    try:
        state = read_state(files)
        token = load_token(files, profile)
        return token, is_renewable(profile, files), state, explain_mismatch(files, profile)
    except CtadataError as error:
        return token, False, state, str(error)


def _storage(profile: Profile, files: ProfileFiles) -> tuple[str, str]:
    """Return what keeps the login, and its place."""
    if profile.token_source == VIA_OIDC_AGENT:
        account = OidcAgentAccount(profile, files)
        return VIA_OIDC_AGENT, str(account.file) if account.exists else f"account {account.name}"
    if profile.login_store == KEYRING:
        return KEYRING, "the system's keyring"
    return "file", str(files.login) if files.login.exists() else ""


def _login_needed(token: Token | None, renewable: bool, state: State | None) -> bool:
    if state is not None and state.login_needed and is_newer_than_token(state, token):
        return True
    return not renewable and (token is None or token.life_left(time.time()) <= 0)


def _report_silence(state: State, now: float) -> str:
    """Return a message if a running agent has not written the result of its last refresh; else an empty text."""
    late = 0.0 if state.next_refresh is None else now - state.next_refresh
    return f"the agent has written nothing for {late / 60:.0f} min; is the disk full?" if late > SILENCE_LIMIT else ""


def _rfc3339(moment: float | None) -> str | None:
    if moment is None:
        return None
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
