"""Somebody at an S3 store: a home with settings, and the commands as they are typed."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

COMMAND = [sys.executable, "-m", "ctadata"]
PATIENCE = 120.0


@dataclass(frozen=True)
class Said:
    """What a command wrote."""

    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@dataclass(frozen=True)
class Person:
    """`home` is where commands run, too."""

    home: Path

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)

    def settle(self, toml: str) -> None:
        """The profiles; the first one is the one in use."""
        default = toml.split("[profiles.", 1)[1].split("]")[0]
        (self.home / "config.toml").write_text(f'default = "{default}"\n{toml}')

    def run(self, *words: str | Path, code: int = 0, stdin: str = "", env: dict[str, str] | None = None) -> Said:
        """One command to its end, which must be `code`."""
        environment = {
            **os.environ,
            "HOME": str(self.home),
            "CTADATA_CONFIG": str(self.home / "config.toml"),
            "XDG_STATE_HOME": str(self.home / "state"),
            **(env or {}),
        }
        done = subprocess.run(
            [*COMMAND, *map(str, words)],
            env=environment, cwd=self.home, input=stdin, capture_output=True, text=True, timeout=PATIENCE,
        )  # fmt: skip
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return Said(done.stdout, done.stderr)

    def write(self, name: str, content: bytes) -> Path:
        """A local file."""
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def read(self, name: str) -> bytes:
        return (self.home / name).read_bytes()
