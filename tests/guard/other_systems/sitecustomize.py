"""Hide from Python what only Linux has, as HIDDEN_PARTS names it; and guard the network as everywhere.

The parts: `pipe2`, `O_TMPFILE`, `posix_fadvise`, `getrandom` and `pidfd_open` of `os`; `prctl` of the C library; and
`proc`, the files of /proc. This simulates macOS as far as a test on Linux can. HIDDEN_PYTHON is a script that starts
Python with this file: the agent keeps nothing of the environment, and is started by `sys.executable`.
"""

import ctypes
import os
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))
import loopback

loopback.install()


def hide_proc() -> None:
    def refuse(path: object) -> None:
        if isinstance(path, str | os.PathLike) and str(path).startswith("/proc/"):
            raise FileNotFoundError(2, "hidden by the test", str(path))

    def hidden(function):
        def call(path, *args, **kwargs):
            refuse(path)
            return function(path, *args, **kwargs)

        return call

    for name in ("stat", "lstat", "readlink", "link", "listdir", "scandir"):
        setattr(os, name, hidden(getattr(os, name)))
    sys.addaudithook(lambda event, args: refuse(args[0]) if event == "open" else None)


def hide_prctl() -> None:
    class WithoutPrctl(ctypes.CDLL):
        def __getattr__(self, name: str):
            if name == "prctl":
                raise AttributeError(name)
            return super().__getattr__(name)

    ctypes.CDLL = WithoutPrctl


sys.executable = os.environ["HIDDEN_PYTHON"]
for part in os.environ["HIDDEN_PARTS"].split():
    if part == "proc":
        hide_proc()
    elif part == "prctl":
        hide_prctl()
    else:
        delattr(os, part)
