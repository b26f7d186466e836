"""TLS for one run: a certificate authority made on the spot and a certificate for localhost and 127.0.0.1."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Authority:
    """`bundle` is what a client has to trust (PEM), `context` what the servers serve with."""

    bundle: Path
    context: ssl.SSLContext


def create_authority(folder: Path) -> Authority:
    """Make a CA and a server certificate; the CA's public half is written to `folder`/ca.pem."""
    ca = trustme.CA(organization_name="ctadata sandbox")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    bundle = folder / "ca.pem"
    ca.cert_pem.write_to_path(str(bundle))
    return Authority(bundle, context)
