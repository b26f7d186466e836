"""npm's oidc-provider: a certified OpenID provider with the device flow, for real logins."""

from __future__ import annotations

import json
import shutil
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPSHandler, ProxyHandler, build_opener

from servers.authority import Authority
from servers.pages import approve_device
from servers.real import USER
from servers.shared import NotStarted, Start, State

HERE = Path(__file__).parent
AUDIENCE = "https://localhost"
READ, MODIFY = "storage.read:/", "storage.modify:/"
SCOPE = f"openid offline_access {READ} {MODIFY}"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"  # RFC 8628 3.4


@dataclass(frozen=True)
class Provider:
    """The provider, up and running. The client `short_lived` gets tokens of 4 s, `client_id` of 10 min."""

    issuer: str
    ca: Path
    client_id: str = "ctadata-tests"
    short_lived: str = "short-lived"

    def login(self, scope: str = SCOPE, user: str = USER) -> dict[str, str]:
        """The token answer of a whole device login, without the code under test."""
        code = self.post("device/auth", {"client_id": self.client_id, "scope": scope})
        approve_device(code["verification_uri_complete"], self.ca, user)
        grant = {"client_id": self.client_id, "grant_type": DEVICE_CODE, "device_code": code["device_code"]}
        return self.post("token", grant)

    def post(self, endpoint: str, form: dict[str, str]) -> dict[str, str]:
        """The provider's JSON answer to `form`, be it an error."""
        trust = HTTPSHandler(context=ssl.create_default_context(cafile=str(self.ca)))
        try:
            answer = build_opener(ProxyHandler({}), trust).open(
                f"{self.issuer}/{endpoint}", urlencode(form).encode(), 30
            )
        except HTTPError as error:
            answer = error
        with answer:
            return json.load(answer)


def start_provider(start: Start, made: Authority) -> State:
    """Bring the provider up; returns its `issuer`. Raises NotStarted where node or its packages are missing."""
    node = shutil.which("node") or shutil.which("nodejs")
    if not node or not (HERE / "node_modules" / "oidc-provider").is_dir():
        raise NotStarted("oidc-provider needs node (18 or newer) and: npm ci --prefix tests/servers")
    return start.launch(node, HERE / "provider.mjs", made.server, AUDIENCE, "{ready}")
