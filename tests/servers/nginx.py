"""nginx with its WebDAV modules: it checks one token, and ignores the preconditions of an upload."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

from servers.authority import Authority
from servers.shared import NotStarted, Start, State, free_port, listens

CONFIGURATION = Path(__file__).with_name("nginx.conf")
MODULES = Path("/usr/lib/nginx/modules")  # Debian's place


def start_nginx(start: Start, made: Authority) -> State:
    """Bring nginx up; returns `url`, `data`, `ca` and `token`. Raises NotStarted where it or its module is missing."""
    nginx = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if not nginx or not (MODULES / "ngx_http_dav_ext_module.so").exists():
        raise NotStarted("nginx needs the Debian packages nginx and libnginx-mod-http-dav-ext")
    folder, port, token = start.folder, free_port(), secrets.token_urlsafe(32)
    (folder / "data").mkdir()
    (folder / "tmp").mkdir()
    certificate = shutil.copy(made.server, folder / "server.pem")
    settings = {"D": folder, "PORT": port, "TOKEN": token, "CERT": certificate, "MODULES": MODULES}
    settings["USER"] = "user root;" if os.geteuid() == 0 else ""
    text = CONFIGURATION.read_text()
    for name, value in settings.items():
        text = text.replace(f"@{name}@", str(value))
    (folder / "nginx.conf").write_text(text)
    start.launch(nginx, "-p", folder, "-c", folder / "nginx.conf", answers=lambda: listens(port))
    ca = shutil.copy(made.ca, folder / "ca.pem")
    return {"url": f"https://localhost:{port}", "data": str(folder / "data"), "ca": str(ca), "token": token}
