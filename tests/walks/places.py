"""A place where the main job is done: the sandbox, or a real server; and the command that does it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from servers.forkserver import FORKS

from ctadata.sandbox import Sandbox

COMMAND = [sys.executable, "-m", "ctadata"]
PATIENCE = 120.0  # seconds that any one command may take


@dataclass
class Place:
    """One site as a test sees it.

    env:    the environment of the commands: settings, and a state folder of its own.
    home:   the collection that relative uploads go to, from the root.
    stored: gives every file below a remote path, `name -> content`, without our client.
    fill:   puts files under a remote path, `name -> content`, modified in 2020, without our client.
    approve: what a person does at a browser, given `verification_uri_complete`; None where it is done at once.
    box:    the sandbox, where it is one.
    """

    name: str
    env: dict[str, str]
    home: str
    stored: Callable[[str], dict[str, bytes]]
    fill: Callable[[str, dict[str, bytes]], None]
    approve: Callable[[str], object] | None = None
    box: Sandbox | None = None

    def start(self, *words: str | Path, cwd: Path | None = None) -> subprocess.Popen[str]:
        """Start a command; its output goes to pipes."""
        argv = [*COMMAND, *map(str, words)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
        return subprocess.Popen(argv, env=self.env, cwd=cwd, text=True, **pipes)

    def run(self, *words: str | Path, cwd: Path | None = None, code: int = 0) -> tuple[str, str]:
        """Run a command to its end, which must be `code`; gives what it wrote to stdout and stderr."""
        if FORKS.may_run(self.env):
            ended, *said = FORKS.run([str(word) for word in words], self.env, cwd or Path.cwd(), None, PATIENCE)
            out, err = (text.decode() for text in said)
        else:
            with self.start(*words, cwd=cwd) as process:
                out, err = process.communicate(timeout=PATIENCE)
            ended = process.returncode
        assert ended == code, f"{words}: {ended}\n{out}\n{err}"
        return out, err

    def log_in(self) -> None:
        """Log in as a person would: start the agent, and approve at the address it shows."""
        if not self.approve:
            self.run("start-agent")
            return
        process = self.start("start-agent")
        assert process.stderr
        with process:
            for line in process.stderr:
                word = next((w for w in line.split() if "user_code=" in w), None)
                if word:
                    self.approve(word)
                    break
            out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, out + err


def settings(folder: Path, toml: str) -> dict[str, str]:
    """The environment of a user whose only profile, and choice, is the one of `toml`."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "config.toml"
    config.write_text(toml)
    name = toml.split("]")[0].split(".")[-1]
    return {
        **os.environ,
        "CTADATA_CONFIG": str(config),
        "CTADATA_PROFILE": name,
        "XDG_STATE_HOME": str(folder / "state"),
        "HOME": str(folder),
    }


LONG_AGO = 1_600_000_000.0
"""When the files of `fill` were modified, in Unix seconds: before those of a test's tree."""


def fill_folder(folder: Path, files: dict[str, bytes]) -> None:
    """Write files below a local folder, modified long ago."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
        os.utime(folder / name, (LONG_AGO, LONG_AGO))


def files_below(folder: Path) -> dict[str, bytes]:
    """Every file below a local folder, `relative name -> content`.

    What is renamed or deleted meanwhile is passed over: a server may still do what a killed command has asked for.
    """
    found = {}
    for top, _, names in os.walk(folder):
        for path in (Path(top, name) for name in names):
            with suppress(FileNotFoundError):
                if path.is_file():
                    found[str(path.relative_to(folder))] = path.read_bytes()
    return dict(sorted(found.items()))
