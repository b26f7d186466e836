"""The machinery of the fault matrix: one command on one file during a fault, and the files that are left."""

from __future__ import annotations

import functools
import os
import random
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ctadata.cli import main
from ctadata.http.client import Client
from ctadata.http.timeouts import Limits
from ctadata.paths import TEMPORARY_PREFIX
from ctadata.sandbox import Sandbox
from ctadata.sandbox.faults import Fault
from ctadata.transfer import resume_journal, segmented_download, segments, sink
from ctadata.transfer import run as transfer_run

COLUMNS = ("get", "get divided", "put", "sync down", "sync up")
SMALL, LARGE = 700_000, 6 << 20  # the large file has more ranges than streams: some are asked for late
OLD, SAME, EXTRA = b"the old content", b"the same on both sides", b"only at the target"
MTIME = 1_600_000_000.0
SILENCE = 2.0
"""Seconds that a stalled transfer is borne here."""


@functools.cache
def content(size: int, seed: int = 1) -> bytes:
    """Return bytes that are the same in every run."""
    return random.Random(seed).randbytes(size)


@dataclass(frozen=True)
class Ends:
    """The end of a command: its exit code, its words on stderr, and the content of the target.

    left:  the hidden files from which a later run resumes.
    slept: the least seconds of the longest pause.
    """

    code: int = 0
    words: str = ""
    left: tuple[str, ...] = ()
    slept: float = 0.0

    @property
    def well(self) -> bool:
        """Whether the file got there."""
        return self.code == 0


WELL = Ends()
KEPT = (".journal", ".part")


@dataclass
class Trial:
    """One command on one file, and its surroundings.

    name:   the name of the file.   old: whether another file is at the target.
    here, there: the local and the remote directory, the same for every trial of a test.
    slept:  the pauses of the client, in seconds.
    outside: whether the command needs a process of its own, and the limits that it starts with.
    undo:   functions that end the fault.
    versions: the contents of the file at its source, in order.   may_go_on: whether pauses are over.
    """

    column: str
    box: Sandbox
    here: Path
    there: str
    old: bool = True
    name: str = "f"
    slept: list[float] = field(default_factory=list)
    outside: Callable[[], object] | None = None
    undo: list[Callable[[], object]] = field(default_factory=list)
    versions: list[bytes] = field(default_factory=list)
    may_go_on: threading.Event = field(default_factory=threading.Event)

    @property
    def up(self) -> bool:
        return self.column in ("put", "sync up")

    @property
    def sync(self) -> bool:
        return self.column.startswith("sync")

    @property
    def new(self) -> bytes:
        """The content that has to be at the target."""
        return content(LARGE if self.column == "get divided" else SMALL)

    @property
    def remote(self) -> str:
        return f"{self.there}/{self.name}"

    @property
    def local(self) -> Path:
        return self.here / self.name

    @property
    def words(self) -> list[str]:
        """The arguments of the command."""
        if self.sync:
            sides = [f":{self.there}", str(self.here)]
            return ["sync", "--delete", "--yes", *(reversed(sides) if self.up else sides)]
        if self.up:
            return ["put", str(self.local), self.remote]
        return ["get", self.remote, f"{self.here}/"]

    def prepare(self) -> None:
        """Put the file at its source, and the old content at the target."""
        self.may_go_on.set()
        self.here.mkdir()
        self.box.files.mkdir(self.there)
        if self.sync:
            self.place(True, "again", SAME)
            self.place(False, "again", SAME)
            self.place(not self.up, "extra", EXTRA)
        self.place(self.up, self.name, self.new)
        if self.old:
            self.place(not self.up, self.name, OLD)

    def place(self, here: bool, name: str, data: bytes, mtime: float = MTIME) -> None:
        """Write a file on one of the two sides."""
        if (here, name) == (self.up, self.name):
            self.versions.append(data)
        if here:
            (self.here / name).write_bytes(data)
            os.utime(self.here / name, (mtime, mtime))
        else:
            self.box.files.put(f"{self.there}/{name}", data, mtime=mtime)

    def stands(self, here: bool) -> dict[str, bytes]:
        """Return the files on one side, without our own hidden ones."""
        if here:
            found = {path.name: path.read_bytes() for path in self.here.iterdir()}
        else:
            names = [path.rpartition("/")[2] for path in self.box.files.tree(self.there)]
            found = {name: self.box.files.read(f"{self.there}/{name}") for name in names}
        return {name: data for name, data in found.items() if not name.startswith(TEMPORARY_PREFIX)}

    def left(self) -> tuple[str, ...]:
        """Return the kinds of hidden files that are left; `temporary` for each one on the storage."""
        here = [path.suffix for path in self.here.iterdir() if path.name.startswith(TEMPORARY_PREFIX)]
        there = ["temporary" for path in self.box.files.tree(self.there) if TEMPORARY_PREFIX in path]
        return (*sorted(here), *there)

    def run(self, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
        """Run the command; return its exit code and its stderr."""
        if self.outside is not None:
            return self._run_outside()
        capsys.readouterr()
        code = main.run(self.words)
        return code, capsys.readouterr().err

    def _run_outside(self) -> tuple[int, str]:
        # without its capabilities, root obeys permissions like other users
        plain = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"] if os.geteuid() == 0 else []
        argv = [*plain, sys.executable, "-m", "ctadata", *self.words]
        done = subprocess.run(argv, capture_output=True, timeout=60, preexec_fn=self.outside, check=False)
        return done.returncode, done.stderr.decode()


Strike = Callable[[Trial, bool], object]
"""Has something go wrong in a trial: once, or (True) for ever."""


def on(server: str, method: str, fault: Fault, *, skip: int = 0) -> Strike:
    """Return a fault of the sandbox at every path of the trial."""

    def strike(trial: Trial, ever: bool) -> None:
        trial.box.faults.add(server, method, f"{trial.there}/*", fault, times=None if ever else 1, skip=skip)

    return strike


def after(first: Strike, then: Strike) -> Strike:
    """Let the first fault happen once, to bring about the second one."""

    def strike(trial: Trial, ever: bool) -> None:
        first(trial, False)
        then(trial, ever)

    return strike


def limited(**limits: int) -> Strike:
    """Run the command in a process of its own, with these limits: `RLIMIT_FSIZE=1000`."""

    def strike(trial: Trial, ever: bool) -> None:
        def begin() -> None:
            for name, value in limits.items():
                resource.setrlimit(getattr(resource, name), (value, value))

        trial.outside = begin
        trial.undo.append(lambda: setattr(trial, "outside", None))

    return strike


def quicken(monkeypatch: pytest.MonkeyPatch, trial: Trial, *, stalls: bool) -> None:
    """End pauses at once; divide files from 1 MiB on; with `stalls`, tolerate silence for two seconds."""

    def sleep(seconds: float) -> None:
        trial.slept.append(seconds)
        trial.may_go_on.wait(60)

    options: dict[str, Any] = {"sleep": sleep, "clock": lambda: time.monotonic() + sum(trial.slept)}
    if stalls:
        options["limits"] = Limits(stall_seconds=SILENCE, first_byte=SILENCE)
    monkeypatch.setattr("ctadata.session.Client", functools.partial(Client, **options))
    monkeypatch.setattr(transfer_run, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(segmented_download, "DIVIDED_FROM", 1 << 20)
    monkeypatch.setattr(resume_journal, "RESUMABLE_FROM", 1 << 20)
    monkeypatch.setattr(sink, "PIECE", 1 << 16)
    monkeypatch.setattr(resume_journal, "BLOCK", 1 << 18)
    monkeypatch.setattr(segments, "SMALLEST", 1 << 19)
    monkeypatch.setattr(segments, "GRID", 1 << 18)
