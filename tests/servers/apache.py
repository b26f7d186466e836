"""Apache mod_dav over TLS; mod_auth_openidc checks the bearer tokens against the provider's keys."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from servers.authority import Authority
from servers.real import AUDIENCE
from servers.shared import NotStarted, Start, State, free_port, listens

CONFIGURATION = Path(__file__).with_name("apache.conf")
MODULES = Path("/usr/lib/apache2/modules")  # Debian's place


def start_apache(start: Start, made: Authority, issuer: str) -> State:
    """Bring Apache up; returns `url`, `data` and `ca`. Raises NotStarted where it or its module is missing."""
    apache = shutil.which("apache2", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if not apache or not (MODULES / "mod_auth_openidc.so").exists():
        raise NotStarted("Apache needs the Debian packages apache2-bin and libapache2-mod-auth-openidc")
    folder, port = start.folder, free_port()
    for name in ("data", "lock", "run"):
        (folder / name).mkdir()
    ca = Path(shutil.copy(made.ca, folder / "ca.pem"))  # read by the worker, who may not look into the run's folder
    as_root = ["-DAS_ROOT"] if os.geteuid() == 0 else []
    if as_root:
        for name in ("data", "lock"):
            shutil.chown(folder / name, "www-data", "www-data")
    settings = {
        "D": folder,
        "PORT": port,
        "MODULES": MODULES,
        "ISSUER": issuer,
        "JWKS": f"{issuer}/jwks",
        "AUDIENCE": AUDIENCE,
        "CA": ca,
        "CERT": made.server,
    }
    environment = [f"{name}={value}" for name, value in settings.items()]
    command = ["env", *environment, apache, "-f", CONFIGURATION, "-DFOREGROUND", *as_root]
    start.launch(*command, answers=lambda: listens(port))
    return {"url": f"https://localhost:{port}", "data": str(folder / "data"), "ca": str(ca)}
