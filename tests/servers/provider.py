"""npm's oidc-provider: a certified OpenID provider with the device flow, for real logins."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from servers.authority import Authority
from servers.login import approve_device, device_login
from servers.real import AUDIENCE, SCOPE, USER
from servers.shared import NotStarted, Start, State

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Provider:
    """The provider, up and running. The client `short_lived` gets tokens of 9 s, `client_id` of 10 min.

    `plain` has a secret, `plain-secret`.
    """

    issuer: str
    ca: Path
    client_id: str = "ctadata-tests"
    short_lived: str = "short-lived"

    def approve(self, verification_uri_complete: str, user: str = USER) -> None:
        """Say yes, at the provider's own pages, to a device login that somebody has begun."""
        approve_device(verification_uri_complete, self.ca, user)

    def deny(self, verification_uri_complete: str, user: str = USER) -> None:
        """Say no."""
        approve_device(verification_uri_complete, self.ca, user, button=-1)

    def login(self, scope: str = SCOPE, user: str = USER) -> dict[str, str]:
        """The token answer of a whole device login, none of it with the code under test."""
        return device_login(self.issuer, self.ca, self.client_id, scope, AUDIENCE, user)


def start_provider(start: Start, made: Authority) -> State:
    """Bring the provider up; returns its `issuer`. Raises NotStarted where node or its packages are missing."""
    node = shutil.which("node") or shutil.which("nodejs")
    if not node or not (HERE / "node_modules" / "oidc-provider").is_dir():
        raise NotStarted("oidc-provider needs node (18 or newer) and: npm ci --prefix tests/servers")
    return start.launch(node, HERE / "provider.mjs", made.server, AUDIENCE, "{ready}")
