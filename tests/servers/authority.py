"""The certificate authority that the real servers of a run share."""

from __future__ import annotations

import fcntl
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Authority:
    """Two PEM files: the authority for clients, and key with chain for servers on `localhost` and `127.0.0.1`; also for
    an object store on `s3.localhost` with its buckets below."""

    ca: Path
    server: Path


def authority(root: Path) -> Authority:
    """The authority of this run, made by the first who asks; `root` is the folder that all workers share."""
    folder = root / "authority"
    made = Authority(folder / "ca.pem", folder / "server.pem")
    with (root / "authority.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            folder.mkdir(mode=0o700)
            ca = trustme.CA()
            ca.cert_pem.write_to_path(str(made.ca))
            issued = ca.issue_cert("localhost", "127.0.0.1", "::1", "s3.localhost", "*.s3.localhost")
            issued.private_key_and_cert_chain_pem.write_to_path(str(made.server))
    return made
