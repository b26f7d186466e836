"""A Slurm cluster of two nodes on this machine: munged, slurmctld and two slurmd of one ordinary user."""

from __future__ import annotations

import contextlib
import ctypes
import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from servers.shared import NotStarted, free_port

CONF = Path(__file__).with_name("slurm.conf")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "sinfo", "scontrol")
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
PATIENCE = 120.0
NODES = ("n1", "n2")
PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Slurm:
    """The cluster. `run` runs one of its commands; `kill_node` lets a node die, with its jobs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.conf = folder / "slurm.conf"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def env(self) -> dict[str, str]:
        return {**os.environ, "PATH": PATH, "SLURM_CONF": str(self.conf)}

    def run(self, *words: str, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> str:
        env = {**self.env, **(env or {})}
        done = subprocess.run(words, env=env, cwd=cwd, capture_output=True, text=True, timeout=5 * PATIENCE)
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}\n{self.log()}"
        return done.stdout

    def log(self) -> str:
        return "\n".join(f"{file}:\n{file.read_text()[-2000:]}" for file in sorted(self.folder.glob("*.log")))

    def job_processes(self, node: str) -> list[int]:
        """The processes of the jobs that run on a node, with those of Slurm that started them."""
        found = []
        wanted = {f"SLURMD_NODENAME={node}".encode(), f"SLURM_CONF={self.conf}".encode()}
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if wanted <= set((process / "environ").read_bytes().split(b"\0")):
                    parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
                    starter = b"slurmstepd" in Path(f"/proc/{parent}/cmdline").read_bytes()
                    found += [parent, int(process.name)] if starter else [int(process.name)]
        return found

    def kill_node(self, node: str) -> int:
        """Kill a node and all of its jobs, as a loss of power does; return the number of processes of jobs."""
        self.processes[node].kill()
        killed = self.job_processes(node)
        for pid in killed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return len(killed)

    def start(self, name: str, *words: str | Path) -> None:
        with open(self.folder / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen(
                words, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=_end_with_parent
            )

    def wait(self, what: str, is_ready: Sequence[str] | Path, expected: str = "") -> None:
        """Wait until a file exists, or the output of a command is as expected."""
        deadline = time.monotonic() + PATIENCE
        while not (is_ready.exists() if isinstance(is_ready, Path) else self._says(is_ready, expected)):
            assert time.monotonic() < deadline, f"{what}\n{self.log()}"
            time.sleep(0.05)

    def _says(self, words: Sequence[str], expected: str) -> bool:
        done = subprocess.run(words, env=self.env, capture_output=True, text=True, timeout=PATIENCE)
        return done.stdout == expected


@contextlib.contextmanager
def start_slurm(folder: Path) -> Iterator[Slurm]:
    """Start the cluster in an empty folder whose path is short, and stop it.

    Raises NotStarted where Debian's packages are missing.
    """
    missing = [program for program in PROGRAMS if not shutil.which(program, path=PATH)]
    if missing:
        raise NotStarted("Slurm needs the Debian packages slurm-wlm, slurmctld, slurmd and munge")
    slurm = Slurm(folder)
    for name in ("state", *NODES):
        (folder / name).mkdir()
    folder.chmod(0o755)  # slurmd refuses to start from a directory that others could not enter
    key = folder / "munge.key"
    key.touch(0o600)
    key.write_bytes(secrets.token_bytes(1024))
    values = {"HOST": socket.gethostname(), "USER": getpass.getuser(), "FOLDER": str(folder)}
    values |= {f"PORT{number}": str(free_port()) for number in range(3)}
    text = CONF.read_text()
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    slurm.conf.write_text(text)
    munge = [f"--{name}-file={folder / f'munge.{name}'}" for name in ("key", "pid", "log", "seed")]
    try:
        # --force: munged warns of directories above that others can write, as /tmp
        slurm.start("munged", "munged", "--foreground", "--force", f"--socket={folder / 'munge.socket'}", *munge)
        slurm.wait("munged is up", folder / "munge.socket")
        slurm.start("slurmctld", "slurmctld", "-D", "-c")
        for node in NODES:
            slurm.start(node, "slurmd", "-D", "-N", node)
        slurm.wait("both nodes are idle", ("sinfo", "-h", "-N", "-o", "%N %t"), "n1 idle\nn2 idle\n")
        yield slurm
    finally:
        for node in NODES:
            for pid in slurm.job_processes(node):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        for process in reversed(slurm.processes.values()):
            process.kill()
            process.wait()


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
