"""A process that has imported the command already, and forks for each run of it: a real process at a third of the cost.

What forks has no other threads and no open files but its socket. The child gets the arguments, environment, directory
and standard streams of the run, and does what `python -m ctadata` or an installed command does.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

INTERPRETER = ("PYTHON", "LC_", "LANG", "MALLOC_", "LD_")
"""How names of variables begin that an interpreter reads when it starts: a run that changes one is not forked."""

PRELOADED = (
    "ctadata.cli.main", "ctadata.session", "ctadata.agent.renew_on_demand", "ctadata.stores.dcache.site",
    "ctadata.stores.webdav.store", "typer._adapters", "typer.main",
)  # fmt: skip


class ForkServer:
    """Started with the first run; `close` ends it."""

    def __init__(self, name: str = "ctadata/__main__.py") -> None:
        """Nothing is started; `name` is the path of the command, which tells its kind."""
        self.is_used = True
        self._name = name
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    @cached_property
    def _environment(self) -> dict[str, str]:
        """That of the suite, at the first run."""
        return dict(os.environ)

    def may_run(self, env: Mapping[str, str]) -> bool:
        """Whether a fork would be the process that this environment makes."""
        if not self.is_used:
            return False
        names = {name for name in {*env, *self._environment} if name.startswith(INTERPRETER)}
        return all(env.get(name) == self._environment.get(name) for name in names)

    def run(
        self, arguments: Sequence[str], env: Mapping[str, str], cwd: Path, stdin: bytes | None, timeout: float
    ) -> tuple[int, bytes, bytes]:
        """Run the command to its end over pipes; stdin: None for nothing to read. TimeoutError, and it is killed."""
        asked = {"arguments": arguments, "env": dict(env), "cwd": str(cwd), "umask": _umask()}
        with contextlib.ExitStack() as stack:
            pipes = [os.pipe() for _ in range(3)]
            ours = [pipes[0][1], pipes[1][0], pipes[2][0]]
            theirs = [pipes[0][0] if stdin is not None else os.open(os.devnull, os.O_RDONLY), pipes[1][1], pipes[2][1]]
            with contextlib.ExitStack() as passed:
                for fd in {*theirs, pipes[0][0]}:
                    passed.callback(os.close, fd)
                told = stack.enter_context(self._start(asked, theirs))
            work = [stack.enter_context(open(ours[0], "wb")), *(stack.enter_context(open(fd, "rb")) for fd in ours[1:])]
            got: dict[int, bytes] = {}
            readers = [
                threading.Thread(target=lambda n=n, file=file: got.update({n: file.read()}), daemon=True)
                for n, file in enumerate(work[1:])
            ]
            for reader in readers:
                reader.start()
            with contextlib.suppress(BrokenPipeError):
                work[0].write(stdin or b"")
                work[0].flush()
            with contextlib.suppress(BrokenPipeError):
                work[0].close()
            told.settimeout(timeout)
            words = told.makefile("r")
            pid = int(words.readline())
            try:
                code = int(words.readline())
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                raise
            for reader in readers:
                reader.join(timeout)
            return code, got[0], got[1]

    def _start(self, asked: Mapping[str, object], fds: Sequence[int]) -> socket.socket:
        """Start a run with its three standard streams; its number, then its exit status come out of the socket."""
        ours, theirs = socket.socketpair()
        with self._lock, theirs:
            if self._socket is None:
                self._socket = self._launch()
            order = json.dumps(asked).encode()
            socket.send_fds(self._socket, [b"x"], [theirs.fileno(), *fds])
        ours.sendall(b"%d\n%s" % (len(order), order))
        return ours

    def _launch(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno()), self._name],
                pass_fds=[theirs.fileno()], env=self._environment, stdin=subprocess.DEVNULL,
                cwd=Path(__file__).parents[2],
            )  # fmt: skip
        return ours

    def close(self) -> None:
        """End it: it reads the end of its socket."""
        if self._socket is not None and self._process is not None:
            self._socket.close()
            self._process.wait()


FORKS = ForkServer()
"""That of the worker."""


def _umask() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("\nUmask:")[2].split()[0], 8)


def serve(listener: socket.socket) -> None:
    """Fork for each order until the other end is closed."""
    for module in PRELOADED:
        __import__(module)
    while True:
        word, fds, _, _ = socket.recv_fds(listener, 1, 4)
        if not word:
            return
        if os.fork() == 0:
            listener.close()
            watch(socket.socket(fileno=fds[0]), fds[1:])
        for fd in fds:
            os.close(fd)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:  # those that have watched earlier runs
                pass


def watch(order: socket.socket, streams: Sequence[int]) -> None:
    """Fork once more for the run itself, and say how it ended; does not return."""
    file = order.makefile("rb")
    asked = json.loads(file.read(int(file.readline())))
    pid = os.fork()
    if pid == 0:
        file.close()
        order.close()
        become(asked, streams)
    order.sendall(b"%d\n" % pid)
    for fd in streams:
        os.close(fd)
    order.sendall(b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    os._exit(0)


def become(asked: Mapping[str, object], streams: Sequence[int]) -> None:
    """Be the command; does not return."""
    for number, fd in enumerate(streams):
        os.dup2(fd, number)
    os.closerange(3, 256)
    os.environ.clear()
    os.environ.update(asked["env"])
    os.chdir(asked["cwd"])
    os.umask(asked["umask"])
    random.seed()
    sys.argv[1:] = asked["arguments"]
    code = 1
    try:
        sys.stdin = io.TextIOWrapper(os.fdopen(0, "rb"), encoding="utf-8", errors="surrogateescape")
        sys.stdout = io.TextIOWrapper(os.fdopen(1, "wb"), encoding="utf-8", errors="surrogateescape")
        sys.stderr = io.TextIOWrapper(os.fdopen(2, "wb"), "utf-8", "backslashreplace", line_buffering=True)
        sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr
        from ctadata.__main__ import main

        main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        threading._shutdown()
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                code = 120
        os._exit(code)


if __name__ == "__main__":
    number, sys.argv = int(sys.argv[1]), sys.argv[2:]
    serve(socket.socket(fileno=number))
