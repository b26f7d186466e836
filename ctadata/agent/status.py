"""Status: how the agent of a profile and its login are, as far as this machine knows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ctadata.agent.instance import State, is_claimed, is_newer_than_token, read_state
from ctadata.agent.oidc_agent import OidcAgentAccount
from ctadata.agent.token_backends import VIA_OIDC_AGENT, is_renewable
from ctadata.config.profile import Profile
from ctadata.errors import CtadataError
from ctadata.process_identity import host_name
from ctadata.tokens.login_store import KEYRING, explain_mismatch, load_token
from ctadata.tokens.profile_files import ProfileFiles
from ctadata.tokens.token import Token
from ctadata.tokens.user_name import user_name

SILENT = 120.0
"""Seconds after a refresh was due until an agent must have told of it: issuers are slow, and machines sleep."""


@dataclass(frozen=True, slots=True)
class Status:
    """How things are. Times are seconds since 1970; None is what is not known.

    running:      whether an agent lives, as process `pid` of `host`.
    user:         whom the token names.
    expires_at:   the end of the token on disk.
    next_refresh: when the agent will refresh it.
    token_file:   the token on disk, for other programs (`BEARER_TOKEN_FILE`).
    published:    where the agent puts a copy of it; None where nowhere.
    storage:      what keeps the login: `file`, `keyring` or `oidc-agent`; `login_place` says where, empty where no file
                  holds one.
    login_needed: only a person's login can bring the next token.
    last_error:   what went wrong last, empty while all is well.
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

    def as_json(self) -> dict[str, object]:
        """The same as JSON has it, times in RFC 3339, UTC."""
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
    """Read how things are from the profile's files; what cannot be read shows in `last_error`."""
    running = is_claimed(files)
    token, renewable, state, trouble = _on_disk(profile, files)
    speaks = state if running else None
    trouble = trouble or (_silence(speaks, time.time()) if speaks else "")
    storage, place = _storage(profile, files)
    return Status(
        profile=profile.name,
        running=running,
        pid=speaks.pid if speaks else None,
        host=speaks.host if speaks else None,
        issuer=profile.issuer,
        user=user_name(profile, token),
        expires_at=token.expires_at if token else None,
        next_refresh=speaks.next_refresh if speaks else None,
        token_file=files.token,
        published=Path(speaks.published) if speaks and speaks.published else None,
        storage=storage,
        login_place=place,
        login_needed=_login_needed(token, renewable, state),
        last_error=trouble or (state.last_error if state and is_newer_than_token(state, token) else ""),
    )


def _on_disk(profile: Profile, files: ProfileFiles) -> tuple[Token | None, bool, State | None, str]:
    """The token, whether something could renew it, the agent's last words, and what cannot be read."""
    token, state = None, None
    try:
        state = read_state(files)
        token = load_token(files, profile)
        return token, is_renewable(profile, files), state, explain_mismatch(files, profile)
    except CtadataError as error:
        return token, False, state, str(error)


def _storage(profile: Profile, files: ProfileFiles) -> tuple[str, str]:
    """What keeps the login, and where."""
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


def _silence(state: State, now: float) -> str:
    """That a running agent has not said what came of its last refresh; empty where it has."""
    late = 0.0 if state.next_refresh is None else now - state.next_refresh
    return f"the agent has written nothing for {late / 60:.0f} min; is the disk full?" if late > SILENT else ""


def _rfc3339(moment: float | None) -> str | None:
    if moment is None:
        return None
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
