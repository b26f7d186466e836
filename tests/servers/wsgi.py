"""wsgidav: a WebDAV server from PyPI, so there is one real server in every run."""

from __future__ import annotations

import sys
from pathlib import Path

from servers.authority import Authority
from servers.login import discovery
from servers.real import AUDIENCE
from servers.shared import Start, State

SCRIPT = Path(__file__).with_name("wsgi_door.py")


def start_wsgidav(start: Start, made: Authority, issuer: str, issuer_ca: Path) -> State:
    """Bring wsgidav up for the tokens of `issuer`; returns `url`, `data`, and `ca` for both of them."""
    data, ca = start.folder / "data", start.folder / "ca.pem"
    data.mkdir()
    ca.write_bytes(made.ca.read_bytes() + issuer_ca.read_bytes())
    keys = discovery(issuer, issuer_ca)["jwks_uri"]
    said = start.launch(sys.executable, "-P", SCRIPT, made.server, data, issuer, keys, ca, AUDIENCE, "{ready}")
    return {**said, "data": str(data), "ca": str(ca)}
