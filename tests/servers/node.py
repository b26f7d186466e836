"""A node of a cluster, simulated on this machine: a host name, process numbers, a boot and locks of its own.

Its directories are those of this machine, as on a shared file system whose locks are local to a node (Lustre with
`localflock`, NFS with `local_lock=flock`), and which has no files without a name (`O_TMPFILE`).
"""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

SOURCE = Path(__file__).with_name("node.c")
NAMESPACES = ["--uts", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc"]
PATIENCE = 300.0
"""Seconds after which a process of a node hangs, on a machine as busy as you like."""
AS_USER = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]


def build_library(folder: Path) -> Path:
    """Compile the library that gives a process the locks of its node."""
    library = folder / "node.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"], check=True)
    return library


class Node:
    """A node. It lives until the end of the `with` block, or until `die`."""

    def __init__(self, name: str, folder: Path, library: Path) -> None:
        self.name = name
        self.folder = folder / name
        (self.folder / "locks").mkdir(parents=True)
        self.env = {"LD_PRELOAD": str(library), "NODE_LOCKS": str(self.folder / "locks")}
        boot = self.folder / "boot_id"
        boot.write_text(f"{uuid.uuid4()}\n")
        begin = f"hostname {name} && mount --bind {shlex.quote(str(boot))} /proc/sys/kernel/random/boot_id && echo up"
        self._holder = subprocess.Popen(
            ["unshare", *AS_USER, *NAMESPACES, "sh", "-c", f"{begin} && exec cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._holder.stdout
        assert self._holder.stdout.readline() == "up\n", "this machine gives no namespaces"
        self._init = _only_child(self._holder.pid)
        self._processes: list[Process] = []

    def start(self, *arguments: str, cwd: Path, env: Mapping[str, str]) -> Process:
        """Start the command on this node."""
        return self._start("-m", "ctadata", *arguments, cwd=cwd, env=env)

    def hold(self, code: str, *, cwd: Path, env: Mapping[str, str]) -> str:
        """Run Python code that waits at its end until the node dies, and return its first line."""
        process = self._start("-c", code, cwd=cwd, env=env)
        assert process.stdout
        line = process.stdout.readline().strip()
        assert line, process.communicate()
        return line

    def _start(self, *arguments: str, cwd: Path, env: Mapping[str, str]) -> Process:
        user = ["--user", "--preserve-credentials"] if AS_USER else []
        enter = ["nsenter", "--target", str(self._init), *user, "--uts", "--pid", "--mount", f"--wdns={cwd}"]
        words = " ".join(f"{name}={shlex.quote(value)}" for name, value in self.env.items())
        command = f"exec env {words} {shlex.join([sys.executable, *arguments])}"
        self._processes.append(Process([*enter, "sh", "-c", command], env=env))
        return self._processes[-1]

    def die(self) -> None:
        """End all processes of the node at once."""
        self._holder.kill()
        self._holder.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.die()
        for process in self._processes:
            if process.returncode is None:
                process.communicate(timeout=PATIENCE)


class Process(subprocess.Popen[str]):
    """A process of a node. `kill` ends the process itself; its parent, outside of the node, follows."""

    def __init__(self, words: list[str], env: Mapping[str, str]) -> None:
        pipe = subprocess.PIPE
        super().__init__(words, env=env, stdin=pipe, stdout=pipe, stderr=pipe, text=True)

    def wait_for_end(self) -> tuple[int, str]:
        """Return the exit code and what stderr says."""
        words = self.communicate(timeout=PATIENCE)[1]
        return self.returncode, words

    def kill(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            os.kill(_only_child(self.pid), 9)


def _only_child(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text())
