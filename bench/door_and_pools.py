"""A door and two pools that are far away, in a process of their own: the sandbox, whose requests wait.

    python -m bench.door_and_pools FILES FOLDER MILLISECONDS

It serves the files of FILES below /open, leaves `config.toml` (the profile `bench`) and `token` in FOLDER, prints the
addresses of the door and of the frontend and the CA's file, and ends when its stdin does.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.module_process import module_process

LIFETIME = 24 * 3600
"""Seconds for which the token is valid: longer than any benchmark."""


@dataclass(frozen=True)
class Site:
    """A running door.

    door, frontend: addresses without a slash at the end.   ca: the CA certificate to trust.
    config, token: files with the profile and with a token.
    """

    door: str
    frontend: str
    ca: Path
    config: Path
    token: Path


@contextlib.contextmanager
def door_and_pools(files: Path, folder: Path, milliseconds: float) -> Iterator[Site]:
    """The site, for the `with` block; every request waits `milliseconds`. `folder` is made."""
    folder.mkdir()
    with module_process("bench.door_and_pools", files, folder, milliseconds) as line:
        door, frontend, ca = line.split()
        yield Site(door, frontend, Path(ca), folder / "config.toml", folder / "token")


def main(files: str, folder: str, milliseconds: str) -> None:
    """Serve until stdin ends."""
    from ctadata.sandbox import Sandbox, faults

    with Sandbox(write_anywhere=True) as box:
        for path in sorted(Path(files).rglob("*")):
            if path.is_file():
                box.files.put(f"/open/{path.relative_to(files)}", path.read_bytes())
        for server in ("door", "pool"):
            box.faults.add(server, "*", "/*", faults.Delay(float(milliseconds) / 1000))
        (Path(folder) / "config.toml").write_text('default = "bench"\n' + box.profile_toml("bench"))
        token = Path(folder) / "token"
        token.touch(0o600)
        token.write_text(box.token(lifetime=LIFETIME))
        print(box.door, box.frontend, box.ca, flush=True)  # noqa: T201
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
