"""The processes of one XRootD site, started in the right order and ended together.

python xrootd_nodes.py cluster|downgrade FOLDER READY-FD

FOLDER holds xrootd.cfg, scitokens.cfg, keys/, server.crt, server.key, ca.crt and data/. One line of JSON goes to
READY-FD once the site is up: {"url": ..., "pools": "PORT PORT"}. XRootD has no bind address, but takes the socket that
systemd would hand it (LISTEN_FDS): so every port is on loopback, and nobody can take it in between.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

PR_SET_PDEATHSIG = 1  # linux/prctl.h
PATIENCE = 100.0  # seconds for the site to come up, less than its starter has
AS_FD_3 = 'export LISTEN_PID=$$; exec "$@"'


def bound() -> socket.socket:
    """A socket on a free port of loopback."""
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    held.listen(128)
    return held


def port(held: socket.socket) -> int:
    return int(held.getsockname()[1])


class Site:
    """The processes, each with its environment and at most one socket."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.folder = folder
        self.env = {
            "PATH": os.environ["PATH"],
            "XRDD": str(folder),
            "XDG_CACHE_HOME": str(folder / "keys"),
            **{name: str(value) for name, value in settings.items()},
        }
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, program: str, name: str, held: socket.socket | None, **settings: object) -> None:
        """Run `program` as the node `name`; it takes `held` as systemd would hand it over."""
        pid_file = self.folder / f"{program}.{name}.pid"
        command = [program, "-c", self.folder / "xrootd.cfg", "-l", self.folder / f"{program}.{name}.log"]
        command += ["-n", name, "-s", pid_file]
        env = self.env | {key: str(value) for key, value in settings.items()}
        if held:
            env["LISTEN_FDS"] = "1"
            command = ["sh", "-c", AS_FD_3, "sh", *command]

        def prepare() -> None:
            if held:
                os.dup2(held.fileno(), 3)
                os.set_inheritable(3, True)  # it may have been 3 before
            if os.geteuid() == 0:  # XRootD does not run as root
                os.setgid(65534)
                os.setuid(65534)
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

        self.processes.append(
            subprocess.Popen(
                [str(word) for word in command], env=env, close_fds=False, preexec_fn=prepare, cwd=self.folder
            )
        )

    def appears(self, *names: str) -> None:
        """Wait until one of these files of the folder is there."""
        end = time.monotonic() + PATIENCE
        while not any((self.folder / name).exists() for name in names):
            if time.monotonic() > end or any(process.poll() is not None for process in self.processes):
                raise SystemExit(f"{names[0]} does not appear")
            time.sleep(0.02)


def cluster(folder: Path) -> tuple[Site, int, list[int]]:
    """A manager and two data servers over one folder."""
    manager, control, first, second = bound(), bound(), bound(), bound()
    site = Site(folder, CMSPORT=port(control))
    site.start("cmsd", "man", control, XPORT=port(manager))
    site.appears("a/man/.olb/olbd.nimda")
    site.start("xrootd", "man", manager, XPORT=port(manager))
    for name, held in (("ds1", first), ("ds2", second)):
        site.start("cmsd", name, None, XPORT=port(held))
        site.appears(f"a/{name}/.olb/olbd.admin")
        site.start("xrootd", name, held, XPORT=port(held))
    return site, port(manager), [port(first), port(second)]


def downgrade(folder: Path) -> tuple[Site, int, list[int]]:
    """A door over https that sends everybody to http."""
    door, pool = bound(), bound()
    site = Site(folder, XDEST=f"127.0.0.1:{port(pool)}")
    site.start("xrootd", "pool", pool, XPORT=port(pool))
    site.start("xrootd", "door", door, XPORT=port(door))
    return site, port(door), [port(pool)]


def answers(site: Site, door: int, pools: list[int]) -> None:
    """Wait until the door redirects to every pool.

    A manager that knows no pool yet stalls the request, so it is asked again soon; a busy machine takes longer for any
    answer, so each question gets more time than the one before it.
    """
    curl = ["curl", "-s", "--cacert", site.folder / "ca.crt", "-o", "/dev/null"]
    token = (site.folder / "token").read_text()
    curl += ["-w", "%{redirect_url}", "-H", f"Authorization: Bearer {token}", f"https://localhost:{door}/"]
    seen: set[int] = set()
    end, limit = time.monotonic() + PATIENCE, 0.5
    while time.monotonic() < end and len(seen) < len(pools):
        words = [*curl, "--max-time", f"{limit:.2f}"]
        told = subprocess.run([str(word) for word in words], capture_output=True, text=True).stdout
        seen |= {number for number in pools if f":{number}/" in told}
        limit = min(1.2 * limit, 10.0)
        if any(process.poll() is not None for process in site.processes):
            break
    if len(seen) < len(pools):
        raise SystemExit(f"the door redirects to {seen} of {pools}")


def main(kind: str, folder: Path, ready: int) -> None:
    """Bring the site up, say so, and stay until the end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    os.set_inheritable(ready, False)
    if os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, 65534, 65534)
    site, door, pools = (cluster if kind == "cluster" else downgrade)(folder)
    try:
        answers(site, door, pools)
        with os.fdopen(ready, "w") as said:
            pids = " ".join(str(process.pid) for process in site.processes)
            told = {"url": f"https://localhost:{door}", "pools": " ".join(map(str, pools)), "pids": pids}
            said.write(json.dumps(told) + "\n")
        signal.pause()
    finally:
        for process in site.processes:
            process.kill()
        for process in site.processes:
            process.wait()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
