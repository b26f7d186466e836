"""Profile: everything that is known about one site."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Profile:
    """One site: where its files are, who issues its tokens, and the rules of its homes.

    What each field means and may hold is told once, in `ctadata.config.keys`. None: not known, not needed; the door
    is empty where `endpoint` says where the files are.
    """

    name: str
    door: str
    kind: str = "dcache"
    endpoint: str | None = None
    region: str | None = None
    addressing: str = "auto"
    anonymous: bool = False
    credentials_file: Path | None = None
    part_size: int | None = None
    root: str = "/"
    frontend: str | None = None
    listing: str = "door"
    issuer: str | None = None
    client_id: str | None = None
    client_secret_file: Path | None = None
    scope: str = "openid offline_access"
    audience: str | None = None
    accept_issuers: tuple[str, ...] = ()
    token_source: str = "agent"  # noqa: S105  (the name of a source)
    login_store: str = "file"
    token_origins: tuple[str, ...] = ()
    home: tuple[str, ...] = ()
    user: str | None = None
    user_claim: tuple[str, ...] = ("preferred_username", "email")
    user_rule: str = "plain"
    ca: Path | None = None
    http_pools: bool = False
    atomic_put: bool = False
    engine: str = "curl"
    jobs: int = 8
    notice: str = ""

    @property
    def address(self) -> str:
        """The address of the root of the storage, which tells it from others."""
        return f"{(self.endpoint or self.door).rstrip('/')}{self.root.rstrip('/')}"
