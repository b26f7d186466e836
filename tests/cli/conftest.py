"""The command as a user runs it: a process with pipes or a terminal, against a sandbox."""

from __future__ import annotations

import contextlib
import io
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile

import pytest
from cli import json_schemas
from servers.forkserver import FORKS
from servers.plain_dav import PlainDav, plain_dav

from ctadata.cli import main, output
from ctadata.sandbox import Sandbox, faults

COMMAND = [sys.executable, "-m", "ctadata"]
PATIENCE = 60.0

# the new process takes the terminal on its standard input as its own, so that ^C there reaches it
OWN_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


class Terminal:
    """A process on its own terminal; `expect` waits for its output."""

    def __init__(self, arguments, env, cwd, rows=24, columns=80, command=COMMAND):
        self.fd, slave = os.openpty()
        import fcntl
        import struct
        import termios

        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-c", OWN_TERMINAL, *command, *arguments],
            stdin=slave, stdout=slave, stderr=slave, env=env, cwd=cwd, start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self.raw = ""

    @property
    def text(self):
        """The output so far, without colours and cursor movements."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.raw).replace("\r\n", "\n")

    def expect(self, pattern, timeout=PATIENCE):
        deadline = time.monotonic() + timeout
        while not (found := re.search(pattern, self.text)):
            assert self._read(deadline - time.monotonic()), (
                f"{pattern!r} does not come:\n{self.text[:3000]} ... {self.text[-500:]}"
            )
        return found

    def send(self, text):
        os.write(self.fd, text.encode())

    def end(self, timeout=PATIENCE):
        """Read until the process has ended, and return its exit code."""
        deadline = time.monotonic() + timeout
        while self._read(deadline - time.monotonic()):
            pass
        return self.process.wait(max(0.1, deadline - time.monotonic()))

    def _read(self, timeout):
        if timeout <= 0 or not select.select([self.fd], [], [], timeout)[0]:
            return False
        with contextlib.suppress(OSError):  # EIO: the process has let go of its terminal
            block = os.read(self.fd, 65536)
            self.raw += block.decode(errors="replace")
            return bool(block)
        return False

    def hang_up(self):
        """Take the terminal away, as a lost connection does."""
        os.close(self.fd)
        self.fd = None

    def close(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        if self.fd is not None:
            os.close(self.fd)


@dataclass
class Cli:
    """Runs the command in `cwd` with `env` on top of the environment of the tests.

    forked: A run may be a fork of this process; the system then shows neither its arguments nor its environment.
    """

    cwd: Path
    env: dict[str, str] = field(default_factory=dict)
    forked: bool = True
    open: list[Terminal] = field(default_factory=list)
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def environment(self, env):
        return {**os.environ, **self.env, **(env or {})}

    def __call__(self, *arguments, env=None, stdin=None, check=None):
        words, env = list(map(str, arguments)), self.environment(env)
        if self.forked and FORKS.may_run(env):
            code, out, err = FORKS.run(words, env, self.cwd, stdin, PATIENCE)
        else:
            done = subprocess.run(
                [*COMMAND, *words], cwd=self.cwd, env=env, timeout=PATIENCE, capture_output=True,
                **({"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}),
            )  # fmt: skip
            code, out, err = done.returncode, done.stdout, done.stderr
        ended = Ended(code, os.fsdecode(out), err.decode())
        assert "Traceback" not in ended.err
        assert check is None or ended.code == check, ended
        json_schemas.check_output(words, ended.out)
        return ended

    def start(self, *arguments, env=None, stdin=subprocess.DEVNULL, **options):
        process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)], cwd=self.cwd, env=self.environment(env),
            **{"stdin": stdin, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options},
        )  # fmt: skip
        self.started.append(process)
        return process

    def terminal(self, *arguments, env=None, **size):
        env = {"TERM": "xterm-256color", **self.environment(env)}
        self.open.append(Terminal([str(argument) for argument in arguments], env, self.cwd, **size))
        return self.open[-1]


@pytest.fixture(autouse=True)
def _forked(forks: None) -> None:
    """Runs of the command may be forks."""


@pytest.fixture
def cli(tmp_path) -> Iterator[Cli]:
    """The command, without a site."""
    folder = tmp_path / "here"
    folder.mkdir()
    runner = Cli(folder)
    yield runner
    for terminal in runner.open:
        terminal.close()
    for process in runner.started:
        if process.poll() is None:
            process.kill()
        with process:
            pass


@pytest.fixture
def run(monkeypatch):
    """`run("list", "x", check=0)` runs the command in this process, which saves half a second."""

    def run(*arguments, check=0, stdin=b""):
        out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()
        with monkeypatch.context() as patch, TemporaryFile() as file:  # a list is read from a descriptor
            file.write(stdin)
            file.seek(0)
            patch.setattr(sys, "stdin", io.TextIOWrapper(file))
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            output.stdout_is_terminal.cache_clear()
            code = main.run([str(argument) for argument in arguments])
            out.flush()
        output.stdout_is_terminal.cache_clear()
        assert "Traceback" not in err.getvalue()
        assert check in (None, code), err.getvalue()
        ended = Ended(code, os.fsdecode(out.buffer.getvalue()), err.getvalue())
        json_schemas.check_output([str(argument) for argument in arguments], ended.out)
        return ended

    return run


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    """A sandbox for all tests of a module; each test uses its own names."""
    with Sandbox(approve=True) as box:
        yield box


@pytest.fixture
def at_box(cli, box, tmp_path) -> Cli:
    """The command, with the sandbox as its site, and a token for it."""
    settings = tmp_path / "settings.toml"
    settings.write_text(f'default = "sandbox"\n{box.profile_toml()}')
    cli.env = {"CTADATA_CONFIG": str(settings), "BEARER_TOKEN": box.token(lifetime=600)}
    return cli


@pytest.fixture
def place(request) -> str:
    """The path of a directory for this test in the sandbox's home, without a leading slash."""
    name = re.sub(r"\W+", "-", request.node.name).strip("-")
    return f"lst/users/ada/{name}"


@pytest.fixture
def stalled(box, place):
    """Return the fault that stops a download after its first MiB."""
    box.files.put(f"/{place}/big", bytes(2 << 20))
    rule = box.faults.add("pool", "GET", f"/{place}/big", faults.Stall(after=1 << 20))
    yield rule
    rule.release()
    rule.remove()


@pytest.fixture
def dav() -> Iterator[PlainDav]:
    """A plain WebDAV server with a directory of one file."""
    with plain_dav() as server:
        server.nodes["/run"] = None
        server.put("/run/a.dat", b"content")
        yield server


@pytest.fixture
def code_at_dav(dav, tmp_path, monkeypatch) -> Callable[..., int]:
    """Run a command in this process, in an empty directory, at a plain WebDAV server, and return its exit code."""
    settings = tmp_path / "settings.toml"
    settings.write_text(f'default = "x"\n[profiles.x]\nkind = "webdav"\ndoor = "{dav.url}"\nhome = ["/"]\n')
    monkeypatch.setenv("CTADATA_CONFIG", str(settings))
    monkeypatch.setenv("BEARER_TOKEN", "a-secret-token")
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return lambda *arguments: main.run([str(argument) for argument in arguments])


@pytest.fixture
def at_dav(code_at_dav, capsys) -> Callable[..., str]:
    """Run a command as `code_at_dav`, check its exit code, and return its output."""

    def command(*arguments: object, check: int = 0) -> str:
        code = code_at_dav(*arguments)
        out, err = capsys.readouterr()
        assert code == check, (arguments, code, out, err)
        return out

    return command
