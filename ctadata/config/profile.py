"""Profile: everything that is known about one site."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class Profile:
    """One site: its servers, its token issuer, and the rules for homes.

    `ctadata.config.keys` describes each field. None means that the value is not known or not needed. The door is empty
    if `endpoint` names the server.
    """

    name: str
    door: str
    kind: str = "dcache"
    endpoint: str | None = None
    region: str | None = None
    addressing: str = "auto"
    anonymous: bool = False
    credentials_file: Path | None = None
    aws_profile: str | None = None
    credential_process: str | None = None
    role_arn: str | None = None
    sts_endpoint: str | None = None
    part_size: int | None = None
    requester_pays: bool = False
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
        """The address of the root of the storage, which identifies it."""
        return f"{(self.endpoint or self.door).rstrip('/')}{self.root.rstrip('/')}"

    def share(self, tasks: int) -> Self:
        """Return the profile of one of several tasks that run at once: they share the limit of requests."""
        return replace(self, jobs=max(1, self.jobs // tasks))
