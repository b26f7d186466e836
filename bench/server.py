"""Apache mod_dav over TLS on loopback, its files in a folder of the caller's choice."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import trustme

CONFIGURATION = Path(__file__).with_name("apache.conf")
MODULES = Path("/usr/lib/apache2/modules")  # Debian's place
PATIENCE = 20.0  # seconds for it to come up; it needs well under one


class NotStarted(Exception):
    """The server did not come up; the text ends with what it said."""


@dataclass(frozen=True)
class Server:
    """A running server: `port` of 127.0.0.1, the folder `data` that it serves, the CA certificate `ca` to trust."""

    port: int
    data: Path
    ca: Path
    process: int

    @property
    def url(self) -> str:
        """Without a slash at the end."""
        return f"https://localhost:{self.port}"


@contextlib.contextmanager
def apache(folder: Path) -> Iterator[Server]:
    """Apache, for the `with` block; `folder` exists and is empty. Raises NotStarted."""
    program = shutil.which("apache2", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if not program or not (MODULES / "mod_dav_fs.so").exists():
        raise NotStarted("the server is Apache: it needs the Debian package apache2-bin")
    ca, certificate = _certificates(folder)
    _make_folders(folder)
    port = free_port()
    settings = {"D": str(folder), "PORT": str(port), "MODULES": str(MODULES), "CERT": str(certificate)}
    as_root = ["-DAS_ROOT"] if os.geteuid() == 0 else []
    command = [program, "-f", str(CONFIGURATION), "-DFOREGROUND", *as_root]
    with (folder / "out").open("wb") as out:
        process = subprocess.Popen(command, env={**os.environ, **settings}, stdout=out, stderr=out)
    try:
        wait_for_port(process, port, folder, "Apache")
        yield Server(port, folder / "data", ca, process.pid)
    finally:
        process.terminate()
        process.wait(30)


def _certificates(folder: Path) -> tuple[Path, Path]:
    ca, certificate = folder / "ca.pem", folder / "server.pem"
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(ca))
    authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    return ca, certificate


def _make_folders(folder: Path) -> None:
    folder.chmod(0o755)  # the worker processes, who run as somebody else where root starts them, look into it
    for name in ("data", "lock", "run"):
        (folder / name).mkdir()
        if os.geteuid() == 0 and name != "run":
            shutil.chown(folder / name, "www-data", "www-data")


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_port(process: subprocess.Popen[bytes], port: int, folder: Path, name: str) -> None:
    """Wait until a server listens; raise NotStarted, with what it said, if it ends or takes too long."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    said = "".join((folder / name).read_text(errors="replace") for name in ("out", "log") if (folder / name).exists())
    raise NotStarted(f"{name} did not come up; it said:\n{said[-2000:]}")
