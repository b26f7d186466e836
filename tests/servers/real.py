"""What a test gets of a real server."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from servers.login import approve_device, device_login

USER = "observer"
AUDIENCE = "https://localhost"
READ, MODIFY = "storage.read:/", "storage.modify:/"
SCOPE = f"openid offline_access {READ} {MODIFY}"


@dataclass(frozen=True)
class RealServer:
    """A door that nobody here wrote, up and running, and the issuer whose tokens it takes.

    url:   its origin, `https://localhost:PORT`.
    ca:    PEM file of what signed the certificates of door and issuer.
    data:  the folder on disk that is the door's root; tests share it, so each makes a folder of its own there.
    """

    url: str
    ca: Path
    data: Path
    issuer: str
    client_id: str
    scope: str = SCOPE
    audience: str = AUDIENCE

    def profile_toml(self, name: str, jobs: int = 4) -> str:
        """This server as the section of a profile file; every user's home is `users/NAME` and is made on demand."""
        keys = {
            "kind": "webdav",
            "door": self.url,
            "ca": str(self.ca),
            "root": "/",
            "home": ["users/{user}"],
            "issuer": self.issuer,
            "client_id": self.client_id,
            "scope": self.scope,
            "audience": self.audience,
            "jobs": jobs,
        }
        lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items()]  # JSON of these is TOML too
        return "\n".join([f"[profiles.{name}]", *lines, ""])

    def approve(self, verification_uri_complete: str, user: str = USER) -> None:
        """Say yes, at the issuer's own pages, to a device login that somebody has begun.

        Where only the short address and the code are known: `{verification_uri}?user_code={code}`.
        """
        approve_device(verification_uri_complete, self.ca, user)

    def login(self, scope: str = SCOPE, user: str = USER) -> dict[str, str]:
        """The token answer of a whole device login, none of it with the code under test."""
        return device_login(self.issuer, self.ca, self.client_id, scope, self.audience, user)


@dataclass(frozen=True)
class PlainDoor:
    """A door without an issuer of its own: up and running, with a token for the whole run.

    url, ca, data: as of a `RealServer`.  pools: `host:port` of each server that the door redirects to.
    issuer: whose token it is, where that can be read in it.
    """

    url: str
    ca: Path
    data: Path
    token: str
    pools: tuple[str, ...] = ()
    issuer: str = ""

    def profile_toml(self, name: str, *, trusting: bool = True) -> str:
        """This server as the section of a profile file; its pools are given the token, where `trusting`."""
        origins = [f"https://{pool}" for pool in self.pools] if trusting else []
        keys = {"kind": "webdav", "door": self.url, "ca": str(self.ca), "root": "/", "token_origins": origins}
        keys |= {"accept_issuers": [self.issuer]} if self.issuer else {}
        return "\n".join([f"[profiles.{name}]", *(f"{key} = {json.dumps(keys[key])}" for key in keys), ""])
