"""TLS of one run: a new certificate authority, and its certificate for localhost and 127.0.0.1."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Authority:
    """A certificate authority.

    Attributes:
        bundle: The CA's certificate (PEM), which clients have to trust.
        context: The TLS context of the servers.
    """

    bundle: Path
    context: ssl.SSLContext


def create_authority(folder: Path) -> Authority:
    """Create a CA and a server certificate, and write the CA's certificate to `ca.pem` in `folder`."""
    ca = trustme.CA(organization_name="ctadata sandbox")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ends = datetime.now(UTC) + timedelta(days=365)
    ca.issue_cert("localhost", "127.0.0.1", not_after=ends).configure_cert(context)
    bundle = folder / "ca.pem"
    ca.cert_pem.write_to_path(str(bundle))
    return Authority(bundle, context)
