"""nginx on loopback: a plain server, one that waits, a door that limits its requests, and one that redirects."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.server import free_port, wait_for_port

CONFIGURATION = Path(__file__).with_name("nginx.conf")
MODULES = Path("/usr/lib/nginx/modules")
"""Debian's directory."""

LIMIT = 250
"""Requests a second that the limited door takes, as in nginx.conf."""

WAIT = 20
"""Milliseconds that the waiting server waits before each answer."""


@dataclass(frozen=True)
class Nginx:
    """A running nginx.

    Attributes:
        plain: The port of the plain server.
        limited: The port of the door that answers 429 beyond `LIMIT` requests a second.
        door: The port of the door that redirects to a pool.
        waiting: The port of the server that waits; None if its Lua module is not installed.
        access: The log: time, port and status of each request.
    """

    plain: int
    limited: int
    door: int
    waiting: int | None
    access: Path

    def answers(self, port: int) -> list[tuple[float, int]]:
        """Return the time (seconds since 1970) and the status of each answer of one server, in order."""
        lines = map(str.split, self.access.read_text().splitlines())
        return sorted((float(at), int(status)) for at, server, status in lines if server == str(port))


def is_installed() -> bool:
    """Whether nginx and its WebDAV module are installed."""
    return _program() is not None and (MODULES / "ngx_http_dav_ext_module.so").exists()


def _program() -> str | None:
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextlib.contextmanager
def nginx(folder: Path, data: Path, certificate: Path, plain: int, pool: int) -> Iterator[Nginx]:
    """Run nginx for the `with` block.

    Args:
        folder: The directory for its own files; it is made.
        data: The directory that it serves.
        certificate: Key and certificates, in one PEM file.
        plain: The port of the plain server.
        pool: The port to which the door redirects: that of the plain server, or of a proxy in front of it.
    """
    (folder / "tmp").mkdir(parents=True)
    waiting = free_port() if (MODULES / "ngx_http_lua_module.so").exists() else None
    running = Nginx(plain, free_port(), free_port(), waiting, folder / "access")
    values = {"D": folder, "DATA": data, "CERT": certificate, "MODULES": MODULES, "POOL": pool}
    values |= {"PLAIN": plain, "LIMITED": running.limited, "DOOR": running.door}
    values |= {"LUA": "" if waiting else "# ", "WAITING": waiting, "WAIT": WAIT / 1000}
    values["USER"] = "user root;" if os.geteuid() == 0 else ""
    text = CONFIGURATION.read_text()
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    (folder / "nginx.conf").write_text(text)
    with (folder / "out").open("wb") as out:
        command = [str(_program()), "-p", str(folder), "-c", str(folder / "nginx.conf")]
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        wait_for_port(process, plain, folder, "nginx")
        yield running
    finally:
        process.terminate()
        process.wait(30)
