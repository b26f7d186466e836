"""The paths of a profile's token files.

Each profile has a directory of mode 0700, and every file in it has mode 0600. The access token is alone in `token`, so
that other programs can read it (WLCG Bearer Token Discovery, through `BEARER_TOKEN_FILE`). The refresh token, which
lives much longer, and the client's secret are in `login.json`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from ctadata.errors import ConfigError
from ctadata.paths import user_directory
from ctadata.tokens.files import make_private_directory, remove_stale_temporaries


@dataclass(frozen=True, slots=True)
class ProfileFiles:
    """The paths of one profile's files, all in `folder`."""

    folder: Path

    @classmethod
    def of(cls, profile_name: str, state: Path | None = None) -> ProfileFiles:
        """Return the paths for a profile.

        Args:
            profile_name: The name of the profile.
            state: The directory for state files. None takes the platform's (`$XDG_STATE_HOME/ctadata`).

        Raises:
            ConfigError: The name is empty, `.` or `..`.
        """
        name = quote(profile_name, safe="")
        if name in ("", ".", ".."):
            raise ConfigError(f"{profile_name!r} cannot be the name of a profile")
        return cls((state or user_directory("state")) / "tokens" / name)

    @property
    def token(self) -> Path:
        """The access token, and nothing else."""
        return self.folder / "token"

    @property
    def token_metadata(self) -> Path:
        """The issuer's data about the access token: when it came, how long it lives."""
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
        """The lock that a process holds while it logs in or refreshes."""
        return self.folder / "login.lock"

    @property
    def lease(self) -> Path:
        """The lease: the machine that may refresh, if several machines share this directory."""
        return self.folder / "lease.json"

    @property
    def agent_lock(self) -> Path:
        """The lock that the agent holds as long as it runs."""
        return self.folder / "agent.lock"

    @property
    def agent_state(self) -> Path:
        """The state that the agent writes."""
        return self.folder / "agent.json"

    @property
    def agent_log(self) -> Path:
        """The agent's log."""
        return self.folder / "agent.log"

    @property
    def oidc(self) -> Path:
        """The directory of an oidc-agent that this package starts."""
        return self.folder / "oidc"

    def prepare(self) -> None:
        """Create the directory if it does not exist, and delete stale temporary files.

        Raises:
            LocalError: Others can enter the directory.
        """
        make_private_directory(self.folder)
        remove_stale_temporaries(self.folder)
