"""`rclone serve webdav`: Go's WebDAV server; it knows no bearer tokens, so it asks for nothing."""

from __future__ import annotations

import os
import shutil

from servers.authority import Authority
from servers.shared import NotStarted, Start, State, free_port, listens


def start_rclone(start: Start, made: Authority) -> State:
    """Bring it up; returns `url`, `data`, `ca` and `token`. Raises NotStarted where rclone is missing."""
    rclone = shutil.which("rclone")
    if not rclone:
        raise NotStarted("rclone needs the Debian package rclone")
    folder, port = start.folder, free_port()
    (folder / "data").mkdir()
    where = ["--addr", f"127.0.0.1:{port}", "--cert", made.server, "--key", made.server]
    quiet = ["env", f"RCLONE_CONFIG={os.devnull}", f"HOME={folder}", f"XDG_CACHE_HOME={folder}/cache"]
    command = [*quiet, rclone, "serve", "webdav", *where, "--vfs-cache-mode", "off", folder / "data"]
    start.launch(*command, answers=lambda: listens(port))
    ca = shutil.copy(made.ca, folder / "ca.pem")
    return {"url": f"https://localhost:{port}", "data": str(folder / "data"), "ca": str(ca), "token": "unread"}
