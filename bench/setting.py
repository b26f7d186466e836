"""What every row needs: the server, the sizes of the work, where the other clients are, and rounds of commands."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench import measure
from bench.measure import Took
from bench.server import Server
from bench.trees import census


@dataclass(frozen=True)
class Sizes:
    """How much work there is: bytes of the one file, and numbers of files and folders."""

    rounds: int
    large: int
    small: int
    folders: int
    crowd: int
    tree: int
    tree_folders: int
    million: int
    many: int
    objects: int
    far: int
    far_folders: int


FULL = Sizes(5, 2 << 30, 5_000, 50, 200_000, 50_000, 2_000, 1_000_000, 200_000, 2_000, 2_000, 100)
QUICK = Sizes(1, 16 << 20, 50, 5, 2_000, 400, 20, 20_000, 1_000, 50, 40, 4)


@dataclass(frozen=True)
class Client:
    """A program that a row compares.

    command:  what to run.
    makes:    the file or folder that the command makes; removed before and afterwards, and looked into in between.
    expected: files and bytes that `makes` has to hold then, or (lines, 0) where `counted`.
    before:   done before, in no one's time.
    counted:  whether the lines of its output are counted, on their way to nobody.
    codes:    its exit codes that say that all went well.
    found:    tells files and bytes of what it made, where that is no file here.
    share:    it does this part of the work, because its time grows with the number of files alone and all of it would
              take most of an hour; its time is divided by it.
    """

    command: Sequence[str | Path]
    makes: Path | None = None
    expected: tuple[int, int] | None = None
    before: Callable[[], object] = lambda: None
    environment: Mapping[str, str] = field(default_factory=dict)
    counted: bool = False
    codes: tuple[int, ...] = (0,)
    found: Callable[[], tuple[int, int]] | None = None
    share: float = 1.0


@dataclass(frozen=True)
class Missing:
    """In a client's place: why it is not there."""

    why: str


Result = list[Took] | Missing


@dataclass
class Setting:
    """The benchmark at work.

    folder, disk: scratch space on the memory file system and on a disk.
    ours_program: our command.   peers_python: a Python that has the peers of PyPI.
    s3fs_python: a Python that has s3fs.
    say:          told what is going on.
    """

    server: Server
    folder: Path
    disk: Path
    sizes: Sizes
    ours_program: Path
    peers_python: Path
    s3fs_python: Path
    say: Callable[[str], object]

    @property
    def out(self) -> Path:
        """Where downloads go."""
        return self.folder / "out"

    @property
    def python(self) -> str:
        """The interpreter that this client is installed for."""
        return sys.executable

    def ours(
        self,
        *arguments: str | Path,
        port: int | None = None,
        makes: Path | None = None,
        atomic: bool = True,
        expected: tuple[int, int] | None = None,
        counted: bool = False,
    ) -> Client:
        """Our own command, whole; at the server's `port` or that of a proxy."""
        environment = {
            "CTADATA_CONFIG": str(self.folder / "config.toml"),
            "CTADATA_DOOR": f"https://localhost:{port or self.server.port}",
            "CTADATA_ATOMIC_PUT": str(atomic).lower(),
            "BEARER_TOKEN_FILE": str(self.folder / "token"),
        }
        return Client([self.ours_program, *arguments], makes, expected, environment=environment, counted=counted)

    def rounds(self, clients: Mapping[str, Client | Missing], rounds: int | None = None) -> dict[str, Result]:
        """Each client once a round, whoever was first last in the next; those that fail are out, with their words."""
        results: dict[str, Result] = {
            name: client if isinstance(client, Missing) else [] for name, client in clients.items()
        }
        order = list(clients)
        for _ in range(rounds or self.sizes.rounds):
            for name in order:
                client, took = clients[name], results[name]
                if isinstance(client, Client) and isinstance(took, list):
                    results[name] = self._once(name, client, took)
            order.append(order.pop(0))
        return results

    def _once(self, name: str, client: Client, took: list[Took]) -> Result:
        _remove(client.makes)
        client.before()
        self.say(f"  {name}")
        one = measure.run(client.command, self.folder, client.environment, counted=client.counted)
        got = (one.lines, 0) if client.counted else census(client.makes) if client.makes else client.expected
        got = client.found() if client.found else got
        _remove(client.makes)
        if one.code not in client.codes:
            return Missing(f"it ended with {one.code}: {measure.words(self.folder)}")
        if client.expected and got != client.expected:
            return Missing(f"it made {got} instead of {client.expected} (files, bytes)")
        return [*took, dataclasses.replace(one, seconds=one.seconds / client.share, cpu=one.cpu / client.share)]


def _remove(path: Path | None) -> None:
    if path is not None and path.is_dir():
        shutil.rmtree(path)
    elif path is not None:
        path.unlink(missing_ok=True)


def version_of(*command: str | Path, line: int = 0) -> str | None:
    """One line of what a program says of its version; None where there is none."""
    try:
        said = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=30, check=False)
    except OSError:
        return None
    lines = (said.stdout or said.stderr).strip().splitlines()
    return lines[line] if len(lines) > line and said.returncode == 0 else None
