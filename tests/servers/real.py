"""What a test gets of a real server."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

USER = "observer"


@dataclass(frozen=True)
class RealServer:
    """A door that nobody here wrote, up and running, and the issuer whose tokens it takes.

    url:   its origin, `https://localhost:PORT`.
    ca:    PEM file of the authority behind the certificates of door and issuer.
    data:  the folder on disk that is the door's root.
    """

    url: str
    ca: Path
    data: Path
    issuer: str
    client_id: str
    scope: str
    audience: str

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
