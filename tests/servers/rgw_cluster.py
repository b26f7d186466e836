"""Runs Ceph's monitor, store and object gateway until it is told to stop; the keeper starts it.

    python rgw_cluster.py PROGRAMS FOLDER READY-FD

PROGRAMS holds Ceph's programs, FOLDER the filled-in ceph.conf. One line on READY-FD says that the gateway answers.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Cluster:
    """The three processes of a cluster, and the programs that prepare them."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.programs = programs
        self.folder = folder
        self.running: list[subprocess.Popen[bytes]] = []

    def prepare(self, program: str, *arguments: str | Path) -> None:
        subprocess.run([self.programs / program, *arguments, "--conf", self.folder / "ceph.conf"], check=True)

    def start(self, program: str, *arguments: str) -> None:
        command = [self.programs / program, "-f", *arguments, "--conf", self.folder / "ceph.conf"]
        self.running.append(subprocess.Popen(command, preexec_fn=_end_with_parent))

    def until(self, ready: Callable[[], bool]) -> None:
        """Wait; ends everything where a process has ended meanwhile."""
        while not ready():
            if any(process.poll() is not None for process in self.running):
                logs = sorted(self.folder.glob("*.log"))
                sys.exit("\n".join(f"{log.name}: {log.read_text(errors='replace')[-1000:]}" for log in logs))
            time.sleep(0.02)

    def end(self, *_: object) -> None:
        """Its data is in memory and nobody's: there is nothing to put away."""
        for process in self.running:
            process.kill()
        for process in self.running:
            process.wait()
        sys.exit(0)


def main(programs: Path, folder: Path, ready: int) -> None:
    """Bring everything up, say so, and wait."""
    cluster = Cluster(programs, folder)
    signal.signal(signal.SIGTERM, cluster.end)
    settings = dict(line.split(" = ", 1) for line in (folder / "ceph.conf").read_text().splitlines() if " = " in line)
    monitors, osds = folder / "monmap", folder / "osdmap"
    (folder / "keyring").touch()
    (folder / "osd").mkdir()
    monitor = settings["mon host"].removesuffix("/0]") + "/0]"
    cluster.prepare("monmaptool", "--create", "--fsid", settings["fsid"], "--addv", "a", monitor, monitors)
    cluster.prepare("osdmaptool", "--createsimple", "1", osds)
    cluster.prepare("ceph-mon", "--mkfs", "-i", "a", "--monmap", monitors, "--osdmap", osds)
    cluster.start("ceph-mon", "-i", "a")
    cluster.prepare("ceph-osd", "--mkfs", "-i", "0")
    cluster.start("ceph-osd", "-i", "0")
    cluster.until(lambda: "booting -> active" in (folder / "osd.0.log").read_text(errors="replace"))
    cluster.start("radosgw", "-n", "client.rgw")  # one that finds no store yet waits for seconds
    port = int(settings["rgw frontends"].split("endpoint=127.0.0.1:")[1].split()[0])
    cluster.until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)
    os.write(ready, b"{}\n")
    cluster.until(lambda: False)


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
