"""Where the token files of a profile lie.

Each profile has a directory of its own, mode 0700, and every file in it is 0600. The access token stands alone in
`token`, so that other programs can read it (WLCG Bearer Token Discovery, by `BEARER_TOKEN_FILE`); the refresh
token, which lives much longer, and the client's secret are in `login.json`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import platformdirs

from ctadata.errors import ConfigError
from ctadata.paths import local_home
from ctadata.tokens.files import make_private_directory, remove_stale_temporaries


@dataclass(frozen=True, slots=True)
class ProfileFiles:
    """Where the files of one profile lie."""

    folder: Path

    @classmethod
    def of(cls, profile_name: str, state: Path | None = None) -> ProfileFiles:
        """Those of a profile, in `state` or the platform's place for it (`$XDG_STATE_HOME/ctadata`)."""
        name = quote(profile_name, safe="")
        if name in ("", ".", ".."):
            raise ConfigError(f"{profile_name!r} cannot be the name of a profile")
        return cls((state or _state()) / "tokens" / name)

    @property
    def token(self) -> Path:
        """The access token, and nothing else."""
        return self.folder / "token"

    @property
    def token_metadata(self) -> Path:
        """What the issuer said of the access token: when it came, how long it lives."""
        return self.folder / "token.json"

    @property
    def login(self) -> Path:
        """The refresh token and the client's secret."""
        return self.folder / "login.json"

    @property
    def access_key(self) -> Path:
        """The access key of an S3 profile."""
        return self.folder / "access-key.json"

    @property
    def login_lock(self) -> Path:
        """Held by whoever logs in or refreshes."""
        return self.folder / "login.lock"

    @property
    def lease(self) -> Path:
        """Which machine may refresh, where several share this directory."""
        return self.folder / "lease.json"

    @property
    def agent_lock(self) -> Path:
        """Held by the agent for all its life."""
        return self.folder / "agent.lock"

    @property
    def agent_state(self) -> Path:
        """What the agent says of itself."""
        return self.folder / "agent.json"

    @property
    def agent_log(self) -> Path:
        """What the agent did."""
        return self.folder / "agent.log"

    @property
    def oidc(self) -> Path:
        """What an oidc-agent of ours needs."""
        return self.folder / "oidc"

    def prepare(self) -> None:
        """Make the directory where it is missing; LocalError where it is not safe."""
        make_private_directory(self.folder)
        remove_stale_temporaries(self.folder)


def _state() -> Path:
    try:
        return platformdirs.user_state_path("ctadata", appauthor=False)
    except RuntimeError:  # nobody knows a home
        return local_home() / ".local" / "state" / "ctadata"
